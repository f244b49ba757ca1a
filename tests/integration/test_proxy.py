"""What an upstream gets to see of a call, and a browser of the answer."""

import asyncio
import gzip
import time

import httpx
import pytest

from tests.echo import CUT, Echo, Gate, answer, chunk
from tests.product import Bff, Browser
from tests.wire import request, say
from tests.world import eventually

pytestmark = pytest.mark.integration

PATHS = (
    b"/",
    b"",
    b"/plain",
    b"/a/b/c/",
    b"/a//b",
    b"//",
    b"/with%20space",
    b"/caf%C3%A9",
    b"/UPPER%3alower%3A",
    b"/sub-delims!$&'()*+,;=:@",
    b"/matrix;a=1;b=2/x",
    b"/%F0%9F%98%80",
    b"/under_score~tilde-dash.dot",
    b"/..a/a../...",
    b"/.well-known/x",
    b"/a%2Bb+c",
    b"/100%25",
)
QUERIES = (
    b"",
    b"?",
    b"?a=1&a=2&b=",
    b"?b&a&&=&=x",
    b"?q=a+b%20c%2Bd",
    b"?path=/../..//x?y",
    b"?%C3%A9=%c3%a9",
    b"?json={%22a%22:[1]}",
    b"?next=https://evil.example/%2e%2e",
    b"?" + b"x" * 4000,
)


def host_of(bff: Bff) -> str:
    return bff.url.removeprefix("http://")


async def call(bff: Bff, browser: Browser, method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """A call of this browser's, written by hand."""
    sent = ["X-CSRF: 1", f"Cookie: __Host-bff={browser.session_cookie}", *lines]
    return (await say(bff.port, request(method, target, host_of(bff), *sent, body=body))).data


@pytest.mark.parametrize("path", PATHS)
async def test_path_travels_byte_for_byte(bff: Bff, echo: Echo, path: bytes):
    """Only the route's prefix is replaced, nothing decoded or tidied (RFC 9110 §7.7)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, "GET", "/echo" + path.decode("latin-1"))

    # A path that ends with the prefix goes to the upstream's own path.
    assert [b"/base" + path] == [received.target for received in echo.requests]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:20].decode())
async def test_query_travels_byte_for_byte(bff: Bff, echo: Echo, query: bytes):
    """Order, empty parts, plus signs and escapes are the API's business (RFC 9110 §7.7)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, "GET", "/echo/x" + query.decode("latin-1"))

    assert [b"/base/x" + (query if query != b"?" else b"")] == [received.target for received in echo.requests]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND"]
)
async def test_method_travels(bff: Bff, echo: Echo, method: str):
    """What is no attack is the API's to answer (RFC 9110 §9.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.request(method, "/echo/x")

    assert 200 == done.status_code
    assert [method.encode()] == [received.method for received in echo.requests]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT"])
async def test_trace_and_connect_go_nowhere(bff: Bff, echo: Echo, method: str):
    """TRACE would answer with our token; CONNECT would make a tunnel (RFC 9110 §9.3.6, §9.3.8)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        heard = await call(bff, browser, method, "/echo/x")

    assert [] == echo.requests
    assert heard.startswith(b"HTTP/1.1 405 "), heard
    assert b"\r\nallow: GET, HEAD, POST" in heard


async def test_small_body_travels_byte_for_byte(bff: Bff, echo: Echo):
    """With its type and its length."""
    body = bytes(range(256))
    async with Browser(bff) as browser:
        await browser.log_in()
        await browser.post("/echo/x", content=body, headers={"Content-Type": "application/x-thing; v=1"})

    (received,) = echo.requests
    assert (body, [b"256"], [b"application/x-thing; v=1"]) == (
        bytes(received.body),
        received.all("content-length"),
        received.all("content-type"),
    )


@pytest.mark.parametrize("length", [1, 65_536, 65_537, 1_000_000])
async def test_body_of_any_length_travels_whole(bff: Bff, echo: Echo, length: int):
    """Around the size from which bodies are streamed."""
    body = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/echo/x", content=body)

    assert 200 == done.status_code
    assert [body] == [bytes(received.body) for received in echo.requests]


async def test_empty_body_with_a_length_stays_one(bff: Bff, echo: Echo):
    """`Content-Length: 0` on POST says that there is a body and it is empty (RFC 9110 §8.6)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await browser.post("/echo/x", content=b"")

    assert [[b"0"]] == [received.all("content-length") for received in echo.requests]


async def test_upload_reaches_the_api_while_it_comes(bff: Bff, echo: Echo):
    """A chunked upload is passed on chunk by chunk."""
    more = asyncio.Event()

    async def pieces():
        yield b"first"
        await more.wait()
        yield b"second"

    async with Browser(bff) as browser:
        await browser.log_in()
        upload = asyncio.create_task(browser.post("/echo/x", content=pieces()))
        await eventually(lambda: echo.requests and echo.requests[0].body == b"first", "the first chunk")
        assert not upload.done()
        more.set()
        done = await upload

    assert 200 == done.status_code
    assert b"firstsecond" == bytes(echo.requests[0].body)


async def test_events_come_one_by_one(bff: Bff, echo: Echo):
    """Server-sent events are handed on as they come, not when the stream ends."""
    gates = [Gate(), Gate()]
    echo.script(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunk(b"data: 1\n\n"),
        gates[0],
        chunk(b"data: 2\n\n"),
        gates[1],
        b"0\r\n\r\n",
    )
    async with Browser(bff) as browser:
        await browser.log_in()
        async with browser.stream("GET", "/echo/events") as stream:
            events = stream.aiter_bytes()
            assert b"data: 1\n\n" == await anext(events)
            gates[0].open()
            assert b"data: 2\n\n" == await anext(events)
            gates[1].open()
            assert [] == [rest async for rest in events]


async def test_stream_of_the_demo_api_is_live(bff: Bff):
    """The same with the demo API's own stream."""
    async with Browser(bff) as browser:
        await browser.log_in()
        async with browser.stream("GET", "/api/stream?count=3") as stream:
            whole = await stream.aread()
        async with browser.stream("GET", "/api/stream") as stream:  # which has no end that it could be kept for
            first = await anext(stream.aiter_bytes())

    assert b'data: {"count": 1}\n\ndata: {"count": 2}\n\ndata: {"count": 3}\n\n' == whole
    assert first.startswith(b'data: {"count": 1}\n\n')


async def test_head_has_no_body_and_keeps_its_length(bff: Bff, echo: Echo):
    """HEAD tells what GET would bring (RFC 9110 §9.3.2)."""
    echo.script(b'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n')
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.request("HEAD", "/echo/x")

    assert (200, "1234", '"x"', b"") == (
        done.status_code,
        done.headers["content-length"],
        done.headers["etag"],
        done.content,
    )


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_answers_without_a_body_have_none(bff: Bff, echo: Echo, status: str):
    """And the next call on the same connection is not confused by it (RFC 9112 §6.3)."""
    echo.script(f'HTTP/1.1 {status}\r\nETag: "x"\r\n\r\n'.encode())
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x", headers={"If-None-Match": '"x"'})
        after = await browser.get("/echo/y")

    assert (int(status[:3]), b"", '"x"') == (done.status_code, done.content, done.headers["etag"])
    assert [b'"x"'] == echo.requests[0].all("if-none-match")
    assert b"echo" == after.content


@pytest.mark.parametrize("status", [200, 201, 206, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503, 599])
async def test_status_travels(bff: Bff, echo: Echo, status: int):
    """The API's own errors are its own: passed on with their bodies."""
    echo.always(answer(f"{status} Whatever", "Content-Type: application/json", "Retry-After: 7", body=b'{"a":1}'))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert (status, {"a": 1}, "7") == (done.status_code, done.json(), done.headers["retry-after"])


async def test_compressed_body_and_validators_travel_untouched(bff: Bff, echo: Echo):
    """Nothing is decoded or transformed (RFC 9110 §7.7)."""
    packed = gzip.compress(b"hello" * 100, mtime=0)
    echo.script(
        answer(
            "200 OK",
            "Content-Encoding: gzip",
            'ETag: "abc"',
            "Last-Modified: Tue, 24 Nov 2026 00:00:00 GMT",
            "Vary: Accept-Encoding",
            body=packed,
        )
    )
    async with Browser(bff) as browser:
        await browser.log_in()
        heard = await call(bff, browser, "GET", "/echo/x", "Accept-Encoding: gzip, br;q=0.5")

    assert heard.endswith(b"\r\n\r\n" + packed)
    assert b'etag: "abc"' in heard.lower()
    assert [b"gzip, br;q=0.5"] == echo.requests[0].all("accept-encoding")


async def test_ranges_and_conditions_travel(bff: Bff, echo: Echo):
    """They are between browser and API (RFC 9110 §13, §14)."""
    echo.script(answer("206 Partial Content", "Content-Range: bytes 0-3/10", "Accept-Ranges: bytes", body=b"0123"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x", headers={"Range": "bytes=0-3", "If-Range": '"v1"'})

    assert (206, "bytes 0-3/10") == (done.status_code, done.headers["content-range"])
    assert ([b"bytes=0-3"], [b'"v1"']) == (echo.requests[0].all("range"), echo.requests[0].all("if-range"))


async def test_repeated_headers_keep_their_order_both_ways(bff: Bff, echo: Echo):
    """They are neither merged nor sorted (RFC 9110 §5.3)."""
    echo.script(answer("200 OK", "Link: <1>", "X-A: 1", "Link: <2>", "Link: <3>"))
    async with Browser(bff) as browser:
        await browser.log_in()
        heard = await call(bff, browser, "GET", "/echo/x", "X-Thing: 1", "X-Thing: 2", "X-Other: o", "X-Thing: 3")

    assert [b"1", b"2", b"3"] == echo.requests[0].all("x-thing")
    lines = [line.partition(b":")[2].strip() for line in heard.split(b"\r\n") if line.lower().startswith(b"link:")]
    assert [b"<1>", b"<2>", b"<3>"] == lines


async def test_unknown_headers_travel_both_ways(bff: Bff, echo: Echo):
    """A proxy forwards what it does not know (RFC 9110 §5.1)."""
    echo.script(answer("200 OK", "X-Answer: caf\xe9".encode().decode("latin-1"), "Server-Timing: db;dur=5"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x", headers={"X-Question": "why", "Accept-Language": "de"})

    assert ([b"why"], [b"de"]) == (echo.requests[0].all("x-question"), echo.requests[0].all("accept-language"))
    assert "db;dur=5" == done.headers["server-timing"]


async def test_named_cookie_travels_byte_for_byte(bff: Bff, echo: Echo):
    """Scripts put anything into a cookie, and browsers send that as UTF-8; what is none is refused as elsewhere."""
    async with Browser(bff) as browser:
        await browser.log_in()
        for value in ("größe".encode(), b"\xe4"):
            cookies = f"Cookie: other=\xe4; __Host-bff={browser.session_cookie}; theme=".encode("latin-1") + value
            heard = await say(
                bff.port, request("GET", "/cookies/x", bff.url.removeprefix("http://"), "X-CSRF: 1", cookies)
            )

    assert ["theme=größe".encode()] == [cookie for sent in echo.requests for cookie in sent.all("cookie")]
    assert [400] == heard.statuses


async def test_answer_without_cache_rules_is_not_stored(bff: Bff, echo: Echo):
    """It was made for one user (RFC 9111 §3.5); what the API says itself stands."""
    echo.script(answer())
    echo.script(answer("200 OK", "Cache-Control: private, max-age=60"))
    async with Browser(bff) as browser:
        await browser.log_in()
        answers = [await browser.get("/echo/x"), await browser.get("/echo/y")]

    assert ["no-store", "private, max-age=60"] == [found.headers["cache-control"] for found in answers]


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("{upstream}/base/items/7", "/echo/items/7"),
        ("/base/items/7?x=1#y", "/echo/items/7?x=1#y"),
        ("{upstream}/base", "/echo"),
        ("items/7", "items/7"),
        ("?page=2", "?page=2"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("/based/x", "/based/x"),
    ],
)
async def test_location_at_the_upstream_becomes_one_here(bff: Bff, echo: Echo, location: str, seen: str):
    """Internal addresses do not leak, and a created thing can be found."""
    echo.script(answer("201 Created", f"Location: {location.format(upstream=echo.url)}"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/echo/items")

    assert seen == done.headers["location"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_passed_on_and_never_followed(bff: Bff, echo: Echo, status: int):
    """A token goes where the route says and nowhere else (RFC 9700 §4.9.3)."""
    echo.always(answer(f"{status} Moved", f"Location: {echo.url}/elsewhere"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert status == done.status_code
    assert 1 == len(echo.requests)


async def test_connections_to_the_upstream_are_kept(bff: Bff, echo: Echo):
    """Twenty calls one after the other need one connection."""
    async with Browser(bff) as browser:
        await browser.log_in()
        for _ in range(20):
            await browser.get("/echo/x")

    assert 1 == len({received.connection for received in echo.requests})


async def test_upstream_that_is_down_is_a_502(bff: Bff):
    """With the documented code, and the session unharmed."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/down/x")

        assert (502, "upstream_unreachable") == (done.status_code, done.json()["code"])
        assert await browser.user() is not None


async def test_upstream_that_is_slow_is_a_504(bff: Bff, echo: Echo):
    """After the route's own timeout."""
    echo.script(Gate())
    async with Browser(bff) as browser:
        await browser.log_in()
        begun = time.monotonic()
        done = await browser.get("/impatient/x")

    assert (504, "upstream_timeout") == (done.status_code, done.json()["code"])
    assert 0.4 < time.monotonic() - begun


async def test_upstream_that_hangs_up_is_a_502_and_post_is_not_sent_twice(bff: Bff, echo: Echo):
    """Nobody knows whether it was done, so nobody does it again (RFC 9110 §9.2.2)."""
    echo.script(CUT)
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/echo/x", content=b"once")

    assert (502, "upstream_unreachable") == (done.status_code, done.json()["code"])
    assert 1 == len(echo.requests)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_answer_that_breaks_off_never_looks_complete(bff: Bff, echo: Echo, framing: str):
    """The browser sees that something is missing (RFC 9112 §8)."""
    if framing == "length":
        echo.script(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0.05, CUT)
    else:
        echo.script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"half"), 0.05, CUT)
    async with Browser(bff) as browser:
        await browser.log_in()
        with pytest.raises(httpx.RemoteProtocolError):
            await browser.get("/echo/x")


async def test_upstream_is_let_go_when_the_browser_leaves(bff: Bff, echo: Echo):
    """Nothing is computed for nobody: the upstream's connection closes soon."""
    echo.script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"x"), Gate())
    async with Browser(bff) as browser:
        await browser.log_in()
        async with browser.stream("GET", "/echo/x") as stream:
            assert b"x" == await anext(stream.aiter_bytes())

        await eventually(echo.requests[0].hung_up.is_set, "the upstream's release")


async def test_upstream_is_let_go_when_the_browser_leaves_before_the_answer(bff: Bff, echo: Echo):
    """The same while the upstream is still thinking: at the latest after the route's timeout."""
    echo.script(Gate())
    async with Browser(bff) as browser:
        await browser.log_in()
        waiting = asyncio.create_task(browser.get("/impatient/x"))
        await eventually(lambda: echo.requests)
        waiting.cancel()

        await eventually(echo.requests[0].hung_up.is_set, "the upstream's release")


async def test_body_over_the_limit_is_a_413(bff: Bff, echo: Echo):
    """A declared size is refused before anything is sent."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/small/x", content=b"x" * 1025)

    assert (413, "body_too_large") == (done.status_code, done.json()["code"])
    assert [] == echo.requests


async def test_stream_over_the_limit_is_a_413_and_never_complete_upstream(bff: Bff, echo: Echo):
    """One that does not say its size is cut when it has passed the limit."""
    async with Browser(bff) as browser:
        await browser.log_in()
        heard = await call(
            bff,
            browser,
            "POST",
            "/small/x",
            "Transfer-Encoding: chunked",
            body=chunk(b"x" * 1000) + chunk(b"x" * 25),
        )

    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body_too_large"' in heard
    assert not any(received.complete.is_set() for received in echo.requests)


async def test_body_of_the_largest_size_passes(bff: Bff, echo: Echo):
    """The limit itself is allowed."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/small/x", content=b"x" * 1024)

    assert 200 == done.status_code


async def test_interim_answers_are_swallowed(bff: Bff, echo: Echo):
    """A 103 nobody asked for does not disturb the answer (RFC 9110 §15.2)."""
    echo.script(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", answer(body=b"done"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert (200, b"done") == (done.status_code, done.content)


async def test_expect_continue_is_answered_here(bff: Bff, echo: Echo):
    """A client that waits for 100 gets it, and the upstream gets the body (RFC 9110 §10.1.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
    head = request(
        "POST",
        "/echo/x",
        host_of(bff),
        "X-CSRF: 1",
        f"Cookie: __Host-bff={browser.session_cookie}",
        "Expect: 100-continue",
        "Content-Length: 4",
    )
    heard = await say(bff.port, head, b"body")

    assert 200 == heard.statuses[-1]
    assert b"body" == bytes(echo.requests[0].body)
    assert [] == echo.requests[0].all("expect")


async def test_http_1_0_clients_are_served(bff: Bff, echo: Echo):
    """By an answer that they can read, after which the connection ends."""
    async with Browser(bff) as browser:
        await browser.log_in()
    head = request("GET", "/echo/x", host_of(bff), "X-CSRF: 1", f"Cookie: __Host-bff={browser.session_cookie}")
    heard = await say(bff.port, head.replace(b"HTTP/1.1", b"HTTP/1.0"), answers=2)

    assert heard.data.startswith(b"HTTP/1.0 200")
    assert b"echo" == heard.body
    assert b"chunked" not in heard.data
    assert heard.closed
