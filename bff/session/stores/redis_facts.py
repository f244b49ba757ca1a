"""What a Redis or Valkey tells of itself: version, clock, persistence, memory, replication."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bff.session.facts import StoreFacts

_TRIES = 5


class RedisFacts:
    """Implements `TellsFacts`."""

    def __init__(
        self,
        client: Redis,
        bounded: Callable[[], AbstractAsyncContextManager[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._clock = clock
        self._bounded = bounded

    async def read(self) -> StoreFacts:
        """See `TellsFacts.read`."""
        ahead, round_trip = await self.compare_clocks()
        async with self._bounded():
            told: Mapping[str, Any] = _of_one(await self._client.info())
        limit = _number(told, "maxmemory")
        appends = told.get("aof_enabled")
        return StoreFacts(
            server=str(told.get("server_name", "redis")),
            version=str(told.get("valkey_version") or told.get("redis_version", "")),
            seconds_ahead=ahead,
            round_trip=round_trip,
            appends=bool(appends) if appends is not None else None,
            snapshots=await self._snapshots(),
            last_write_failed="err" in {told.get("rdb_last_bgsave_status"), told.get("aof_last_write_status")},
            evicts=str(told["maxmemory_policy"]) if "maxmemory_policy" in told else None,
            memory_used=_number(told, "used_memory"),
            memory_limit=limit,
            role=str(told["role"]) if "role" in told else None,
            replicas=_number(told, "connected_slaves"),
            needs_replicas="min_slaves_good_slaves" in told,  # told only where min-replicas-to-write is set
        )

    async def is_in_cluster(self) -> bool:
        """Whether the server is a node of a cluster, as far as it tells."""
        async with self._bounded():
            told: Mapping[str, Any] = _of_one(await self._client.info("cluster"))
        return told.get("cluster_enabled") == 1

    async def compare_clocks(self) -> tuple[float, float]:
        """How far its clock is ahead of ours, and how long it takes to ask: by the soonest of a few answers."""
        tries = []
        for _ in range(_TRIES):
            async with self._bounded():
                before = self._clock()
                seconds, micros = _of_one(await self._client.time())
                after = self._clock()
            tries.append((after - before, float(seconds) + float(micros) / 1e6 - (before + after) / 2))
        round_trip, ahead = min(tries)
        return ahead, round_trip

    async def _snapshots(self) -> bool | None:
        async with self._bounded():
            try:
                told = _of_one(await self._client.config_get("save"))
            except ResponseError:  # not everybody may ask for the configuration, and many a service hides it
                return None
        return bool(told.get("save"))


def _of_one(answer: Any) -> Any:
    """Take the first of several servers' answers, where there are several: a cluster's are set up alike."""
    if (
        isinstance(answer, dict)
        and answer
        and all(isinstance(each, dict | tuple | list) for each in answer.values())
    ):
        return next(iter(answer.values()))
    return answer


def _number(told: Mapping[str, Any], name: str) -> int | None:
    value = told.get(name)
    return int(value) if value is not None else None
