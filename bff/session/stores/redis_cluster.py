"""The client of a cluster: redis-py's, which asks less often where keys are, and never forgets whom it may ask."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self, cast

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode

from bff.session.stores.addresses import Address

# Seconds. Each call that meets a dead node wants to know. An answer takes 5 ms of CPU time, and has all connections
# to all nodes made anew.
ASK_EVERY = 0.2


class ClusterClient(RedisCluster):
    """Implements what stores use of `Redis`.

    redis-py takes what the nodes call themselves in place of the addresses that it was given. When all of them have
    moved, as pods do, nobody that it knows is there any more. So when nobody answers, the others are asked next.
    """

    def __init__(self, addresses: Sequence[Address], **options: Any) -> None:
        super().__init__(startup_nodes=[ClusterNode(*address) for address in addresses], **options)
        self._addresses = addresses
        self._others: dict[str, ClusterNode] = {}
        self._asked_at = -ASK_EVERY  # by the loop's clock

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> Self:
        """Ask where keys are, if that is in doubt; see `RedisCluster.initialize`."""
        now = asyncio.get_running_loop().time()
        knows_some = cast("ClusterNode | None", self.nodes_manager.default_node) is not None
        if knows_some and now < self._asked_at + ASK_EVERY:
            self._initialize = False  # the next one that meets a dead node raises the doubt again
            return self
        was_in_doubt = self._initialize
        try:
            await super().initialize(additional_startup_nodes_info, last_failed_node_name)
        except BaseException:  # out of time as well
            known = self.nodes_manager.startup_nodes
            self.nodes_manager.startup_nodes, self._others = self._others or self._given(), known
            raise
        if was_in_doubt:
            self._asked_at, self._others = now, {}
        return self

    def _given(self) -> dict[str, ClusterNode]:
        nodes = [ClusterNode(host, port, **self.connection_kwargs) for host, port in self._addresses]
        return {node.name: node for node in nodes}
