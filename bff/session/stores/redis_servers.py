"""How a URL becomes connections: to one server, to the primary that sentinels name, to the nodes of a cluster."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, Sentinel
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from bff.session.stores.addresses import Address, Members, parse_cluster, parse_sentinels
from bff.session.stores.redis_cluster import ClusterClient
from bff.session.stores.redis_reasons import NO_CONNECTION, reason_of
from bff.session.stores.redis_tls import Tls

CONNECTIONS = 32  # at most, for each store; one of them is the watch's
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password", "sentinel_ssl")
_NODE_CONNECTIONS = 1024  # to each node of a cluster: the store itself bounds how many calls are under way


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a store's data is.

    Attributes:
        client: for commands. A cluster's client has those that we use, so it passes for a `Redis`.
        listener: returns a client for one connection that hears pushed messages.
        database: the number; servers share channels between their databases.
        is_cluster: keys lie on several servers.
        close: lets go of every connection.
    """

    client: Redis
    listener: Callable[[], Redis]
    database: int
    is_cluster: bool
    close: Callable[[], Awaitable[None]]


def connect(url: str, timeout: float) -> Servers:
    """Return what reaches the servers that `url` names; nothing is opened yet.

    `timeout` is seconds for any single call. Raises `ValueError` or `TypeError` when the URL is none of ours.
    """
    scheme, _, rest = url.partition(":")
    address, _, query = rest.partition("?")
    secure, _, kind = scheme.partition("+")
    try:
        match kind:
            case "sentinel":
                return _follow_sentinels(parse_sentinels(address), secure, query, timeout)
            case "cluster":
                return _spread_over(parse_cluster(address), secure, query, timeout)
            case _:
                return _reach(url, timeout)
    except exceptions.RedisError:
        # Not chained: redis-py's own message may repeat the URL.
        raise ValueError("the URL holds an option that redis-py refuses") from None


def _reach(url: str, timeout: float) -> Servers:
    pool = BlockingConnectionPool.from_url(
        url, **_of_each_connection(timeout), max_connections=CONNECTIONS, timeout=timeout
    )
    if pool.connection_class is SSLConnection:
        pool.connection_class = Tls(_plain(pool.connection_kwargs, "ssl_")).connection_class()
    pool.make_connection()  # type: ignore[no-untyped-call]  # an unknown option shows here
    client = Redis.from_pool(pool)
    return Servers(client, lambda: client, int(pool.connection_kwargs.get("db", 0)), False, client.aclose)


class _SentinelPool(BlockingConnectionPool, SentinelConnectionPool):
    """Connections to whichever server is the primary: as many as there may be, and then whoever comes waits."""


class _Sentinel(Sentinel):
    async def discover_master(self, service_name: str) -> Address:
        """Ask one after the other. Why none of them helped is behind the error; redis-py has it in words alone."""
        faults: list[Exception] = []
        for number, sentinel in enumerate(self.sentinels):
            try:
                known = cast("dict[str, dict[str, Any]]", await sentinel.sentinel_masters())
            except exceptions.RedisError as exc:
                faults.append(exc)
                continue
            state = known.get(service_name)
            if state and self.check_master_state(state, service_name):
                # The next call begins with one that answers.
                self.sentinels[0], self.sentinels[number] = sentinel, self.sentinels[0]
                return state["ip"], state["port"]
        # One that is gone says less than one that refuses us.
        faults.sort(key=lambda exc: reason_of(exc) == NO_CONNECTION)
        raise MasterNotFoundError("no sentinel names a primary") from next(iter(faults), None)


def _follow_sentinels(members: Members, secure: str, query: str, timeout: float) -> Servers:
    given = dict(parse_qsl(query, keep_blank_values=True))
    theirs = {name.removeprefix("sentinel_"): given.pop(name) for name in _SENTINEL_OPTIONS if name in given}
    options = _options(members, secure, urlencode(given))
    tls = Tls(_plain(options, "ssl_")) if secure == "rediss" else None
    # A dead sentinel must leave time to ask the others within one call.
    share = timeout / (len(members.addresses) + 1)
    asking = _of_each_connection(timeout) | {"socket_timeout": share, "socket_connect_timeout": share}
    asks_over_tls = theirs.pop("ssl", "true").lower() not in {"false", "no", "0"}
    sentinel = _Sentinel(members.addresses, sentinel_kwargs={**asking, **theirs})  # type: ignore[no-untyped-call]
    if tls is not None and asks_over_tls:
        for each in sentinel.sentinels:
            each.connection_pool.connection_class = tls.connection_class()
    options.setdefault("db", members.database)
    pool = _SentinelPool(
        service_name=members.service,
        sentinel_manager=sentinel,
        connection_class=tls.sentinel_connection_class() if tls is not None else SentinelManagedConnection,
        max_connections=CONNECTIONS,
        timeout=timeout,
        **{**_of_each_connection(timeout), "socket_connect_timeout": share, **options},
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # an unknown option shows here
    client = Redis.from_pool(pool)

    async def close() -> None:
        await client.aclose()
        await sentinel.aclose()

    return Servers(client, lambda: client, int(options["db"]), False, close)


def _spread_over(members: Members, secure: str, query: str, timeout: float) -> Servers:
    options = _options(members, secure, query)
    tls = Tls(_plain(options, "ssl_")) if secure == "rediss" else None
    options = {name: value for name, value in options.items() if not name.startswith("ssl_")}
    if int(options.pop("db", 0)):
        raise ValueError("a cluster has one database")
    # A node that is dead or silent must leave time within one call to ask another one where the keys are now.
    options |= _of_each_connection(timeout) | {"socket_timeout": timeout / 2, "socket_connect_timeout": timeout / 4}
    cluster = ClusterClient(
        members.addresses,
        require_full_coverage=False,  # what the living nodes hold is served
        reinitialize_steps=0,  # else a move of slots closes connections that are in use
        max_connections=_NODE_CONNECTIONS,
        ssl=tls is not None,
        **options,
    )
    if tls is not None:
        cluster.connection_kwargs["connection_class"] = tls.connection_class()  # of nodes that are found later
        for node in cluster.startup_nodes:
            node.connection_class = cluster.connection_kwargs["connection_class"]

    def listener() -> Redis:
        # Each node hears what is published on any other. Not always the same one: it may be the dead one.
        nodes = cluster.get_nodes() or cluster.startup_nodes
        node = random.choice(nodes)  # noqa: S311 - no secret
        client = Redis(host=node.host, port=int(node.port), **options)
        if tls is not None:
            client.connection_pool.connection_class = tls.connection_class()
        return client

    async def close() -> None:
        await cluster.aclose()
        for known in ("nodes_cache", "startup_nodes"):  # which it leaves open while it does not know where keys are
            await cluster.nodes_manager.aclose(known)

    return Servers(cast("Redis", cluster), listener, 0, True, close)


def _of_each_connection(timeout: float) -> dict[str, Any]:
    # No retries inside: a `replace` that is sent twice would take its own first success for another's.
    # Notifications of maintenance off: with them on, redis-py no longer looks whether an idle connection has been
    # closed before it uses it, and after a restart of the server each one fails one call.
    return {
        "protocol": 3,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _options(members: Members, secure: str, query: str) -> dict[str, Any]:
    """Read credentials and options as redis-py reads those of a single server."""
    options = dict(parse_url(f"{secure}://{members.credentials}host?{query}"))
    del options["host"]
    options.pop("connection_class", None)
    return options


def _plain(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name.startswith(prefix)}
