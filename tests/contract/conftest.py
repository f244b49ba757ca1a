"""The backends that the contract of the session stores is held against."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import redis

from bff.session.records import Change, Lost, Restored, Store
from bff.session.stores import open_store
from tests.processes import ServerProcess, free_port
from tests.secured_sets import SecuredSet, secured_cluster, secured_sentinels
from tests.servers import Valkey, start_valkey
from tests.store_sets import (
    Cluster,
    SecuredValkey,
    SentinelSet,
    start_cluster,
    start_secured_valkey,
    start_sentinel_set,
)

REDIS_SERVER = Path("/usr/bin/redis-server")
BACKENDS = ["memory", "sqlite", "valkey", "socket", "secured", "sentinel", "cluster"]
BACKENDS += ["redis"] if REDIS_SERVER.exists() else []

PATIENCE = 15.0  # seconds for a call: the machine may be busy with other tests

# What docs/operations.md has people give to bff, and no more.
ACL_RULES = [
    *("resetchannels", "&bff:*", "~bff:*"),
    *("-@all", "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "-@dangerous", "+info", "+time"),
]


@pytest.fixture(scope="session")
def valkey_url(valkey: Valkey) -> str:
    """Where one Valkey listens."""
    return valkey.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The distribution's Redis, where there is one."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with ServerProcess([str(REDIS_SERVER), *options]) as process:
        process.wait_for_port(port)
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """One Valkey for all tests of this process."""
    with start_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def secured() -> Iterator[SecuredValkey]:
    """A Valkey behind TLS that asks for a certificate, and a user who may do what we need and no more."""
    with start_secured_valkey(ACL_RULES) as server:
        yield server


@pytest.fixture(scope="session")
def sentinel_set() -> Iterator[SentinelSet]:
    """A primary, a replica and three sentinels."""
    with start_sentinel_set() as servers:
        yield servers


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three primaries."""
    with start_cluster() as servers:
        yield servers


@pytest.fixture(scope="session")
def secured_sentinel_set(sentinel_set: SentinelSet) -> Iterator[SecuredSet]:
    """The same by TLS, to the sentinels and to the servers, with a user for each."""
    with secured_sentinels(sentinel_set, ACL_RULES) as way_in:
        yield way_in


@pytest.fixture(scope="session")
def secured_cluster_set(cluster: Cluster) -> Iterator[SecuredSet]:
    """The same by TLS, with a user who may do what we need in a cluster and no more."""
    with secured_cluster(cluster, ACL_RULES) as way_in:
        yield way_in


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    return empty_store(request.param, request, tmp_path)


def empty_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of one of the `BACKENDS`."""
    match kind:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path / 'sessions.db'}"
        case "sentinel":
            sentinels: SentinelSet = request.getfixturevalue("sentinel_set")
            sentinels.flush()
            return cast("SecuredSet", request.getfixturevalue("secured_sentinel_set")).url
        case "cluster":
            nodes: Cluster = request.getfixturevalue("cluster")
            nodes.flush()
            return cast("SecuredSet", request.getfixturevalue("secured_cluster_set")).url
        case "redis":
            redis_url: str = request.getfixturevalue("redis_url")
            return flushed(redis_url)
        case "secured":
            secured: SecuredValkey = request.getfixturevalue("secured")
            flushed(secured.plain_url)
            return secured.url
        case backend:
            server: Valkey = request.getfixturevalue("valkey")
            flushed(server.url)
            return server.url if backend == "valkey" else f"unix://{server.socket}"


def flushed(url: str) -> str:
    """The URL, and nothing is there any more."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@dataclass(frozen=True, slots=True)
class Workers:
    """Two workers on one store; in memory, which serves one process, both are the same."""

    one: Store
    two: Store


@pytest.fixture
async def workers(store_url: str) -> AsyncIterator[Workers]:
    """Two open stores on one backend."""
    one = open_store(store_url, timeout=PATIENCE)
    two = one if store_url == "memory:" else open_store(store_url, timeout=PATIENCE)
    await one.open()
    await two.open()
    yield Workers(one, two)
    await one.close()
    await two.close()


@pytest.fixture
def store(workers: Workers) -> Store:
    """One open store."""
    return workers.one


class Ear:
    """Listens to a store's changes; each wait is bounded."""

    def __init__(self, store: Store) -> None:
        self._changes = aiter(store.changes())

    async def next(self) -> Change | Lost | Restored:
        """The next event."""
        async with asyncio.timeout(30):
            return await anext(self._changes)

    async def take(self, count: int) -> list[Change | Lost | Restored]:
        """The next events."""
        return [await self.next() for _ in range(count)]


async def listen(store: Store) -> Ear:
    """Listens from now on; returns when the push connection stands."""
    ear = Ear(store)
    assert Restored() == await ear.next()
    return ear
