"""Where the upstream's half of a socket is opened, and what stands there."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.asyncio.server import unix_serve

from tests.processes import ServerProcess, reserve_port
from tests.product import Bff, Browser, start_product
from tests.socket_upstream import SocketUpstream
from tests.sockets import closed, refusal, socket_of
from tests.wire import say
from tests.world import eventually

pytestmark = pytest.mark.integration

# No login takes part here, so the issuer may be away.
NOBODY = SimpleNamespace(url="http://127.0.0.1:9", client_id="app", client_secret="x" * 32)


HANDSHAKE = (
    b"GET /ws/echo HTTP/1.1\r\nHost: localhost:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: %s\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def start(upstream: str) -> Bff:
    """The product with one route, open to everybody; `upstream` is the line that says where to."""
    route = f'[[api]]\npath = "/ws"\n{upstream}\ntoken = "none"\nwebsocket = true\ntimeout = "1s"\n'
    return start_product(NOBODY, None, apis=route)


@pytest.fixture
def granian() -> Iterator[tuple[str, ServerProcess]]:
    port = reserve_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asginl",
        "--port",
        str(port),
        "tests.asgi_sockets:app",
    ]
    with ServerProcess(command) as process:
        process.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/base", process


async def test_sockets_of_another_technology(granian: tuple[str, ServerProcess]) -> None:
    """Text, bytes, fragments, a subprotocol, a thousand messages in order, its close; then it is killed."""
    url, process = granian
    with start(f'upstream = "{url}"') as bff:
        async with Browser(bff) as browser:
            async with socket_of(browser, "/ws/echo", subprotocols=["one", "two"]) as socket:
                assert "one" == socket.subprotocol
                await socket.send("häh?")
                await socket.send([b"a" * 70_000, b"b"])
                assert ["häh?", b"a" * 70_000 + b"b"] == [await socket.recv(), await socket.recv()]
            async with socket_of(browser, "/ws/count") as socket:
                assert [str(number) for number in range(1000)] == [await socket.recv() for _ in range(1000)]
                assert (4000, "counted") == await closed(socket)
            async with socket_of(browser, "/ws/echo") as socket:
                process.kill()
                assert (1011, "upstream_unreachable") == await closed(socket)
            assert (502, "upstream_unreachable") == await refusal(browser, "/ws/echo")


async def test_upstream_that_stands_still_is_given_up_in_time(granian: tuple[str, ServerProcess]) -> None:
    """Its kernel takes the connection, and nobody answers the handshake."""
    url, process = granian
    with start(f'upstream = "{url}"') as bff:
        async with Browser(bff) as browser:
            os.killpg(process.pid, signal.SIGSTOP)  # its worker is a process of its own
            assert (504, "upstream_timeout") == await refusal(browser, "/ws/echo")
            os.killpg(process.pid, signal.SIGCONT)


async def test_sockets_are_spread_and_an_address_that_is_away_is_passed_over() -> None:
    """The address with the fewest sockets is taken; one that cannot be reached costs nobody a socket."""
    with (
        SocketUpstream() as one,
        SocketUpstream() as two,
        start(f'upstreams = ["http://127.0.0.1:{reserve_port()}", "{one.url}", "{two.url}"]') as bff,
    ):
        async with Browser(bff) as browser:
            sockets = [await socket_of(browser, "/ws/echo") for _ in range(6)]
            for socket in sockets:
                await socket.send("here")
                assert "here" == await socket.recv()

            assert (3, 3) == (len(one.opened), len(two.opened))
            for socket in sockets:
                await socket.close()


async def test_upstream_behind_a_unix_socket(tmp_path: Path) -> None:
    """Its base path and its host are those of the configuration."""
    seen: list[tuple[str, str]] = []

    async def greet(connection: object) -> None:
        request = connection.request  # type: ignore[attr-defined]
        seen.append((request.path, request.headers["Host"]))
        await connection.send("hello")  # type: ignore[attr-defined]

    path = tmp_path / "live.sock"
    async with unix_serve(greet, str(path)):
        with await asyncio.to_thread(start, f'upstream = "unix:{path}:/base"') as bff:
            async with Browser(bff) as browser, socket_of(browser, "/ws/x?y=1") as socket:
                assert "hello" == await socket.recv()

    assert [("/base/x?y=1", "localhost")] == seen


async def test_redirect_is_not_followed() -> None:
    """The token would go along; the browser sees what the upstream said, and its script a failure."""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    heads: list[bytes] = []
    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with await asyncio.to_thread(start, f'upstream = "{url}"') as bff:
            heard = await say(bff.port, HANDSHAKE % (bff.port, bff.url.encode()))

    assert [302] == heard.statuses
    await eventually(lambda: 1 == len(heads))
