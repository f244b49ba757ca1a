"""`python -m benchmarks.survival`: what is lost while workers are killed and the store is restarted.

Nothing should be. Four workers, 64 clients for each, on one session and on many; access tokens that live five
seconds, each refresh token good for one use, an issuer that detects a second one. Every few seconds a worker is
killed with SIGKILL; half-way the store is restarted. SQLite is no server that could be: there another process locks
the file.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers import issuer_for
from benchmarks.tables import print_table
from bff.cli.listening import listens
from tests.processes import reserve_port
from tests.product import Bff, Browser, start_product
from tests.servers import Valkey, start_demo_api, start_valkey
from tests.world import eventually

WORKERS = 4
CLIENTS = 64  # for each worker
LIFETIME = 5  # seconds of an access token
_PATIENCE = 30.0  # seconds that a client waits for an answer: longer than the server lets it wait
_AFTER_KILL = 1.0  # seconds in which the kernel of a busy machine has closed what a killed worker had open
_LOCKED = 1.0  # seconds
_LONGEST = 180.0  # seconds that a slow machine has for the kills


@dataclass
class Seen:
    """What the clients of one run saw, counted."""

    answers: Counter[int] = field(default_factory=Counter)  # by status
    refusals: Counter[str] = field(default_factory=Counter)  # what the answers said that were not 200
    lost: set[int] = field(default_factory=set)  # numbers of sessions that were told to log in again
    in_flight: int = 0  # requests that a killed worker had in its hands
    broken: int = 0  # connections that ended without an answer, and without a kill
    kills: list[float] = field(default_factory=list)
    restarts: int = 0
    counters: dict[str, int] = field(default_factory=dict)  # the issuer's

    @property
    def failed(self) -> int:
        """Requests that failed, but for those in flight on a killed worker."""
        return self.broken + self.answers.total() - self.answers[200]


class Client:
    """One connection, which asks for one session after the other; opened anew when it was cut."""

    def __init__(self, bff: Bff, sessions: Sequence[tuple[int, str]], seen: Seen) -> None:
        self._bff = bff
        self._sessions = itertools.cycle(sessions)
        self._seen = seen
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, stop: asyncio.Event, pause: float, delay: float) -> None:
        """Ask until told to stop."""
        await asyncio.sleep(delay)
        try:
            while not stop.is_set():
                await self.ask()
                await asyncio.sleep(pause)
        finally:
            self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def ask(self) -> None:
        """Make one request, and count what came of it."""
        number, cookie = next(self._sessions)
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                status, body = await self._exchange(cookie)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            if any(began - _AFTER_KILL <= kill for kill in self._seen.kills):
                self._seen.in_flight += 1
            else:
                self._seen.broken += 1
                self._seen.refusals[type(error).__name__] += 1
            return
        self._seen.answers[status] += 1
        if status != 200:
            self._seen.refusals[f"{status} {json.loads(body).get('code')}: {json.loads(body).get('detail')}"] += 1
        if status == 401:
            self._seen.lost.add(number)

    async def _exchange(self, cookie: str) -> tuple[int, bytes]:
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._bff.port)
        assert self._writer is not None
        self._writer.write(
            f"GET /api/whoami HTTP/1.1\r\nHost: localhost:{self._bff.port}\r\nX-CSRF: 1\r\n"
            f"Sec-Fetch-Site: same-origin\r\nCookie: __Host-bff={cookie}\r\n\r\n".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        if b"\r\nconnection: close\r\n" in head:
            self.close()
        return int(head[9:12]), body


async def log_in(bff: Bff, number: int, at_once: int = 8) -> list[tuple[int, str]]:
    """Begin so many sessions; return the cookie of each with its number."""
    found: list[tuple[int, str]] = []
    numbers = iter(range(number))

    async def one_after_the_other() -> None:
        async with Browser(bff) as browser:
            for each in numbers:
                browser.cookies.clear()
                await browser.log_in("alice")  # the issuer's own session spares the form from the second on
                found.append((each, browser.session_cookie or ""))

    await asyncio.gather(*(one_after_the_other() for _ in range(min(at_once, number))))
    return found


async def survive(
    store: str,
    *,
    sessions: int,
    seconds: float,
    pause: float,
    clients: int = CLIENTS,
    kill_every: float = 4.0,
    apart: bool = True,
    least_kills: int = 0,
    store_timeout: str = "2s",
) -> Seen:
    """Put one setup under load and faults; return what was seen. `store` is "valkey" or "sqlite".

    It lasts for `seconds`, and until there have been `least_kills`.
    """
    async with AsyncExitStack() as stack:
        port = reserve_port()
        issuer = stack.enter_context(issuer_for([port], ttl={"access_token": LIFETIME}))
        api = stack.enter_context(start_demo_api(issuer))
        valkey = stack.enter_context(start_valkey(durable=True)) if store == "valkey" else None
        url = valkey.url if valkey is not None else None
        server = f"renewal_process = {str(apart).lower()}"
        session = f'store_timeout = "{store_timeout}"'
        bff = stack.enter_context(
            start_product(issuer, api, port=port, workers=WORKERS, store=url, server=server, session=session)
        )
        cookies = await log_in(bff, sessions)
        await issuer.reset()
        seen, stop = Seen(), asyncio.Event()
        number = WORKERS * clients
        running = [
            asyncio.create_task(
                Client(bff, _share(cookies, each, number), seen).run(stop, pause, pause * each / number)
            )
            for each in range(number)
        ]
        killing = asyncio.create_task(_kill(bff, seen, kill_every))
        try:
            await asyncio.gather(asyncio.sleep(seconds), _restart(bff, valkey, seen, seconds))
            await eventually(lambda: len(seen.kills) >= least_kills, "the kills", _LONGEST)
        finally:
            stop.set()
            killing.cancel()
            await asyncio.gather(*running, killing, return_exceptions=True)
        for client in running:
            client.result()
        await _workers(bff)
        last = Client(bff, cookies, seen)  # each session once more: what was lost last is found as well
        for _ in cookies:
            await last.ask()
        last.close()
        seen.counters = await issuer.counters()
        return seen


def _share(cookies: list[tuple[int, str]], client: int, clients: int) -> list[tuple[int, str]]:
    return cookies[client::clients] or [cookies[client % len(cookies)]]


async def _kill(bff: Bff, seen: Seen, every: float) -> None:
    """Kill the worker that has lived longest, again and again."""
    while True:
        await asyncio.sleep(every)
        victim = min(await _workers(bff), key=_born)
        seen.kills.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)


def _born(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


async def _workers(bff: Bff) -> list[int]:
    """The workers, as soon as all of them listen."""

    def listening() -> list[int]:
        return [pid for pid in bff.worker_pids() if listens(pid, bff.port)]

    await eventually(lambda: len(listening()) == WORKERS, "the new worker", _PATIENCE)
    return bff.worker_pids()


async def _restart(bff: Bff, valkey: Valkey | None, seen: Seen, seconds: float) -> None:
    await asyncio.sleep(seconds / 2)
    seen.restarts += 1
    if valkey is not None:
        await asyncio.to_thread(valkey.restart)
        return
    with contextlib.closing(sqlite3.connect(bff.folder / "sessions.db", timeout=_PATIENCE)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(_LOCKED)
        other.rollback()


async def run(*, seconds: float, stores: Sequence[str], many: int, kill_every: float, apart: bool) -> int:
    """Measure every setup and print; return how much was lost, failed and used twice."""
    rows = []
    bad = 0
    for store, sessions in itertools.product(stores, (1, many)):
        sys.stderr.write(f"\rsurvival: {store}, {sessions} session(s), {seconds:g} s ")
        sys.stderr.flush()
        seen = await survive(
            store,
            sessions=sessions,
            seconds=seconds,
            pause=0.5 if sessions == 1 else 4.0,
            kill_every=kill_every,
            apart=apart,
        )
        counters = seen.counters
        twice = counters["reuse_detected"]
        bad += len(seen.lost) + twice + seen.failed
        figures = [seen.answers.total(), counters["refresh_token"], len(seen.kills), seen.restarts, seen.in_flight]
        rows.append(
            [f"{store}, {sessions} session(s)", *map(str, figures), *map(str, (len(seen.lost), twice, seen.failed))]
        )
        for text, times in seen.refusals.most_common(5):
            sys.stderr.write(f"\n  {times} x {text}")
    sys.stderr.write("\r" + " " * 60 + "\r")
    print_table(
        f"{WORKERS} workers x {CLIENTS} clients for {seconds:g} s, access tokens of {LIFETIME} s, reuse detected; "
        f"a worker killed every {kill_every:g} s; renewals in {'their own process' if apart else 'the workers'}",
        ["setup", "requests", "renewals", "kills", "restarts", "in flight", "lost", "used twice", "failed"],
        rows,
    )
    print("in flight: requests that a killed worker had in its hands. lost: sessions. used twice: refresh tokens.")
    print("failed: requests that were not answered with 200, and were not in flight on a killed worker.")
    return bad


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survival", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="for each setup (default %(default)s)")
    parser.add_argument("--stores", default="valkey,sqlite", help="which, by comma (default %(default)s)")
    parser.add_argument("--sessions", type=int, default=500, help="of the larger setup (default %(default)s)")
    parser.add_argument("--kill-every", type=float, default=4.0, help="seconds (default %(default)s)")
    parser.add_argument("--in-workers", action="store_true", help="without the renewal process")
    given = parser.parse_args()
    stores = given.stores.split(",")
    sys.exit(
        bool(
            asyncio.run(
                run(
                    seconds=given.seconds,
                    stores=stores,
                    many=given.sessions,
                    kill_every=given.kill_every,
                    apart=not given.in_workers,
                )
            )
        )
    )


if __name__ == "__main__":
    main()
