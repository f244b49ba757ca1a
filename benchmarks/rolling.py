"""`python -m benchmarks.rolling`: what fails while servers are replaced under load. Nothing should.

Behind nginx: four machines (processes of their own, one store) are stopped and started again one after the other,
with SIGTERM, while clients read and write through nginx, which keeps its connections to them open. Directly: one
server with four workers takes SIGHUP after SIGHUP, while clients keep their connections to it open.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.nginx import Nginx, start_api
from benchmarks.servers import issuer_for
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import Bff, Browser, start_product
from tests.servers import Issuer, start_valkey
from tests.world import eventually

MACHINES = 4
_PATIENCE = 120.0  # seconds
_PAUSE = 0.02  # seconds between two requests of a client
_UNHURRIED = {"BFF__SERVER__SHUTDOWN_TIMEOUT": "60s"}  # a slow machine is to finish what it has begun

# `proxy_next_upstream` stays what it is: nginx asks the next machine where it could not send the request, and never
# sends one that is no GET twice. With `max_fails=0` it takes a machine for one that is back with the next request.
_BALANCER = """
  upstream machines {{
    {machines}
    keepalive 32;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://machines;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }}
  }}
"""


@dataclass
class Load:
    """What the clients of one run saw."""

    answers: Counter[int] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)  # requests without an answer, by why
    again: int = 0  # reads sent once more on a new connection, for the old one had been closed (RFC 9112 §9.3.1)
    reset: int = 0  # reads sent once more, though the connection was new
    restarts: int = 0
    slowest: float = 0.0

    @property
    def failed(self) -> int:
        return self.reset + self.cut.total() + self.answers.total() - self.answers[200]


class Client:
    """One kept connection of a signed-in browser's; every other request writes, if any."""

    def __init__(self, port: int, host: str, cookie: str, load: Load, *, writes: bool) -> None:
        self._port = port
        self._load = load
        rest = f"Host: {host}\r\nX-CSRF: 1\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-bff={cookie}\r\n"
        self._requests = [
            f"GET /api/tasks HTTP/1.1\r\n{rest}\r\n".encode(),
            f"POST /api/tasks HTTP/1.1\r\n{rest}Content-Length: 5\r\n\r\nhello".encode(),
        ]
        if not writes:
            del self._requests[1]
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, stop: asyncio.Event, pause: float) -> None:
        """Ask until told to stop."""
        turn = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                async with asyncio.timeout(_PATIENCE):
                    which = turn % len(self._requests)
                    status = await self._ask(self._requests[which], is_read=which == 0)
                self._load.answers[status] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self._close()
                self._load.cut[type(error).__name__] += 1
            self._load.slowest = max(self._load.slowest, time.monotonic() - began)
            turn += 1
            await asyncio.sleep(pause)
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _ask(self, request: bytes, *, is_read: bool) -> int:
        is_reused = self._reader is not None and not self._reader.at_eof()
        try:
            return await self._exchange(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            if not is_read:
                raise
        self._close()
        if is_reused:
            self._load.again += 1
        else:
            self._load.reset += 1
        return await self._exchange(request)

    async def _exchange(self, request: bytes) -> int:
        if self._reader is None or self._reader.at_eof():
            self._close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._writer is not None
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        await self._reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        if b"\r\nconnection: close\r\n" in head:
            self._close()
        return int(head[9:12])


@asynccontextmanager
async def _loaded(port: int, host: str, cookie: str, clients: int, *, writes: bool) -> AsyncIterator[Load]:
    load, stop = Load(), asyncio.Event()
    running = [
        asyncio.create_task(Client(port, host, cookie, load, writes=writes).run(stop, _PAUSE))
        for _ in range(clients)
    ]
    try:
        yield load
    finally:
        stop.set()
        await asyncio.gather(*running)


async def restart_behind_nginx(
    *, machines: int = MACHINES, rounds: int = 1, clients: int = 32, writes: bool = True
) -> Load:
    """Replace each machine in turn, so many times; return what the clients saw."""
    async with AsyncExitStack() as stack:
        ports = [reserve_port() for _ in range(machines)]
        issuer = stack.enter_context(issuer_for(ports))
        api = stack.enter_context(start_api())
        url = stack.enter_context(start_valkey()).url
        first = stack.enter_context(start_product(issuer, api, port=ports[0], store=url, env=_UNHURRIED))
        others = [
            stack.enter_context(start_product(issuer, api, port=port, beside=first, store=url, env=_UNHURRIED))
            for port in ports[1:]
        ]
        servers = "\n    ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
        nginx = stack.enter_context(Nginx(_BALANCER, machines=servers))
        cookie = await _signed_in(first)
        async with _loaded(nginx.port, f"localhost:{first.port}", cookie, clients, writes=writes) as load:
            for bff in [first, *others] * rounds:
                bff.process.signal(signal.SIGTERM)
                status = await asyncio.to_thread(bff.process.wait_for_exit, _PATIENCE)
                assert status == 0, f"a machine ended with {status}:\n{bff.output()}"
                await asyncio.to_thread(bff.restart)
                load.restarts += 1
        return load


async def reload_under_load(
    *, workers: int = MACHINES, reloads: int = 3, clients: int = 32, writes: bool = True
) -> Load:
    """Have all workers replaced, so many times; return what the clients saw."""
    async with AsyncExitStack() as stack:
        port = reserve_port()
        issuer: Issuer = stack.enter_context(issuer_for([port]))
        api = stack.enter_context(start_api())
        bff = stack.enter_context(start_product(issuer, api, port=port, workers=workers, env=_UNHURRIED))
        cookie = await _signed_in(bff)
        async with _loaded(port, f"localhost:{port}", cookie, clients, writes=writes) as load:
            for _ in range(reloads):
                before = set(bff.worker_pids())
                bff.process.signal(signal.SIGHUP)
                await eventually(
                    lambda before=before: _replaced(bff, before, workers), "the new workers", _PATIENCE
                )
                load.restarts += 1
        return load


def _replaced(bff: Bff, before: set[int], workers: int) -> bool:
    now = set(bff.worker_pids())
    return len(now) == workers and before.isdisjoint(now)


async def _signed_in(bff: Bff) -> str:
    async with Browser(bff) as browser:
        await browser.log_in("alice")
        return browser.session_cookie or ""


async def run(*, rounds: int, reloads: int) -> int:
    """Print both; return how many requests failed."""
    rows = []
    failed = 0
    for name, work in (
        (f"{MACHINES} machines behind nginx, SIGTERM", restart_behind_nginx(rounds=rounds)),
        (f"{MACHINES} workers of one server, SIGHUP", reload_under_load(reloads=reloads)),
    ):
        sys.stderr.write(f"\rrolling: {name} ")
        sys.stderr.flush()
        load = await work
        failed += load.failed
        figures = [load.answers.total(), load.restarts, load.again, load.failed]
        rows.append([name, *map(str, figures), f"{1e3 * load.slowest:.0f}"])
        for why, times in (load.cut + Counter({str(k): v for k, v in load.answers.items() if k != 200})).items():
            sys.stderr.write(f"\n  {times} x {why}")
    sys.stderr.write("\r" + " " * 60 + "\r")
    print_table(
        "Servers replaced under load: 32 clients with kept connections, half of the requests write",
        ["setup", "requests", "replaced", "sent again", "failed", "slowest ms"],
        rows,
    )
    print(
        "sent again: reads whose kept connection had been closed before they arrived, as any client repeats them."
    )
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rolling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often each machine is restarted (%(default)s)")
    parser.add_argument("--reloads", type=int, default=5, help="how often workers are replaced (%(default)s)")
    given = parser.parse_args()
    sys.exit(bool(asyncio.run(run(rounds=given.rounds, reloads=given.reloads))))


if __name__ == "__main__":
    main()
