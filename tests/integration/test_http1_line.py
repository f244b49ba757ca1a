"""Lines to upstreams over real sockets: what is sent, and what becomes of the connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bff.errors import UpstreamUnreachable
from bff.proxy.http1_line import Http1Line, http1_line_builder
from bff.proxy.service import Address
from bff.proxy.upstream import ConnectTimeout
from tests.values import make_route
from tests.world import eventually

pytestmark = pytest.mark.integration

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def served(serve: Serve, socket: str | None = None) -> AsyncIterator[str]:
    """The origin of a server by hand, which ends with the block."""
    tasks: set[Any] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    if socket is not None:
        server = await asyncio.start_unix_server(connected, socket)
        url = "http://localhost"
    else:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield url
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def line_to(serve: Serve, *, upload: bool = False, **changes: Any) -> AsyncIterator[tuple[Http1Line, str]]:
    """A line to a server by hand, and the URL of what is asked for there."""
    async with served(serve) as url:
        line = http1_line_builder(make_route(upstream=url, **changes), Address(url))(upload)
        try:
            yield line, url
        finally:
            await line.close()


async def whole(answer: Any) -> bytes:
    parts = []
    while (part := await answer.read()) is not None:
        parts.append(part)
    await answer.close()
    return b"".join(parts)


async def test_one_connection_carries_one_call_after_the_other():
    """Kept while both sides keep it, and made anew after that; a new one cannot be stale."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        await writer.drain()
        writer.close()

    async with line_to(serve) as (line, url):
        fresh = []
        for _ in range(4):
            fresh.append(line.is_fresh)
            assert b"ok" == await whole(await line.send("GET", url + "/x", [], None))
            if len(fresh) == 2:
                await eventually(lambda: line.is_fresh, "the news that the server has closed it", within=30)

    assert ([True, False, True, False], 2) == (fresh, connections)


async def test_head_leaves_nothing_behind():
    """RFC 9110 §9.3.2: its answer says how long the body would be, and the next answer is the next one's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK[:-2] if head.startswith(b"HEAD") else OK)

    async with line_to(serve) as (line, url):
        read = [await whole(await line.send(method, url, [], None)) for method in ("HEAD", "GET", "HEAD", "GET")]

        assert ([b"", b"ok", b"", b"ok"], False) == (read, line.is_fresh)


@pytest.mark.parametrize(
    ("headers", "pieces", "sent"),
    [
        ([], [b"ab", b"", b"c"], b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ([("content-length", "3")], [b"ab", b"c"], b"abc"),
    ],
)
async def test_streamed_body_is_framed_as_was_announced(headers: Any, pieces: list[bytes], sent: bytes):
    """By its length where the browser said it, in chunks otherwise (RFC 9112 §6)."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert (b"transfer-encoding: chunked" in head) is (not headers)
        bodies.append(await reader.readexactly(len(sent)))
        writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async with line_to(serve, upload=True) as (line, url):
        assert b"ok" == await whole(await line.send("PUT", url, headers, body()))
        assert not line.is_fresh

    assert [sent] == bodies


@pytest.mark.parametrize("pieces", [[b"abcd"], [b"ab", b"cd"], [b"ab"], []])
async def test_body_that_is_not_as_long_as_announced_never_looks_complete(pieces: list[bytes]):
    """RFC 9112 §6.3: a byte too many would be the beginning of another request."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            got.set_result(await reader.read(-1))
        except ConnectionResetError:
            got.set_result(b"")

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async with line_to(serve, upload=True) as (line, url):
        with pytest.raises(ValueError, match="announced"):
            await line.send("PUT", url, [("content-length", "3")], body())
        async with asyncio.timeout(30):
            assert len(await got) < 3


async def test_call_that_is_cut_ends_at_the_upstream_at_once():
    """Before its answer has begun: whoever waits no longer leaves nobody at work."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read(1)
        ended.set()

    async with line_to(serve) as (line, url):
        call = asyncio.create_task(line.send("GET", url, [], None))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert line.cut()
        async with asyncio.timeout(30):
            await ended.wait()
        assert line.is_fresh


async def test_values_that_are_not_ascii_come_through_both_ways():
    """As the bytes they are."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 x\r\nX-A: \xe4\r\nX-B: " + "ü".encode() + b"\r\n\r\n")

    async with line_to(serve) as (line, url):
        answer = await line.send("GET", url, [("x-c", "ö")], None)

    assert [(b"x-a", b"\xe4"), (b"x-b", "ü".encode())] == answer.headers
    assert "x-c: ö\r\n".encode() in heads[0]


async def test_unix_socket_is_spoken_to_by_the_name_localhost(tmp_path: Path):
    """It has no name of its own."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    socket = str(tmp_path / "api.sock")
    async with served(serve, socket):
        line = http1_line_builder(make_route(), Address("http://localhost", socket))(False)
        assert b"ok" == await whole(await line.send("GET", "http://localhost?q", [], None))
        await line.close()

    assert heads[0].startswith(b"GET /?q HTTP/1.1\r\nhost: localhost\r\n")


async def test_no_connection_is_told_from_one_that_takes_too_long(monkeypatch: pytest.MonkeyPatch):
    """Both may be tried elsewhere, for nothing has been sent."""
    route = make_route(upstream="http://nowhere.invalid", connect_timeout=0.01)
    line = http1_line_builder(route, Address("http://nowhere.invalid"))(False)
    loop = asyncio.get_running_loop()

    async def fail(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(loop, "create_connection", fail)
    with pytest.raises(UpstreamUnreachable):
        await line.send("GET", "http://nowhere.invalid/", [], None)

    async def hang(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "create_connection", hang)
    with pytest.raises(ConnectTimeout):
        await line.send("GET", "http://nowhere.invalid/", [], None)
