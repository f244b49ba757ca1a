"""Requests that two servers would cut apart differently."""

import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.wire import ALL, request, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

INNER = b"GET /anonymous/smuggled HTTP/1.1\r\nHost: %s\r\nX-CSRF: 1\r\n\r\n"
FRAMED = b"POST /anonymous/outer HTTP/1.1\r\nHost: %s\r\nX-CSRF: 1\r\n"

# RFC 9112 §5, §6.1, §6.3 and §7.1: each of these is invalid, and says two different lengths to a lenient reader.
AMBIGUOUS = {
    "CL.TE": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "CL.CL": b"Content-Length: 0\r\nContent-Length: 90\r\n\r\n",
    "CL list": b"Content-Length: 0, 90\r\n\r\n",
    "CL plus": b"Content-Length: +0\r\n\r\n",
    "CL minus": b"Content-Length: -1\r\n\r\n",
    "CL hex": b"Content-Length: 0x0\r\n\r\n",
    "CL empty": b"Content-Length: \r\n\r\n",
    "CL words": b"Content-Length: zero\r\n\r\n",
    "CL huge": b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "CL space": b"Content-Length : 0\r\n\r\n",
    "TE xchunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE identity": b"Transfer-Encoding: identity\r\n\r\n",
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "TE not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "TE space": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE folded": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "TE quoted": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "folded": b"X-A: b\r\n Content-Length: 5\r\n\r\n",
    "name with space": b"X A: b\r\n\r\n",
    "name with control": b"X\x01A: b\r\n\r\n",
    "empty name": b": b\r\n\r\n",
    "no colon": b"Nonsense\r\n\r\n",
    "NUL in value": b"X-A: a\x00b\r\n\r\n",
    "bare CR in value": b"X-A: a\rContent-Length: 5\r\n\r\n",
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
    "huge chunk": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "chunk with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk longer than said": b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    "LF chunk lines": b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_ambiguous_framing_smuggles_nothing(bff: Bff, echo: Echo, name: str):
    """What follows an ambiguous request on its connection is never taken for a second one (RFC 9112 §11.2)."""
    host = bff.url.removeprefix("http://").encode()
    heard = await say(bff.port, FRAMED % host + AMBIGUOUS[name] + INNER % host, answers=ALL)

    assert not any(b"smuggled" in received.target for received in echo.requests) or heard.statuses == [200, 200]
    assert len(echo.requests) <= max(1, len(heard.statuses))
    assert 500 not in heard.statuses
    for received in echo.requests:
        assert len(received.all("content-length")) + len(received.all("transfer-encoding")) <= 1
        assert b"smuggled" not in bytes(received.body)


REFUSED = ("CL.CL", "CL list", "CL plus", "CL minus", "CL hex", "CL words", "CL huge", "CL space", "TE space")
REFUSED += ("TE xchunked", "TE not last", "TE vertical tab", "name with space", "name with control", "empty name")
REFUSED += ("no colon", "NUL in value", "bad chunk size", "negative chunk", "huge chunk", "chunk with 0x")


@pytest.mark.parametrize("name", REFUSED)
async def test_invalid_framing_is_refused_and_the_connection_closed(bff: Bff, echo: Echo, name: str):
    """400, nothing after it is read, and no API sees a whole request (RFC 9112 §6.3, §7.1)."""
    host = bff.url.removeprefix("http://").encode()
    heard = await say(bff.port, FRAMED % host + AMBIGUOUS[name] + INNER % host, answers=ALL, quiet=30.0)

    assert heard.statuses in ([400], [431], [413], []), heard.data
    assert heard.closed
    assert not any(received.complete.is_set() for received in echo.requests)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"Host: localhost", b"Host: evil.example"),
        (b"Host: evil.example", b"Host: localhost"),
        (b"Host: localhost:1 evil.example",),
        (b"Host : localhost",),
    ],
)
async def test_missing_repeated_or_broken_host_is_refused(bff: Bff, echo: Echo, lines: tuple[bytes, ...]):
    """RFC 9112 §3.2."""
    own = bff.url.removeprefix("http://").encode()
    head = b"\r\n".join((b"GET /anonymous/x HTTP/1.1", *lines, b"X-CSRF: 1", b"Connection: close", b"", b""))
    heard = await say(bff.port, head.replace(b"Host: localhost\r\n", b"Host: " + own + b"\r\n"))

    assert heard.statuses in ([400], [421]), heard.data
    assert [] == echo.requests


@pytest.mark.parametrize(
    "first",
    [
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"GET /anonymous/x\r\n\r\n",
        b"GET /anonymous/x HTTP/0.9\r\n\r\n",
        b"GET /anonymous/x HTTP/1.2\r\nHost: localhost\r\n\r\n",
        b"G ET /anonymous/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"A" * 5000 + b" /anonymous/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"\r\n\r\n\r\n",
    ],
    ids=["http2", "no version", "http0.9", "http1.2", "method with space", "huge method", "tls", "nul", "empty"],
)
async def test_other_protocols_and_broken_request_lines_reach_nobody(bff: Bff, echo: Echo, first: bytes):
    """They are refused or cut off, and the server goes on (RFC 9112 §3)."""
    heard = await say(bff.port, first, answers=ALL, within=0.5)

    assert not set(heard.statuses) & {200, 500}
    assert [] == echo.requests
    after = await say(bff.port, request("GET", "/anonymous/y", bff.url.removeprefix("http://"), "X-CSRF: 1"))
    assert [200] == after.statuses


async def test_pipelined_requests_are_answered_in_order_and_apart(bff: Bff, echo: Echo):
    """Two requests in one write are two requests (RFC 9112 §9.3.2)."""
    host = bff.url.removeprefix("http://")
    two = request("GET", "/anonymous/1", host, "X-CSRF: 1") + request("GET", "/anonymous/2", host, "X-CSRF: 1")
    heard = await say(bff.port, two, answers=2)

    assert [200, 200] == heard.statuses
    assert [b"/anonymous/1", b"/anonymous/2"] == [received.target for received in echo.requests]


async def test_refused_body_is_not_read_as_the_next_request(bff: Bff, echo: Echo):
    """An early 403 on a POST does not turn its body into a request (RFC 9112 §9.3)."""
    host = bff.url.removeprefix("http://")
    body = INNER % host.encode()
    refused = request("POST", "/anonymous/x", host, f"Content-Length: {len(body)}", body=body)
    heard = await say(bff.port, refused, answers=ALL)

    assert [403] == heard.statuses
    assert [] == echo.requests


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
async def test_upgrades_are_not_passed_on(bff: Bff, echo: Echo, upgrade: str):
    """No tunnel to an API is opened by a plain route (RFC 9110 §7.8)."""
    lines = ["X-CSRF: 1", f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    heard = await say(bff.port, request("GET", "/anonymous/x", bff.url.removeprefix("http://"), *lines))

    assert 101 not in heard.statuses
    for received in echo.requests:
        assert ([], [], []) == tuple(received.all(name) for name in ("upgrade", "connection", "http2-settings"))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["X-Big: " + "x" * 40_000], 431),
        ([f"X-{number}: y" for number in range(150)], 431),
        (["X-Big: " + "x" * 200_000], 431),
    ],
    ids=["large", "many", "huge"],
)
async def test_header_section_over_the_limits_is_a_431(bff: Bff, echo: Echo, lines: list[str], status: int):
    """RFC 6585 §5."""
    sent = request("GET", "/anonymous/x", bff.url.removeprefix("http://"), "X-CSRF: 1", *lines)
    heard = await say(bff.port, sent)

    assert [status] == heard.statuses
    assert [] == echo.requests


async def test_body_on_get_is_framed_and_passed_or_refused(bff: Bff, echo: Echo):
    """It is never left on the connection for the next request (RFC 9110 §9.3.1)."""
    host = bff.url.removeprefix("http://")
    body = INNER % host.encode()
    async with Browser(bff):
        both = request("GET", "/anonymous/a", host, "X-CSRF: 1", f"Content-Length: {len(body)}", body=body)
        await say(bff.port, both + request("GET", "/anonymous/b", host, "X-CSRF: 1"), answers=2)

    assert [b"/anonymous/a", b"/anonymous/b"] == [received.target for received in echo.requests]
