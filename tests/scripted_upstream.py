"""HTTP/1.1 by hand, on both sides of a proxy: an upstream that does as its script says, and a browser that may stop
anywhere. For what HTTP libraries hide: when bytes come, and how a connection ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Exchange:
    """One request as a script sees it: the head has been read, the rest is up to the script."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hung_up(self) -> None:
        """Returns when the peer has closed the connection, or a part of it."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionResetError:
            return


Script = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class RawUpstream:
    """A server on 127.0.0.1 that plays its script on every connection, once."""

    url: str
    failures: list[Exception] = field(default_factory=list)


@asynccontextmanager
async def serve_upstream(script: Script, port: int = 0) -> AsyncIterator[RawUpstream]:
    """A running upstream, on any port unless one is named; leaving raises what its script has raised."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await script(Exchange(head, reader, writer))
        except asyncio.IncompleteReadError:
            return  # a connection without a request
        except Exception as error:  # noqa: BLE001 - whatever the script raises is raised to the test
            upstream.failures.append(error)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=2**16)
    upstream = RawUpstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield upstream
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if upstream.failures:
            raise ExceptionGroup("the upstream's script failed", upstream.failures)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Exchange]:
    """A browser's connection to a server on 127.0.0.1; leaving hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Exchange(b"", reader, writer)
    finally:
        writer.close()


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer, names in lower case."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, value in pairs}


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """One chunk of a chunked body; empty for the last."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]
