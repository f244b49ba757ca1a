"""Sessions as logins write them: through the product's own sealing and its own store, from several processes."""

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import uvloop

from benchmarks.scale.tokens import CLIENT_ID, ISSUER, make_grant, random_uuid
from bff.crypto.key_ring import KeyRing
from bff.events import ignore
from bff.oidc.token_set import TokenSet
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.limits import Limits
from bff.session.records import Store
from bff.session.revocation import Revocations
from bff.session.sessions import Sessions
from bff.session.stores import open_store
from bff.session.stores.redis_scripts import CREATE
from bff.session.vault import Vault

LIMITS = Limits(idle=12 * 3600.0, absolute=24 * 3600.0, renew_ahead=60.0)
_AT_ONCE = 16  # writes under way in each process
_BATCH = 200  # logins that are sent together while filling
_PATIENCE = 30.0  # seconds for one call: the machine is busy on purpose


async def _revoke_nothing(_tokens: TokenSet) -> None:
    """There is no issuer."""


@asynccontextmanager
async def opened(url: str, key: str, *, cache_size: int = 1000) -> AsyncIterator[tuple[Store, Vault, Sessions]]:
    """The store, and a worker's parts around it."""
    store = open_store(url, timeout=_PATIENCE)
    vault = Vault(KeyRing([key]), CLIENT_ID)
    background = Background(ignore)
    sessions = Sessions(
        store=store,
        vault=vault,
        feed=ChangeFeed(store, ignore),
        revocations=Revocations(_revoke_nothing, background, ignore),
        background=background,
        limits=replace(LIMITS, cache_size=cache_size),
        clock=time.time,
        emit=ignore,
    )
    await store.open()
    try:
        yield store, vault, sessions
    finally:
        await background.close(5.0)
        await store.close()


def _nothing() -> None:
    """Nobody wants to know how far it is."""


async def log_in(
    sessions: Sessions,
    subjects: Sequence[str],
    lifetime: float = 3600.0,
    told: Callable[[], None] = _nothing,
    *,
    issuer: str = ISSUER,
) -> list[str]:
    """One login for each of these subjects, a few at a time; return the cookies in the same order."""
    cookies = [""] * len(subjects)
    waiting = iter(range(len(subjects)))

    async def some() -> None:
        for number in waiting:
            now = time.time()
            grant, principal = make_grant(subjects[number], now, lifetime=lifetime, issuer=issuer)
            _, cookie = await sessions.create(grant, principal, now)
            cookies[number] = cookie.decode("ascii")
            told()

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return cookies


def fill(url: str, key: str, number: int) -> float:
    """Log `number` users in, one session each; return how long it took, in seconds. Shows how far it is."""
    context = multiprocessing.get_context("spawn")
    processes = min(len(os.sched_getaffinity(0)), max(1, number // 1000))
    done: Synchronized[int] = context.Value("q", 0)
    share = [number // processes + (each < number % processes) for each in range(processes)]
    running = [context.Process(target=_fill_share, args=(url, key, size, done)) for size in share]
    began = time.monotonic()
    for process in running:
        process.start()
    while any(process.is_alive() for process in running):
        running[0].join(0.5)
        if running[0].exitcode is not None:
            time.sleep(0.1)
        _show(done.value, number, time.monotonic() - began)
    sys.stderr.write("\r" + " " * 70 + "\r")
    if failed := [process.exitcode for process in running if process.exitcode]:
        raise RuntimeError(f"filling the store failed: exit status {failed[0]}")
    return time.monotonic() - began


def _fill_share(url: str, key: str, number: int, done: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_fill(url, key, number, done))


async def _fill(url: str, key: str, number: int, done: Any) -> None:
    def told() -> None:
        with done.get_lock():
            done.value += 1

    async with opened(url, key) as (store, _, sessions):
        flush = await gather_writes(store)
        for start in range(0, number, _BATCH):
            subjects = [random_uuid() for _ in range(min(_BATCH, number - start))]
            await log_in(sessions, subjects, 3600.0, told)
            await flush()


async def gather_writes(store: Any) -> Callable[[], Awaitable[list[Any]]]:
    """Have the store's own script for a new session sent in batches: what it writes is the same, but sooner."""
    client = store._client  # noqa: SLF001 -- nothing of the product writes so
    known = await client.script_load(CREATE)
    pipe = client.pipeline(transaction=False)

    async def later(keys: list[Any], arguments: list[Any]) -> int:
        pipe.evalsha(known, len(keys), *keys, *arguments)
        return 1

    store._create = later  # noqa: SLF001
    execute: Callable[[], Awaitable[list[Any]]] = pipe.execute
    return execute


def _show(done: int, number: int, seconds: float) -> None:
    rate = done / seconds if seconds else 0.0
    left = (number - done) / rate if rate else 0.0
    sys.stderr.write(f"\rscale: {done} of {number} sessions, {rate:.0f} a second, {left:.0f} s left ")
    sys.stderr.flush()
