"""The backends that the contract of the session stores is held against."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from bff.session.records import Change, Lost, Restored, Store
from bff.session.stores import open_store
from tests.processes import ServerProcess, free_port
from tests.servers import start_valkey

REDIS_SERVER = Path("/usr/bin/redis-server")
BACKENDS = ["memory", "sqlite", "valkey", *(["redis"] if REDIS_SERVER.exists() else [])]


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """One Valkey for all tests of this process."""
    with start_valkey() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The distribution's Redis, where there is one."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with ServerProcess([str(REDIS_SERVER), *options]) as process:
        process.wait_for_port(port)
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path / 'sessions.db'}"
        case backend:
            url: str = request.getfixturevalue(f"{backend}_url")
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
    one = open_store(store_url)
    two = one if store_url == "memory:" else open_store(store_url)
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
