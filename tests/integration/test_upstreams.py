"""Upstreams as they are on a bad day, over real sockets: refused, stale, half open, slow, full, broken."""

# ruff: noqa: SIM117 -- the server on one line, who calls it on the next
import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bff.errors import UpstreamBusy, UpstreamTimeout, UpstreamUnreachable
from bff.proxy.service import Address, Health, Service, Tls
from bff.proxy.upstreams import Upstreams
from tests.forging import self_signed_certificate
from tests.values import make_route
from tests.world import eventually

pytestmark = pytest.mark.integration

SOON = 30.0  # seconds; generous, for the machine may be busy
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


@dataclass
class Server:
    """A server by hand: `serve` is called for each connection, and remembers what it was sent."""

    serve: Callable[["Server", Reader, Writer], Awaitable[None]]
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    tasks: set[Any] = field(default_factory=set)

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.serve(self, reader, writer)
        writer.close()

    async def head(self, reader: Reader) -> bytes:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/base"


async def good(server: Server, reader: Reader, writer: Writer) -> None:
    """Answers every request at once."""
    while True:
        await server.head(reader)
        writer.write(OK)
        await writer.drain()


async def silent(server: Server, reader: Reader, writer: Writer) -> None:
    """Takes a request and says nothing; notes when it is broken off."""
    await server.head(reader)
    try:
        await reader.read()
    finally:  # with a reset, too
        server.ended.set()


async def rude(server: Server, reader: Reader, writer: Writer) -> None:
    """Takes a request and hangs up."""
    await server.head(reader)


@asynccontextmanager
async def serving(serve: Any, **options: Any) -> AsyncIterator[Server]:
    server = Server(serve)
    if "path" in options:
        listening = await asyncio.start_unix_server(server, **options)
    else:
        listening = await asyncio.start_server(server, "127.0.0.1", 0, **options)
        server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


@asynccontextmanager
async def calling(*servers: Server | str, **changes: Any) -> AsyncIterator["Caller"]:
    """What calls these servers, as one route's."""
    urls = [server if isinstance(server, str) else server.url for server in servers]
    fields = {name: changes.pop(name) for name in ("timeout", "connect_timeout") if name in changes}
    addresses = changes.pop("addresses", None) or tuple(Address(url) for url in urls)
    route = make_route(upstream=addresses[0].url, upstreams=addresses, service=Service(**changes), **fields)
    caller = Caller(route)
    caller.upstreams.start()
    try:
        yield caller
    finally:
        await caller.upstreams.close()


class Caller:
    def __init__(self, *routes: Any) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.now = 0.0
        self.route = routes[0]
        self.upstreams = Upstreams(
            routes, lambda name, fields: self.events.append((name, dict(fields))), lambda: self.now
        )

    def open(self, method: str = "GET", body: Any = None, route: Any = None) -> Any:
        return self.upstreams.open(route or self.route, method, "/x?q=1", [("x-a", "1")], body)

    async def call(self, method: str = "GET", body: Any = None, route: Any = None) -> tuple[int, bytes]:
        async with asyncio.timeout(SOON), self.open(method, body, route) as response:
            parts = []
            while (part := await response.read()) is not None:
                parts.append(part)
            return response.status, b"".join(parts)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/base"


# ── whoever waits no longer ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [None, b"small", "streamed"])
async def test_call_that_is_cancelled_before_its_answer_is_broken_off_at_once(body):
    """The upstream sees the end of the connection; the place in the pool is free."""

    async def pieces():
        yield b"all of it"

    async with serving(silent) as server, calling(server, max_connections=1) as caller:
        method = "GET" if body is None else "POST"
        call = asyncio.create_task(caller.call(method, pieces() if body == "streamed" else body))
        await eventually(lambda: server.heads, "the request")
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait_for(server.ended.wait(), SOON)

        assert 0 == caller.upstreams._carriers["/api"].backends.each[0].pending


async def test_breaking_one_call_off_leaves_the_others_alone():
    """Each call has its own connection, and only its own is shut down."""
    async with serving(silent) as server, calling(server) as caller:
        calls = [asyncio.create_task(caller.call()) for _ in range(5)]
        await eventually(lambda: len(server.heads) == 5, "all requests")
        calls[2].cancel()
        await asyncio.wait_for(server.ended.wait(), SOON)
        await asyncio.sleep(0.2)

        assert [False, False, True, False, False] == [call.done() for call in calls]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


# ── once more ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("HEAD", None), ("OPTIONS", b"")])
async def test_safe_call_goes_to_another_address(method, body):
    """Refused by one, answered by the other; the browser notices nothing."""
    async with serving(good) as server, calling(closed_port(), server) as caller:
        for _ in range(4):
            assert 200 == (await caller.call(method, body))[0]

        assert 4 == len(server.heads)


async def test_call_with_consequences_is_never_sent_twice():
    """RFC 9110 §9.2.2: it may have been read before the connection broke."""
    async with serving(rude) as one, serving(rude) as other, calling(one, other) as caller:
        for method, body in (("POST", b"x"), ("POST", None), ("PUT", None), ("GET", b"x"), ("PATCH", b"")):
            with pytest.raises(UpstreamUnreachable):
                await caller.call(method, body)

        assert 5 == len(one.heads) + len(other.heads)


async def test_idempotent_calls_are_repeated_by_choice():
    """`retry = "idempotent"`; one more time, and no more."""
    async with serving(rude) as one, serving(rude) as other, calling(one, other, retry="idempotent") as caller:
        for method in ("PUT", "DELETE"):
            with pytest.raises(UpstreamUnreachable):
                await caller.call(method)
        with pytest.raises(UpstreamUnreachable):
            await caller.call("PUT", b"x")

        assert 5 == len(one.heads) + len(other.heads)


async def test_nothing_is_repeated_where_that_is_not_wanted():
    """`retry = "never"`."""
    async with serving(rude) as one, serving(rude) as other, calling(one, other, retry="never") as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call()

        assert 1 == len(one.heads) + len(other.heads)


async def test_stale_connection_is_replaced():
    """The only address had closed it in the moment in which it was used again."""

    async def twice(server, reader, writer):
        await server.head(reader)
        writer.write(OK)
        if server.connections == 1:
            await server.head(reader)  # takes the second request, and hangs up
        else:
            await good(server, reader, writer)

    async with serving(twice) as server, calling(server) as caller:
        assert [(200, b"ok")] * 2 == [await caller.call() for _ in range(2)]
        assert (3, 2) == (len(server.heads), server.connections)


async def test_fresh_connection_that_breaks_is_not_tried_again():
    """On the only address there is, it would break again."""
    async with serving(rude) as server, calling(server) as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call()

        assert 1 == len(server.heads)


async def test_answer_that_took_too_long_is_not_waited_for_twice():
    """A second try would only make it longer."""
    async with serving(silent) as one, serving(silent) as other, calling(one, other, timeout=0.5) as caller:
        with pytest.raises(UpstreamTimeout):
            await caller.call()

        assert 1 == len(one.heads) + len(other.heads)


# ── which address ───────────────────────────────────────────────────────────────────────────────────────────


async def test_address_that_fails_is_left_out_and_comes_back():
    """Told when it goes, and when it is as good as the others again."""
    sick = True

    async def moody(server, reader, writer):
        while True:
            await server.head(reader)
            if sick:
                return
            writer.write(OK)

    async with serving(good) as well, serving(moody) as ill:
        async with calling(well, ill, balance="round_robin", health=Health(3, 10.0)) as caller:
            for _ in range(20):
                assert (200, b"ok") == await caller.call()
            assert (20, 3) == (len(well.heads), len(ill.heads))
            name = f"http://127.0.0.1:{ill.port}"
            assert [
                (
                    "upstream.ejected",
                    {
                        "route": "/api",
                        "upstream": name,
                        "cause": "upstream_unreachable",
                        "failures": 3,
                        "seconds": 10.0,
                    },
                )
            ] == caller.events
            sick, caller.now = False, 10.0
            for _ in range(20):
                await caller.call()
            assert ("upstream.restored", {"route": "/api", "upstream": name}) == caller.events[-1]
            assert len(ill.heads) == 13


async def test_least_laden_address_carries_the_next_call():
    """One that is slow gathers calls, and gets no more."""
    async with serving(silent) as slow, serving(good) as quick, calling(slow, quick) as caller:
        waiting = [asyncio.create_task(caller.call()) for _ in range(2)]
        await eventually(lambda: slow.heads, "the slow one's call")
        for _ in range(10):
            await caller.call()

        assert 1 == len(slow.heads)
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_when_all_are_out_the_least_bad_is_tried():
    """A route is never switched off."""
    async with serving(rude) as one, serving(rude) as other, calling(one, other, health=Health(1, 10.0)) as caller:
        for _ in range(3):
            with pytest.raises(UpstreamUnreachable):
                await caller.call("POST", b"x")

        assert 2 == len([name for name, _ in caller.events if name == "upstream.ejected"])
        assert 3 == len(one.heads) + len(other.heads)


async def test_upload_that_the_browser_broke_off_ejects_nobody():
    """It was not the upstream's fault."""

    async def broken():
        yield b"x"
        raise ConnectionResetError

    async with serving(silent) as one, serving(silent) as other:
        async with calling(one, other, health=Health(1, 10.0)) as caller:
            with pytest.raises(ConnectionResetError):
                await caller.call("POST", broken())

            assert [] == caller.events


async def test_checks_find_out_before_callers_do():
    """Asked without a token, each address by itself; a bad status is a failure, a good one the way back."""
    status = 500

    async def checked(server, reader, writer):
        while True:
            head = await server.head(reader)
            code = status if b"GET /up?x=1 " in head else 200
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % code)

    async with serving(good) as well, serving(checked) as ill:
        rules = Health(2, 10.0, "/up?x=1", 0.5)  # so long a check may take, too
        async with calling(well, ill, health=rules) as caller:
            await eventually(lambda: caller.events, "the ejection")
            assert ("upstream.ejected", f"http://127.0.0.1:{ill.port}") == (
                caller.events[0][0],
                caller.events[0][1]["upstream"],
            )
            assert b"authorization" not in ill.heads[0].lower()
            status = 204
            await eventually(lambda: "upstream.restored" == caller.events[-1][0], "the way back")


@pytest.mark.parametrize("serve", [silent, rude, None], ids=["silent", "rude", "refused"])
async def test_checks_that_get_no_answer_are_failures(serve):
    """However that comes about; the other address is none the worse."""
    async with serving(good) as well, serving(serve or good) as ill:
        url = closed_port() if serve is None else ill.url
        rules = Health(2, 10.0, "/up", 0.5)
        async with calling(well, url, health=rules) as caller:
            await eventually(lambda: caller.events, "the ejection")
            await asyncio.sleep(0.1)

            assert ["upstream.ejected"] == [name for name, _ in caller.events]
            assert url.startswith(caller.events[0][1]["upstream"])


async def test_check_of_an_address_that_is_full_tells_nothing():
    """The calls that fill it tell how it is."""
    async with serving(silent) as one, serving(silent) as other:
        rules = Health(1, 10.0, "/up", 60.0)
        async with calling(one, other, health=rules, max_connections=1, pool_timeout=0.01) as caller:
            await eventually(lambda: one.heads and other.heads, "the first checks, which are never answered")
            for backend in caller.upstreams._carriers["/api"].backends.each:
                await caller.upstreams._checks[0].check(backend)

            assert [] == caller.events
            assert (1, 1) == (len(one.heads), len(other.heads))


async def test_mistake_in_a_check_is_told_and_ends_nothing(monkeypatch):
    """It would otherwise be noticed by nobody."""
    async with serving(good) as one, serving(good) as other:
        async with calling(one, other, health=Health(1, 10.0, "/up", 0.01)) as caller:
            monkeypatch.setattr(type(caller.upstreams._checks[0]), "_ask", lambda *_: 1 / 0)
            await eventually(lambda: len(caller.events) > 3, "word of it")

            assert (
                "background.crashed",
                {"task": "check-upstreams", "error": "ZeroDivisionError"},
            ) == caller.events[-1]


# ── how many ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_full_pool_is_told_and_starves_nobody_else():
    """503 with Retry-After for callers of the slow upstream; another route is as quick as ever."""
    async with serving(silent) as slow, serving(good) as quick:
        limits = Service(max_connections=3, pool_timeout=0.05)
        routes = [make_route("/slow", slow.url, service=limits), make_route("/quick", quick.url, service=limits)]
        caller = Caller(*routes)
        waiting = [asyncio.create_task(caller.call(route=routes[0])) for _ in range(3)]
        await eventually(lambda: len(slow.heads) == 3, "the slow calls")

        with pytest.raises(UpstreamBusy) as busy:
            await caller.call(route=routes[0])
        assert (503, 1) == (busy.value.status, busy.value.retry_after)
        assert [(200, b"ok")] * 20 == [await caller.call(route=routes[1]) for _ in range(20)]
        assert 1 == quick.connections
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await caller.upstreams.close()


# ── how long ────────────────────────────────────────────────────────────────────────────────────────────────


async def drip(server: Server, reader: Reader, writer: Writer) -> None:
    """Its head at once, then a byte every 50 ms."""
    await server.head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        await asyncio.sleep(0.05)
        writer.write(b"x")
        await writer.drain()


async def test_silence_between_bytes_may_be_shorter_than_the_wait_for_the_first():
    """`idle_timeout` below `timeout`."""
    async with serving(drip) as server, calling(server, timeout=20.0, idle_timeout=0.01) as caller:
        async with caller.open() as response:
            with pytest.raises(UpstreamTimeout):
                await response.read()


async def test_silence_between_bytes_may_be_longer_than_the_wait_for_the_first():
    """`idle_timeout` above `timeout`: streams of events."""

    async def late(server: Server, reader: Reader, writer: Writer) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
        await asyncio.sleep(1.2)
        writer.write(b"x")

    async with serving(late) as server, calling(server, timeout=1.0, idle_timeout=90.0) as caller:
        async with asyncio.timeout(SOON), caller.open() as response:
            assert b"x" == await response.read()

    async with serving(silent) as server, calling(server, timeout=0.5, idle_timeout=90.0) as caller:
        with pytest.raises(UpstreamTimeout):
            await caller.call()
        await asyncio.wait_for(server.ended.wait(), SOON)


async def one_piece() -> AsyncIterator[bytes]:
    yield b"body"


async def without_end() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536


@pytest.mark.parametrize("body", [one_piece, without_end], ids=["taken", "not taken"])
async def test_answer_to_an_upload_falls_silent_no_longer_than_others(body):
    """It held its connection for an hour: so did an upstream that took nothing more of the body either."""

    async def stall(server: Server, reader: Reader, writer: Writer) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.Event().wait()

    async with serving(stall) as server, calling(server, timeout=1.0) as caller:
        async with asyncio.timeout(SOON), caller.open("POST", body=body()) as response:
            assert b"half" == await response.read()
            with pytest.raises(UpstreamTimeout):
                await response.read()


async def test_whole_call_has_its_time():
    """`total_timeout`: before the head, and in the middle of the body."""
    async with serving(drip) as server, calling(server, total_timeout=0.2) as caller:
        with pytest.raises(UpstreamTimeout):
            await caller.call()
    async with serving(silent) as server, calling(server, total_timeout=0.5) as caller:
        with pytest.raises(UpstreamTimeout):
            await caller.call()
        await asyncio.wait_for(server.ended.wait(), SOON)


async def test_address_that_does_not_take_connections_is_a_timeout_and_another_is_tried():
    """A full backlog is what a half-open host looks like."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}/base"
            async with calling(url, connect_timeout=0.5) as caller:
                with pytest.raises(UpstreamTimeout):
                    await caller.call()
            async with serving(good) as server, calling(url, server, connect_timeout=0.5) as caller:
                assert [(200, b"ok")] * 2 == [await caller.call() for _ in range(2)]


# ── what breaks ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 20",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["nothing", "half a line", "nonsense", "another protocol", "two lengths"],
)
async def test_what_is_no_answer_is_none(part):
    """RFC 9112 §6.3 and §8: nothing is made of it."""

    async def broken(server, reader, writer):
        await server.head(reader)
        writer.write(part)
        await writer.drain()

    async with serving(broken) as server, calling(server) as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call("POST", b"x")


@pytest.mark.parametrize("reset", [True, False])
async def test_answer_that_breaks_half_way_does_not_end_well(reset):
    """Closed or reset in the middle of its body (RFC 9112 §8)."""

    async def half(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        if reset:
            linger = b"\1\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with serving(half) as server, calling(server) as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call()


async def test_name_that_does_not_resolve_is_unreachable():
    """DNS failure (RFC 6761 §6.4: .invalid never resolves)."""
    async with calling("http://nobody.invalid/base", connect_timeout=2.0) as caller:
        with pytest.raises((UpstreamUnreachable, UpstreamTimeout)):
            await caller.call()


# ── TLS, sockets, HTTP/2 ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, its key, and the server's side of TLS with it."""
    where, whose = self_signed_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(where, whose)
    return where, whose, context


async def test_certificate_that_nobody_vouches_for_is_refused(certificate):
    """RFC 9700 §2.6: no request, and so no token, reaches a server that cannot prove who it is."""
    async with serving(good, ssl=certificate[2]) as server:
        async with calling(server.url.replace("http:", "https:")) as caller:
            with pytest.raises(UpstreamUnreachable):
                await caller.call()
        assert [] == server.heads


async def test_http2_is_spoken_where_the_upstream_agrees(certificate):
    """This one knows HTTP/1.1 alone, and TLS tells (RFC 7301)."""
    tls = Tls(authorities=certificate[0].read_text())
    async with serving(good, ssl=certificate[2]) as server:
        async with calling(server.url.replace("http:", "https:"), tls=tls, http2=True) as caller:
            assert [(200, b"ok")] * 2 == [await caller.call() for _ in range(2)]
            assert 1 == server.connections


async def test_own_authority_is_believed_and_call_broken_off(certificate):
    """`tls.ca_file`; with TLS as without, who waits no longer is not waited for."""
    tls = Tls(authorities=certificate[0].read_text())
    async with serving(good, ssl=certificate[2]) as server:
        async with calling(server.url.replace("http:", "https:"), tls=tls) as caller:
            assert (200, b"ok") == await caller.call()
    async with serving(silent, ssl=certificate[2]) as server:
        async with calling(server.url.replace("http:", "https:"), tls=tls) as caller:
            call = asyncio.create_task(caller.call())
            await eventually(lambda: server.heads, "the request")
            call.cancel()
            await asyncio.wait_for(server.ended.wait(), SOON)


@pytest.mark.parametrize("is_cut", [True, False])
async def test_answer_that_ends_with_its_connection_ends_by_the_will_of_the_upstream(certificate, is_cut):
    """TLS tells, where anybody on the way could cut one short so that it looks whole (RFC 9112 §9.8)."""

    async def without_length(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await writer.drain()
        if is_cut:
            writer.transport.abort()  # a FIN, and nothing that TLS has said before it

    tls = Tls(authorities=certificate[0].read_text())
    async with serving(without_length, ssl=certificate[2]) as server:
        async with calling(server.url.replace("http:", "https:"), tls=tls) as caller:
            if is_cut:
                with pytest.raises(UpstreamUnreachable):
                    await caller.call()
            else:
                assert (200, b"half") == await caller.call()


async def test_own_certificate_is_shown(certificate):
    """`tls.client_cert` and `tls.client_key`, to a server that insists on it."""
    where, whose, _ = certificate
    strict = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=where)
    strict.load_cert_chain(where, whose)
    strict.verify_mode = ssl.CERT_REQUIRED
    known = Tls(authorities=where.read_text(), identity=f"{whose.read_text()}\n{where.read_text()}")
    async with serving(good, ssl=strict) as server:
        url = server.url.replace("http:", "https:")
        async with calling(url, tls=known) as caller:
            assert (200, b"ok") == await caller.call()
        async with calling(url, tls=Tls(authorities=where.read_text())) as caller:
            with pytest.raises(UpstreamUnreachable):
                await caller.call()


async def test_server_name_is_asked_for_and_checked(certificate):
    """`tls.server_name`: SNI and Host have it, and a certificate for another name is refused."""
    asked = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate[:2])
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    tls = Tls(authorities=certificate[0].read_text(), server_name="api.internal.test")
    async with serving(good, ssl=context) as server:
        async with calling(server.url.replace("http:", "https:"), tls=tls) as caller:
            with pytest.raises(UpstreamUnreachable):
                await caller.call()

    assert "api.internal.test" in asked


def test_key_that_is_none_stops_the_start():
    """Not at the first request."""
    route = make_route(upstream="https://127.0.0.1", service=Service(tls=Tls(identity="nonsense")))

    with pytest.raises(ValueError, match="certificate or key"):
        Upstreams([route], lambda *_: None)


@pytest.mark.parametrize("body", [None, b"", b"small", "streamed"])
async def test_unix_socket_is_called(tmp_path, body):
    """`unix:/run/api.sock:/base`, with bodies of every kind."""
    bodies = []

    async def collect(server, reader, writer):
        while True:
            head = (await server.head(reader)).lower()
            if b"transfer-encoding: chunked" in head:
                bodies.append(await reader.readuntil(b"0\r\n\r\n"))
            else:
                length = head.partition(b"content-length: ")[2].split(b"\r\n")[0] or b"0"
                bodies.append(await reader.readexactly(int(length)))
            writer.write(OK)

    async def pieces():
        yield b"one"
        yield b"two"

    path = str(tmp_path / "api.sock")
    addresses = (Address("http://localhost/base", path),)
    async with serving(collect, path=path) as server, calling(addresses=addresses) as caller:
        method = "GET" if body is None else "POST"
        for _ in range(2):
            assert (200, b"ok") == await caller.call(method, pieces() if body == "streamed" else body)

        assert 1 == server.connections
        assert server.heads[0].startswith(method.encode() + b" /base/x?q=1 HTTP/1.1\r\nhost: localhost\r\n")
        assert [{"streamed": b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"}.get(body, body or b"")] * 2 == bodies


async def test_unix_socket_fails_as_ports_do(tmp_path):
    """Away, silent, broken off half way, cancelled."""
    path = str(tmp_path / "api.sock")
    addresses = (Address("http://localhost", path),)
    async with calling(addresses=addresses) as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call()
    async with serving(silent, path=path) as server:
        async with calling(addresses=addresses, timeout=0.5) as caller:
            with pytest.raises(UpstreamTimeout):
                await caller.call()
        server.ended.clear()
        async with calling(addresses=addresses) as caller:
            call = asyncio.create_task(caller.call())
            await eventually(lambda: len(server.heads) == 2, "the request")
            call.cancel()
            await asyncio.wait_for(server.ended.wait(), SOON)

    async def half(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with serving(half, path=path), calling(addresses=addresses) as caller:
        with pytest.raises(UpstreamUnreachable):
            await caller.call()
