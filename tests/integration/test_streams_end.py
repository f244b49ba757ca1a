"""Long answers of real sockets: cut with their session, and no burden to a shutdown."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.processes import release_ports, reserve_port
from tests.product import Bff, Browser
from tests.scripted_upstream import Exchange, Script, read_chunk, read_head, serve_upstream
from tests.world import World

pytestmark = pytest.mark.integration

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ROUTE = '[[api]]\npath = "/api"\nupstream = "{url}"\n'
SOON = 30.0  # seconds; generous, for the machine may be busy


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[tuple[Bff, int]]:
    """The product, started once, and the port at which it looks for its upstream."""
    port = reserve_port()
    apis = ROUTE.format(url=f"http://127.0.0.1:{port}")
    with world.build(world.issuer, port=world.port(), apis=apis) as bff:
        yield bff, port
    release_ports(port)


@asynccontextmanager
async def streaming(place: tuple[Bff, int], script: Script) -> AsyncIterator[Bff]:
    bff, port = place
    async with serve_upstream(script, port):
        yield bff


@asynccontextmanager
async def stopping(world: World, script: Script, **options: Any) -> AsyncIterator[Bff]:
    """A product that is to be stopped while it streams."""
    async with serve_upstream(script) as upstream:
        apis = ROUTE.format(url=upstream.url)
        bff = await asyncio.to_thread(world.build, world.issuer, port=world.port(), apis=apis, **options)
        async with bff:
            yield bff


async def ask(
    browser: Browser, method: str = "GET", framing: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the stream on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.bff.port)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = f"Host: localhost:{browser.bff.port}\r\nX-CSRF: 1\r\nCookie: {cookies}\r\n{framing}\r\n"
    writer.write(f"{method} /api/x HTTP/1.1\r\n{head}".encode())
    return reader, writer


async def endless(exchange: Exchange) -> None:
    """One event, and then nothing."""
    await exchange.send(EVENTS + b"9\r\ndata: 1\n\n\r\n")
    await exchange.hung_up()


async def silent(exchange: Exchange) -> None:
    """A head of events, and then nothing."""
    await exchange.send(EVENTS)
    await exchange.hung_up()


async def slow_download(exchange: Exchange) -> None:
    """Two seconds for ten pieces of a known length."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10):
        await exchange.send(b"x" * 100_000)
        await asyncio.sleep(0.2)


async def test_logout_cuts_an_open_stream(place: tuple[Bff, int]) -> None:
    """The connection ends in the middle of the body (RFC 9112 §8), and the upstream's with it."""
    async with streaming(place, endless) as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser)
        assert 200 == (await read_head(reader))[0]
        assert b"data: 1\n\n" == await read_chunk(reader)
        assert 200 == (await browser.post("/bff/logout")).status_code
        async with asyncio.timeout(SOON):
            rest = await reader.read()

        assert b"" == rest, "no last chunk"
        writer.close()


async def answer_before_the_body(exchange: Exchange) -> None:
    """One event in answer to the first part of a body that goes on."""
    await read_chunk(exchange.reader)
    await endless(exchange)


async def test_logout_cuts_an_answer_to_a_body_that_never_ends(place: tuple[Bff, int]) -> None:
    """Whoever holds the request open holds no answer open with it."""
    async with streaming(place, answer_before_the_body) as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser, "POST", "Transfer-Encoding: chunked\r\n")
        writer.write(b"5\r\nfirst\r\n")
        assert 200 == (await read_head(reader))[0]
        assert b"data: 1\n\n" == await read_chunk(reader)
        assert 200 == (await browser.post("/bff/logout")).status_code
        async with asyncio.timeout(SOON):
            rest = await reader.read()

        assert b"" == rest, "no last chunk"
        writer.close()


async def test_logout_ends_an_upload_that_is_under_way(place: tuple[Bff, int]) -> None:
    """With 401, for nothing has been answered; the upstream's half is broken off."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def collect(exchange: Exchange) -> None:
        await read_chunk(exchange.reader)
        asked.set()
        await exchange.hung_up()
        ended.set()

    async with streaming(place, collect) as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser, "POST", "Transfer-Encoding: chunked\r\n")
        writer.write(b"5\r\nfirst\r\n")
        await asyncio.wait_for(asked.wait(), SOON)
        assert 200 == (await browser.post("/bff/logout")).status_code
        async with asyncio.timeout(SOON):
            assert 401 == (await read_head(reader))[0]
            await ended.wait()
        writer.close()


async def test_page_hears_at_once_that_its_stream_is_open(place: tuple[Bff, int]) -> None:
    """EventSource's `open` does not wait for the first event."""
    async with streaming(place, silent) as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser)
        async with asyncio.timeout(SOON):
            assert 200 == (await read_head(reader))[0]
        writer.close()


async def test_open_stream_of_events_holds_no_shutdown_up(world: World) -> None:
    """It is cut a second after the signal, and nothing waits for the end of `shutdown_timeout`."""
    async with stopping(world, endless, shutdown_timeout="100s") as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser)
        await read_head(reader)
        bff.process.signal(signal.SIGTERM)
        async with asyncio.timeout(SOON):
            rest = await reader.read()
        await asyncio.to_thread(bff.process.wait_for_exit)

        assert b"0\r\n\r\n" != rest[-5:]
        writer.close()


async def test_download_in_flight_ends_before_the_server_does(world: World) -> None:
    """Every byte of it."""
    async with stopping(world, slow_download) as bff, Browser(bff) as browser:
        await browser.log_in("alice")
        reader, writer = await ask(browser)
        await read_head(reader)
        bff.process.signal(signal.SIGTERM)
        async with asyncio.timeout(2 * SOON):
            body = await reader.readexactly(1_000_000)

        assert b"x" * 1_000_000 == body
        writer.close()
        await asyncio.to_thread(bff.process.wait_for_exit)
