"""`python -m benchmarks.push`: how long after the answer to a logout does the last worker refuse the cookie?

One server with eight workers, a connection to each, every one of them warm. A session is logged out at one of them;
then all are asked again and again until each has refused. Counted is from the logout's answer to the last of these
refusals.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nginx import start_api
from benchmarks.servers import issuer_for
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import Bff, Browser, start_product
from tests.servers import start_valkey

WORKERS = 8
TARGETS = {"valkey": 0.1, "sqlite": 1.0}  # seconds, for the 99th percentile
_PAUSE = 0.001  # seconds between two questions to a worker
_PATIENCE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Line:
    """A kept connection to one of the workers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    async def ask(self, cookie: str, method: str = "GET", path: str = "/api/tasks") -> int:
        """Return the status of the answer."""
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nX-CSRF: 1\r\nSec-Fetch-Site: same-origin\r\n"
            f"Content-Length: 0\r\nCookie: __Host-bff={cookie}\r\n\r\n".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        await self.reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        return int(head[9:12])


async def lines_to_each(bff: Bff) -> dict[int, Line]:
    """Connect until every worker has been met; a connection to each, by its process."""
    found: dict[int, Line] = {}
    async with asyncio.timeout(_PATIENCE):
        while len(found) < len(bff.worker_pids()):
            reader, writer = await asyncio.open_connection("127.0.0.1", bff.port)
            line = Line(reader, writer, f"localhost:{bff.port}")
            await line.ask("none")  # by then it has been accepted
            pid = _server_of(writer.get_extra_info("sockname")[1], bff)
            if pid is None or pid in found:
                writer.close()
            else:
                found[pid] = line
    return found


def _server_of(port: int, bff: Bff) -> int | None:
    """The worker that has the other end of the connection from this port: see proc(5)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = (f":{bff.port:04X}", f":{port:04X}")
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])}
    for pid in bff.worker_pids():
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if entry.is_symlink() and str(entry.readlink()) in inodes:
                return pid
    return None


async def measure(store: str, *, workers: int = WORKERS, samples: int = 200) -> list[float]:
    """Return the times of so many logouts, in seconds. `store` is "valkey" or "sqlite"."""
    async with AsyncExitStack() as stack:
        port = reserve_port()
        issuer = stack.enter_context(issuer_for([port], ttl={"access_token": 3600}))
        api = stack.enter_context(start_api())
        url = stack.enter_context(start_valkey()).url if store == "valkey" else None
        bff = stack.enter_context(
            start_product(
                issuer, api, port=port, workers=workers, store=url, tokens='max_access_token_lifetime = "2h"'
            )
        )
        lines = list((await lines_to_each(bff)).values())
        browser = await stack.enter_async_context(Browser(bff))
        times = []
        for number in range(samples):
            browser.cookies.clear()
            await browser.log_in("alice")
            times.append(await _logged_out(lines, number % len(lines), browser.session_cookie or ""))
        for line in lines:
            line.writer.close()
        return times


async def _logged_out(lines: Sequence[Line], at: int, cookie: str) -> float:
    warm = await asyncio.gather(*(line.ask(cookie) for line in lines))
    assert {200} == set(warm), warm
    assert await lines[at].ask(cookie, "POST", "/bff/logout") == 200
    answered_at = time.monotonic()
    async with asyncio.timeout(_PATIENCE):
        return max(await asyncio.gather(*(_refused(line, cookie) for line in lines))) - answered_at


async def _refused(line: Line, cookie: str) -> float:
    while await line.ask(cookie) != 401:  # noqa: ASYNC110 -- how long it takes is the question
        await asyncio.sleep(_PAUSE)
    return time.monotonic()


async def run(*, samples: int) -> bool:
    """Measure and print; tell whether the targets were met."""
    rows, is_met = [], True
    for store, target in TARGETS.items():
        sys.stderr.write(f"\rpush: {store}, {samples} logouts ")
        sys.stderr.flush()
        times = sorted(await measure(store, samples=samples))
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        is_met = is_met and p99 < target
        rows.append([store, str(samples), *(f"{1e3 * value:.1f}" for value in (p50, p99, times[-1], target))])
    sys.stderr.write("\r" + " " * 60 + "\r")
    print_table(
        f"From a logout's answer to the last of {WORKERS} workers refusing the cookie",
        ["store", "logouts", "p50 ms", "p99 ms", "max ms", "target p99 ms"],
        rows,
    )
    return is_met


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="logouts for each store (default %(default)s)")
    sys.exit(not asyncio.run(run(samples=parser.parse_args().samples)))


if __name__ == "__main__":
    main()
