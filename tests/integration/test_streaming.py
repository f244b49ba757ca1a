"""Bytes pass as they come, in both directions, and an end on one side is an end on the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.processes import release_ports, reserve_port
from tests.product import Bff, start_product
from tests.scripted_upstream import Exchange, Script, connected, read_chunk, read_head, serve_upstream

pytestmark = pytest.mark.integration

SOON = 30.0  # seconds; far below the route's timeout, far above what a busy machine needs
MIB = 2**20
GET = b"GET /api/thing HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
OPEN_ROUTE = """
[[api]]
path = "/api"
upstream = "{url}"
token = "none"
csrf = "off"
timeout = "100s"
max_body_size = "64MiB"
"""
# No login takes part here, so the issuer may be away.
NOBODY = SimpleNamespace(url="http://127.0.0.1:9", client_id="app", client_secret="x" * 32)


Proxied = Callable[[Script], AbstractAsyncContextManager[Bff]]


@pytest.fixture(scope="module")
def proxied() -> Iterator[Proxied]:
    """The product, started once, in front of an upstream with a script of each test's own."""
    port = reserve_port()
    with start_product(NOBODY, None, apis=OPEN_ROUTE.format(url=f"http://127.0.0.1:{port}")) as bff:

        @asynccontextmanager
        async def playing(script: Script) -> AsyncIterator[Bff]:
            async with serve_upstream(script, port):
                yield bff

        yield playing
    release_ports(port)


@asynccontextmanager
async def freshly_proxied(script: Script) -> AsyncIterator[Bff]:
    """A product that has used no memory for anything yet."""
    async with serve_upstream(script) as upstream:
        bff = await asyncio.to_thread(start_product, NOBODY, None, apis=OPEN_ROUTE.format(url=upstream.url))
        async with bff:
            yield bff


def rss(bff: Bff) -> int:
    """Resident bytes of the largest process of a `bff run`: its worker."""
    return max(int((each / "statm").read_text().split()[1]) for each in processes(bff.process.pid)) * 4096


def processes(pid: int) -> Iterator[Path]:
    yield Path(f"/proc/{pid}")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from processes(int(child))


# ── the browser goes away ───────────────────────────────────────────────────────────────────────────────────


async def test_a_browser_that_leaves_while_it_waits_ends_the_upstream_call(proxied: Proxied) -> None:
    """At once, though the upstream has not begun to answer."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never(exchange: Exchange) -> None:
        asked.set()
        await exchange.hung_up()
        ended.set()

    async with proxied(never) as bff:
        async with connected(bff.port) as browser:
            await browser.send(GET % bff.port)
            await asyncio.wait_for(asked.wait(), SOON)

        await asyncio.wait_for(ended.wait(), SOON)


async def test_a_browser_that_leaves_during_the_answer_ends_the_upstream_call(proxied: Proxied) -> None:
    """The upstream is in the middle of a stream without an end."""
    ended = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await exchange.hung_up()
        ended.set()

    async with proxied(endless) as bff:
        async with connected(bff.port) as browser:
            await browser.send(GET % bff.port)
            await read_head(browser.reader)
            await read_chunk(browser.reader)

        await asyncio.wait_for(ended.wait(), SOON)


async def test_a_browser_that_leaves_during_an_upload_ends_the_upstream_call(proxied: Proxied) -> None:
    """The upstream has half of the body and gets an end instead of the rest."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def collect(exchange: Exchange) -> None:
        await exchange.reader.readexactly(100_000)
        asked.set()
        await exchange.hung_up()
        ended.set()

    async with proxied(collect) as bff:
        async with connected(bff.port) as browser:
            head = b"POST /api/thing HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 200000\r\n\r\n" % bff.port
            await browser.send(head + b"x" * 100_000)
            await asyncio.wait_for(asked.wait(), SOON)

        await asyncio.wait_for(ended.wait(), SOON)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_server_sent_events_arrive_one_by_one(proxied: Proxied) -> None:
    """Each event is read before the upstream writes the next one; so is the head before the first."""
    seen: asyncio.Queue[None] = asyncio.Queue()

    async def events(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            await asyncio.wait_for(seen.get(), SOON)
            event = b"data: %d\n\n" % number
            await exchange.send(b"%x\r\n%s\r\n" % (len(event), event))
        await exchange.send(b"0\r\n\r\n")

    async with proxied(events) as bff, connected(bff.port) as browser:
        await browser.send(GET % bff.port)
        status, headers = await asyncio.wait_for(read_head(browser.reader), SOON)
        received = []
        for _ in range(3):
            seen.put_nowait(None)
            received.append(await asyncio.wait_for(read_chunk(browser.reader), SOON))

        assert 200 == status
        assert "text/event-stream" == headers["content-type"]
        assert [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"] == received
        assert b"" == await asyncio.wait_for(read_chunk(browser.reader), SOON)


@pytest.mark.parametrize(
    ("framing", "part"),
    [
        pytest.param(b"Content-Length: 1000", b"x" * 100, id="content-length"),
        pytest.param(b"Transfer-Encoding: chunked", b"64\r\n" + b"x" * 100 + b"\r\n", id="chunked"),
    ],
)
async def test_an_upstream_that_dies_in_the_middle_gives_a_cut_answer(
    proxied: Proxied, framing: bytes, part: bytes
) -> None:
    """What arrived is passed on, then the connection closes; the answer never looks complete (RFC 9112 §8)."""

    async def die(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + part)

    async with proxied(die) as bff, connected(bff.port) as browser:
        await browser.send(GET % bff.port)
        status, headers = await read_head(browser.reader)
        rest = await asyncio.wait_for(browser.reader.read(), SOON)

        assert 200 == status
        assert headers.get("content-length") in {None, "1000"}
        assert 100 == rest.count(b"x")
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_slow_browser_slows_the_upstream_down() -> None:
    """A browser that does not read an endless answer holds it up: the worker does not take it all in."""
    sent = 0

    async def flood(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                await exchange.send(b"x" * MIB)
                sent += MIB

    async with freshly_proxied(flood) as bff, connected(bff.port) as browser:
        before = rss(bff)
        await browser.send(GET % bff.port)
        await read_head(browser.reader)
        taken_in = await settled(lambda: sent)

        assert taken_in < 60 * MIB
        assert rss(bff) - before < 40 * MIB


# ── uploads ─────────────────────────────────────────────────────────────────────────────────────────────────


async def settled(read: Callable[[], int]) -> int:
    """The value once it has not changed for half a second."""
    last = -1
    while (value := read()) != last:
        last = value
        await asyncio.sleep(0.5)  # real bytes in real buffers: there is no event to wait for
    return value


async def body_bytes(exchange: Exchange) -> AsyncIterator[bytes]:
    """The body of a request as its head frames it."""
    if b"transfer-encoding: chunked" in exchange.head.lower():
        while chunk := await read_chunk(exchange.reader):
            yield chunk
    else:
        length = int(exchange.head.lower().partition(b"content-length:")[2].split()[0])
        while length:
            chunk = await exchange.reader.read(min(length, 65536))
            length -= len(chunk)
            yield chunk


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
async def test_a_large_upload_streams_through_a_small_worker(chunked: bool) -> None:
    """50 MiB arrive whole at an upstream that begins to read late; meanwhile the browser is held up, and the worker
    never holds more than a fraction of it."""
    size = 50 * MIB
    reading = asyncio.Event()
    total = written = 0

    async def collect(exchange: Exchange) -> None:
        nonlocal total
        await reading.wait()
        async for chunk in body_bytes(exchange):
            total += len(chunk)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with freshly_proxied(collect) as bff, connected(bff.port) as browser:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size

        async def upload() -> None:
            nonlocal written
            await browser.send(
                b"POST /api/thing HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n\r\n" % (bff.port, framing)
            )
            part = b"x" * (MIB // 4)
            for _ in range(size // len(part)):
                await browser.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                written += len(part)
            if chunked:
                await browser.send(b"0\r\n\r\n")

        before = rss(bff)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(upload())
            held_up_at = await settled(lambda: written)
            while_held = rss(bff)
            reading.set()
            status, _ = await asyncio.wait_for(read_head(browser.reader), 30)

        assert 200 == status
        assert size == total
        assert held_up_at < 40 * MIB
        assert while_held - before < 20 * MIB
        assert rss(bff) - before < 30 * MIB


async def test_both_directions_flow_at_once(proxied: Proxied) -> None:
    """An upstream may answer before it has the whole body, and each side's next part may wait for the other's."""

    async def echo(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        while chunk := await read_chunk(exchange.reader):
            await exchange.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await exchange.send(b"0\r\n\r\n")

    async with proxied(echo) as bff, connected(bff.port) as browser:
        await browser.send(
            b"POST /api/thing HTTP/1.1\r\nHost: localhost:%d\r\nTransfer-Encoding: chunked\r\n\r\n" % bff.port
        )
        await browser.send(b"5\r\nfirst\r\n")
        status, _ = await asyncio.wait_for(read_head(browser.reader), SOON)
        received = [await asyncio.wait_for(read_chunk(browser.reader), SOON)]
        for part in (b"then", b"last"):
            await browser.send(b"4\r\n%s\r\n" % part)
            received.append(await asyncio.wait_for(read_chunk(browser.reader), SOON))
        await browser.send(b"0\r\n\r\n")

        assert 200 == status
        assert [b"first", b"then", b"last"] == received
        assert b"" == await asyncio.wait_for(read_chunk(browser.reader), SOON)
