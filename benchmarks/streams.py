"""What many idle streams weigh: server-sent events of an API, held open through us."""

import asyncio
import contextlib
import sys
from contextlib import AsyncExitStack

from benchmarks.footprint import worker_memory
from benchmarks.machine import Memory, cores, started_on
from benchmarks.servers import issuer_for, signed_in
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import start_product

_AT_ONCE = 50  # streams that are being opened
_SETTLE = 2.0  # seconds
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = b"10\r\ndata: {number}\r\n\r\n"


class EventSource:
    """An API that sends one event to whoever asks, and then nothing."""

    def __init__(self) -> None:
        self.open = 0

    async def start(self) -> str:
        """Listen; return the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            self.open += 1
            writer.write(_HEAD + _EVENT)
            await writer.drain()
            await reader.read()  # until the other end lets go
        self.open -= 1
        writer.close()


class _Api:
    def __init__(self, url: str) -> None:
        self.url = url


async def run(*, streams: int = 2000) -> None:
    """Measure and print."""
    core, _ = cores()
    async with AsyncExitStack() as stack:
        source = EventSource()
        port = reserve_port()
        issuer = stack.enter_context(issuer_for([port], ttl={"access_token": 3600}))
        url = await source.start()
        route = f'path = "/api"\nupstream = "{url}"\ntimeout = "1h"\nmax_connections = {streams + 100}'
        with started_on(core):
            bff = stack.enter_context(
                start_product(
                    issuer,
                    None,
                    port=port,
                    tokens='max_access_token_lifetime = "2h"',
                    apis=f"[[api]]\n{route}\n",
                )
            )
        candidate = await signed_in(stack, "bff", bff)
        request = (
            "GET /api/events HTTP/1.1\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in candidate.headers.items())
            + "Accept: text/event-stream\r\nX-CSRF: 1\r\nSec-Fetch-Site: same-origin\r\n\r\n"
        ).encode()
        opened: list[asyncio.StreamWriter] = []
        first = await _open(bff.port, request)
        opened.append(first)
        idle = worker_memory(candidate)
        rows = [["1 stream", *_cells(idle, idle, 1)]]
        while len(opened) < streams:
            sys.stderr.write(f"\rstreams: {len(opened)} of {streams} ")
            sys.stderr.flush()
            count = min(_AT_ONCE, streams - len(opened))
            opened += await asyncio.gather(*(_open(bff.port, request) for _ in range(count)))
        await asyncio.sleep(_SETTLE)
        rows.append([f"{source.open} streams", *_cells(worker_memory(candidate), idle, streams)])
        for writer in opened:
            writer.close()
        for _ in range(100):
            if source.open == 0:
                break
            await asyncio.sleep(0.1)
        rows.append([f"{source.open} streams, all browsers gone", *_cells(worker_memory(candidate), idle, 1)])
        sys.stderr.write("\r" + " " * 40 + "\r")
    print_table("Idle streams through one worker", ["", "RSS MiB", "PSS MiB", "KiB a stream"], rows)


async def _open(port: int, request: bytes) -> asyncio.StreamWriter:
    """Open one stream and wait for its first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(head.decode("latin-1"))
    await reader.readuntil(b"data: {number}")
    return writer


def _cells(seen: Memory, idle: Memory, streams: int) -> list[str]:
    each = (seen.pss - idle.pss) / streams / 1024
    return [f"{seen.rss / 2**20:.0f}", f"{seen.pss / 2**20:.0f}", f"{each:.1f}" if streams > 1 else ""]
