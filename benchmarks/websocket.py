"""What sockets cost: the memory of many idle ones, and what a message's way through us adds to its round trip.

`python -m benchmarks.websocket` runs it alone: about twenty seconds.
"""

import argparse
import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.footprint import worker_memory
from benchmarks.machine import cores, cpu_seconds, started_on
from benchmarks.servers import issuer_for, signed_in, workers_of
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import Bff, start_product
from tests.socket_upstream import SocketUpstream

_AT_ONCE = 50  # sockets that are being opened
_SETTLE = 2.0  # seconds
_SIZES = (100, 10_000, 100_000)  # bytes of a message
_WARM_UP = 200  # messages


async def run(*, sockets: int = 1000, messages: int = 2000) -> None:
    """Measure and print."""
    core, _ = cores()
    async with AsyncExitStack() as stack:
        upstream = stack.enter_context(SocketUpstream(ping_interval=20.0))
        port = reserve_port()
        issuer = stack.enter_context(issuer_for([port], ttl={"access_token": 3600}))
        route = f'path = "/ws"\nupstream = "{upstream.url}"\nwebsocket = true'
        limits = f"max_websockets = {sockets + 10}\nmax_websockets_per_session = {sockets + 10}"
        with started_on(core):
            bff = stack.enter_context(
                start_product(
                    issuer,
                    None,
                    port=port,
                    server=limits,
                    tokens='max_access_token_lifetime = "2h"',
                    apis=f"[[api]]\n{route}\n",
                )
            )
        candidate = await signed_in(stack, "bff", bff)
        cookie = candidate.headers["Cookie"]

        rows = []
        for size in _SIZES:
            count = messages if size < 50_000 else messages // 4
            direct = await _round_trips(
                await connect(f"ws://127.0.0.1:{upstream.port}/echo", **_PLAIN), size, count
            )
            workers = workers_of(bff.process.pid)
            async with await _open(bff, cookie) as socket:
                before = cpu_seconds(workers)
                through = await _round_trips(socket, size, count)
                spent = (cpu_seconds(workers) - before) / (count + _WARM_UP) * 1e6
            added = statistics.median(through) - statistics.median(direct)
            rows.append(
                [
                    f"{size} bytes",
                    *(f"{value:.0f}" for value in (statistics.median(direct), statistics.median(through), added)),
                    f"{_p99(through):.0f}",
                    f"{spent:.0f}",
                ]
            )
        print_table(
            "One message to an echoing upstream and back, in microseconds",
            ["message", "direct p50", "through bff p50", "added", "through bff p99", "CPU of bff"],
            rows,
        )

        opened = [await _open(bff, cookie)]
        idle = worker_memory(candidate)
        while len(opened) < sockets:
            sys.stderr.write(f"\rwebsocket: {len(opened)} of {sockets} ")
            sys.stderr.flush()
            count = min(_AT_ONCE, sockets - len(opened))
            opened += await asyncio.gather(*(_open(bff, cookie) for _ in range(count)))
        await asyncio.sleep(_SETTLE)
        full = worker_memory(candidate)
        workers = workers_of(bff.process.pid)
        before, since = cpu_seconds(workers), time.monotonic()
        await asyncio.sleep(_SETTLE * 2)
        busy = (cpu_seconds(workers) - before) / (time.monotonic() - since) * 100
        sys.stderr.write("\r" + " " * 40 + "\r")
        each = (full.pss - idle.pss) / 1024 / (sockets - 1)
        print_table(
            f"{sockets} idle sockets of one worker",
            ["", "PSS MiB", "KiB each", "CPU %"],
            [
                ["1 socket", f"{idle.pss / 2**20:.1f}", "", ""],
                [f"{sockets} sockets", f"{full.pss / 2**20:.1f}", f"{each:.1f}", f"{busy:.1f}"],
            ],
        )
        for socket in opened:
            socket.transport.abort()


_PLAIN = {"proxy": None, "compression": None, "max_size": None, "ping_interval": None}


async def _open(bff: Bff, cookie: str) -> ClientConnection:
    return await connect(
        f"ws://localhost:{bff.port}/ws/echo",
        host="127.0.0.1",
        origin=bff.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookie},
        **_PLAIN,  # type: ignore[arg-type]
    )


async def _round_trips(socket: ClientConnection, size: int, count: int) -> list[float]:
    """Return how long each took, in microseconds."""
    message = b"x" * size
    taken = []
    for number in range(-_WARM_UP, count):
        begun = time.perf_counter()
        await socket.send(message)
        await socket.recv()
        if number >= 0:
            taken.append((time.perf_counter() - begun) * 1e6)
    return taken


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.websocket", description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000, help="idle ones (default %(default)s)")
    parser.add_argument("--messages", type=int, default=2000, help="of each size (default %(default)s)")
    given = parser.parse_args()
    asyncio.run(run(sockets=given.sockets, messages=given.messages))
