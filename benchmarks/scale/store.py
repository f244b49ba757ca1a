"""A store full of sessions: what each takes, and how long operators and the issuer wait for an answer."""

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

from redis.asyncio import Redis

from benchmarks.machine import cores, cpu_seconds, memory, started_on, tree
from benchmarks.scale.filling import fill, log_in, opened
from benchmarks.scale.tokens import ISSUER, random_uuid
from benchmarks.tables import print_table
from bff.crypto.key_ring import new_key
from bff.events import ignore
from bff.session.directory import Directory, Selection
from bff.session.ending import Ending
from bff.session.records import Store
from bff.session.sessions import Sessions
from bff.session.vault import Vault
from tests.servers import Valkey, start_valkey

OF_ONE_SUBJECT = 50  # sessions
PAGE = 50  # sessions
COLD_READS = 5000  # to find out what one costs
_WARM_UP = 200
_FIRST = -10  # niceness
TUNED = ("--hash-max-listpack-value", "2048")
_ROUNDS = 9
_SLOW = 5000  # microseconds that a command may block the server
_KB = 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; times are seconds."""

    sessions: int
    bytes_each: float
    filled_in: float
    logout: float
    pages: dict[str, float]
    cold_read: dict[str, int]  # commands that one first request on a worker costs, by name
    cold: "Cold"
    slow: list[tuple[str, float]]  # commands that blocked the server for too long, and for how long


@dataclass(frozen=True, slots=True)
class Cold:
    """What reading a session for the first time costs."""

    worker_cpu: float  # seconds
    store_cpu: float  # seconds
    memory: float  # bytes of a worker for each session that it remembers


async def run(*, sessions: int, tuned: bool) -> None:
    """Measure and print; `tuned` sets Valkey as docs/scaling.md recommends it."""
    figures = await measure(sessions, valkey_options=TUNED if tuned else ())
    print_table(
        f"{figures.sessions} sessions in Valkey ({' '.join(TUNED) if tuned else 'untuned'}), two JWTs of 1 KB each",
        ["", "measured", "target"],
        [
            ["bytes a session, indexes included", f"{figures.bytes_each:.0f}", f"{2.2 * _KB:.0f}"],
            [
                "logins written a second, by all other cores",
                f"{figures.sessions / figures.filled_in:.0f}",
                "",
            ],
            [f"log out one subject's {OF_ONE_SUBJECT} sessions, ms", f"{figures.logout * 1e3:.1f}", "20"],
            *([f"list a page, {name}, ms", f"{took * 1e3:.1f}", "50"] for name, took in figures.pages.items()),
            ["store round trips of a first request", str(sum(figures.cold_read.values())), "1"],
            ["CPU us of a worker for a first read", f"{figures.cold.worker_cpu * 1e6:.0f}", ""],
            ["CPU us of Valkey for it", f"{figures.cold.store_cpu * 1e6:.0f}", ""],
            ["bytes of a worker for a session it remembers", f"{figures.cold.memory:.0f}", ""],
            [f"commands that took longer than {_SLOW / 1e3:.0f} ms", str(len(figures.slow)), "0"],
        ],
    )
    print("cold read:", ", ".join(f"{name} x{times}" for name, times in figures.cold_read.items()))
    for (command, took), times in Counter(figures.slow).most_common(20):
        print(f"SLOWLOG: {took * 1e3:.0f} ms {command} x{times}")


async def measure(number: int, *, cold_reads: int = COLD_READS, valkey_options: Sequence[str] = ()) -> Figures:
    """Fill a Valkey, and time what is done with it."""
    key = new_key()
    core, others = cores()
    with ExitStack() as stack:
        # SLOWLOG counts against a command what the server waited for a core.
        with started_on(core):
            valkey = stack.enter_context(start_valkey(*valkey_options))
        _put_first(valkey)
        stack.enter_context(started_on(others))
        async with Redis.from_url(valkey.url) as admin, opened(valkey.url, key) as (store, vault, sessions):
            await admin.config_set("slowlog-log-slower-than", _SLOW)
            await admin.config_set("slowlog-max-len", 1000)
            before = await _used(admin)
            filled_in = await asyncio.to_thread(fill, valkey.url, key, number)
            each = (await _used(admin) - before) / number
            directory = Directory(store, vault, ISSUER)
            return Figures(
                sessions=number,
                bytes_each=each,
                filled_in=filled_in,
                logout=await _log_out(store, directory, sessions),
                pages=await _list(store, vault, directory, sessions),
                cold_read=await _read_cold(admin, sessions, valkey.url, key),
                cold=await _cost_of_cold(valkey, sessions, key, cold_reads),
                slow=await _slow(admin),
            )


def _put_first(valkey: Valkey) -> None:
    """Have Valkey not wait for its core where we may say so."""
    with suppress(PermissionError):
        for task in Path(f"/proc/{valkey.process.pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), _FIRST)


async def _used(admin: Any) -> int:
    return int((await admin.info("memory"))["used_memory"])


async def _log_out(store: Store, directory: Directory, sessions: Sessions) -> float:
    """Log a subject out everywhere, as an operator or the issuer does; a new subject each time."""
    ending = Ending(
        store=store,
        directory=directory,
        end_records=sessions.end_keys,
        revoke_tokens=None,
        clock=time.time,
        emit=ignore,
    )
    times = []
    for _ in range(_ROUNDS):
        subject = str(uuid.uuid4())
        await log_in(sessions, [subject] * OF_ONE_SUBJECT)
        began = time.perf_counter()
        progress = await ending.run(Selection(subject=subject), by="benchmark")
        times.append(time.perf_counter() - began)
        if progress.ended != OF_ONE_SUBJECT:
            raise RuntimeError(f"{progress.ended} of {OF_ONE_SUBJECT} sessions ended")
    return median(times)


async def _list(store: Store, vault: Vault, directory: Directory, sessions: Sessions) -> dict[str, float]:
    subject = str(uuid.uuid4())
    await log_in(sessions, [subject] * OF_ONE_SUBJECT)
    (first,) = await store.find(now=time.time(), subjects=vault.subject_hashes(ISSUER, subject), limit=1)

    async def page(selection: Selection, after: bytes) -> None:
        found = await directory.page(selection, time.time(), after=after, limit=PAGE)
        if not found.items:
            raise RuntimeError("an empty page")

    return {
        "the first of all": await _timed(lambda: page(Selection(), b"")),
        "from the middle of all": await _timed(lambda: page(Selection(), b"\x80")),
        "of one subject": await _timed(lambda: page(Selection(subject=subject), b"")),
        "one session by its handle": await _timed(lambda: page(Selection(handle=first.handle), b"")),
    }


async def _timed(act: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        await act()
        times.append(time.perf_counter() - began)
    return median(times)


async def _read_cold(admin: Any, sessions: Sessions, url: str, key: str) -> dict[str, int]:
    """Count the commands that reach the server when a worker sees a cookie for the first time."""
    (cookie,) = await log_in(sessions, [str(uuid.uuid4())])
    async with opened(url, key) as (other, _, cold):
        await other.ping()  # the connection stands
        before = await _commands(admin)
        await cold.resolve(cookie.encode())
        after = await _commands(admin)
    counted = {name: times - before.get(name, 0) for name, times in after.items()}
    return {name: times for name, times in counted.items() if times and name != "info"}


async def _cost_of_cold(valkey: Valkey, sessions: Sessions, key: str, number: int) -> Cold:
    cookies = [
        cookie.encode() for cookie in await log_in(sessions, [random_uuid() for _ in range(_WARM_UP + number)])
    ]
    async with opened(valkey.url, key, cache_size=_WARM_UP + number) as (_, _, cold):
        for cookie in cookies[:_WARM_UP]:
            await cold.resolve(cookie)
        ours, its = [os.getpid()], tree(valkey.process.pid)
        before, cpu, store_cpu = memory(ours[0]).rss, cpu_seconds(ours), cpu_seconds(its)
        for cookie in cookies[_WARM_UP:]:
            await cold.resolve(cookie)
        return Cold(
            worker_cpu=(cpu_seconds(ours) - cpu) / number,
            store_cpu=(cpu_seconds(its) - store_cpu) / number,
            memory=(memory(ours[0]).rss - before) / number,
        )


async def _commands(admin: Any) -> dict[str, int]:
    stats = await admin.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()}


async def _slow(admin: Any) -> list[tuple[str, float]]:
    entries = cast("list[dict[str, Any]]", await admin.slowlog_get(1000))
    return [
        (entry["command"].split(b" ")[0].decode("ascii"), round(entry["duration"] / 1e6, 3)) for entry in entries
    ]
