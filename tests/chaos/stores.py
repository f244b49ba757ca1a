"""What the chaos tests of the stores share: a record, every call there is, and what a fault must look like."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, Lost, Restored, Store, StoredSession

NOW = 1_000_000.0
TIMEOUT = 1.0  # seconds that the stores under test get for a call; more than a busy machine needs for one
PATIENCE = 30.0  # seconds until a test gives up on something that must come


def build_record(number: int = 0, *, version: int = 1, sealed: bytes = b"sealed") -> StoredSession:
    """A live record."""
    return StoredSession(
        key=number.to_bytes(32, "big"),
        version=version,
        sealed=sealed,
        summary=b"summary",
        subject=b"u" * 32,
        issuer_sid=b"i" * 32,
        handle=f"handle-{number}",
        created_at=NOW,
        idle_expires_at=NOW + 3600,
        expires_at=NOW + 43200,
    )


def every_write(store: Store) -> dict[str, Callable[[], Awaitable[object]]]:
    """Each call that changes something."""
    return {
        "create": lambda: store.create(build_record(99)),
        "replace": lambda: store.replace(build_record(version=2), 1),
        "touch": lambda: store.touch(build_record().key, NOW + 7200),
        "end": lambda: store.end(build_record().key, "logout", NOW, keep_sealed=True),
        "acquire": lambda: store.acquire(b"lease", b"owner", NOW, 10),
        "release": lambda: store.release(b"lease", b"owner"),
        "remember": lambda: store.remember(b"name", NOW, NOW + 60),
        "purge": lambda: store.purge(NOW + 1e6),
    }


def every_read(store: Store) -> dict[str, Callable[[], Awaitable[object]]]:
    """Each call that changes nothing."""
    return {
        "load": lambda: store.load(build_record().key, NOW),
        "find": lambda: store.find(now=NOW),
        "find by subject": lambda: store.find(now=NOW, subjects=[b"u" * 32]),
        "recall": lambda: store.recall(b"name", NOW),
        "ping": store.ping,
    }


async def expect_fault(call: Callable[[], Awaitable[object]], reason: str, *, within: float = PATIENCE) -> None:
    """The call raises `SessionStoreUnavailable` for this reason, with its cause, in time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(SessionStoreUnavailable) as raised:
        await call()
    assert reason in raised.value.detail
    assert raised.value.__cause__ is not None
    assert within > loop.time() - began


async def until_it_works(call: Callable[[], Awaitable[object]]) -> object:
    """What the call returns, as soon as the store has come back."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except SessionStoreUnavailable:
                await asyncio.sleep(0.02)


class Ear:
    """Listens to a store's changes; each wait is bounded."""

    def __init__(self, store: Store) -> None:
        self._changes = aiter(store.changes())

    async def next(self) -> Change | Lost | Restored:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._changes)
