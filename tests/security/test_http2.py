"""HTTP/2 without TLS, frame by frame: what a lenient translation to HTTP/1.1 would turn into something else."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.wire import request, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
MAX_HEADER_LIST_SIZE = 0x6  # a setting
SILENCE = 30.0  # seconds; every answer has an end, so nobody waits for so long
Fields = list[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def length(size: int) -> bytes:
    """A string's length as HPACK writes it, without Huffman coding (RFC 7541 §5.1)."""
    return bytes([size]) if size < 127 else bytes([127, (size - 127) % 128 | 128, (size - 127) // 128])


def packed(fields: Fields) -> bytes:
    """Literal fields that are never indexed (RFC 7541 §6.2.3)."""
    return b"".join(b"\x10" + length(len(n)) + n + length(len(v)) + v for n, v in fields)


def fields_of(
    bff: Bff, *further: tuple[bytes, bytes], method: bytes = b"GET", path: bytes = b"/anonymous/x"
) -> Fields:
    pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path)]
    return [*pseudo, (b":authority", bff.url.removeprefix("http://").encode()), (b"x-csrf", b"1"), *further]


async def send(
    bff: Bff, fields: Fields, body: bytes | None = None, *, packing: Callable[[Fields], bytes] = packed
) -> list[tuple[int, bytes]]:
    """One request on a connection of its own; the frames that come back, until it is over or silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bff.port)
    flags = END_HEADERS | (END_STREAM if body is None else 0)
    writer.write(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, flags, 1, packing(fields)))
    if body is not None:
        writer.write(frame(DATA, END_STREAM, 1, body))
    frames = []
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        while True:
            async with asyncio.timeout(SILENCE):
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == SETTINGS and not head[4] & ACK:
                writer.write(frame(SETTINGS, ACK, 0))
            frames.append((head[3], payload))
            over = head[3] in {HEADERS, DATA} and head[4] & END_STREAM
            if over or head[3] in {RST, GOAWAY}:
                break
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return frames


async def test_request_over_http2_is_served_like_any_other(bff: Bff, echo: Echo):
    """The authority is the host, cookies come in several fields, one clean request goes up (RFC 9113 §8.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
    cookie = f"__Host-bff={browser.session_cookie}".encode()
    further = [(b"cookie", b"a=b"), (b"cookie", cookie), (b"authorization", b"Bearer forged")]
    frames = await send(bff, fields_of(bff, *further, path=b"/echo/x?y=1"))

    (received,) = echo.requests
    assert b"GET /base/x?y=1 HTTP/1.1" == received.head.split(b"\r\n")[0]
    assert [b"127.0.0.1:%d" % echo.port] == received.all("host")
    (authorization,) = received.all("authorization")
    assert authorization.startswith(b"Bearer eyJ")
    assert ([], [b"127.0.0.1"]) == (received.all("cookie"), received.all("x-forwarded-for"))
    assert b"echo" in b"".join(payload for kind, payload in frames if kind == DATA)


# RFC 9113 §8.2 and §8.3: each is malformed, and would be dangerous as HTTP/1.1.
MALFORMED = {
    "line break in value": [(b"x-a", b"b\r\nx-injected: 1")],
    "line feed in value": [(b"x-a", b"b\nx-injected: 1")],
    "NUL in value": [(b"x-a", b"b\x00c")],
    "line break in name": [(b"x-a: b\r\nx-injected", b"1")],
    "colon in name": [(b"x-injected: 1", b"2")],
    "space in name": [(b"x injected", b"1")],
    "upper case name": [(b"X-Injected", b"1")],
    "transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "connection": [(b"connection", b"x-forwarded-for"), (b"x-injected", b"1")],
    "upgrade": [(b"upgrade", b"websocket"), (b"x-injected", b"1")],
    "te": [(b"te", b"gzip"), (b"x-injected", b"1")],
    "second path": [(b":path", b"/anonymous/x-injected")],
    "second authority": [(b":authority", b"x-injected.example")],
    "unknown pseudo-field": [(b":x-injected", b"1")],
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_fields_reach_no_api(bff: Bff, echo: Echo, name: str):
    """They are refused, or the connection-specific ones dropped; none becomes a header (RFC 9113 §8.2)."""
    await send(bff, fields_of(bff, *MALFORMED[name]))

    dropped_alone = name in {"connection", "upgrade", "te"}
    for received in echo.requests:
        assert dropped_alone or b"injected" not in received.head.lower()
        for hop in ("connection", "upgrade", "te", "transfer-encoding"):
            assert [] == received.all(hop)
        assert 1 == len(received.all("x-forwarded-for"))


@pytest.mark.parametrize(
    "path",
    [
        b"/anonymous/x HTTP/1.1\r\nx-injected: 1\r\n\r\n",
        b"/anonymous/x y",
        b"/anonymous/\x00",
        b"anonymous/x",
        b"/anonymous/../echo/x",
        b"//evil.example/anonymous/x",
        b"http://evil.example/anonymous/x",
        b"*",
        b"",
    ],
)
async def test_path_that_is_none_reaches_no_api(bff: Bff, echo: Echo, path: bytes):
    """The path of a frame is held to the same rules (RFC 9113 §8.3.1)."""
    await send(bff, fields_of(bff, path=path))

    assert all(received.head.startswith(b"GET /anonymous/x HTTP/1.1\r\n") for received in echo.requests)
    assert not any(b"injected" in received.head for received in echo.requests)


async def test_foreign_authority_is_not_served(bff: Bff, echo: Echo):
    """It is the host, as Host is in HTTP/1.1 (RFC 9113 §8.3.1)."""
    pseudo = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/anonymous/x")]
    await send(bff, [*pseudo, (b":authority", b"evil.example"), (b"x-csrf", b"1")])

    assert [] == echo.requests


async def test_header_list_has_an_end_whatever_it_is_packed_into(bff: Bff, echo: Echo):
    """4 KB of references to one field unpack to 16 MB: the server says that it takes no such list."""
    field = b"\x40" + length(1) + b"y" + length(4000) + b"v" * 4000  # with incremental indexing: reference 62
    references = b"\xbe" * 4000
    frames = await send(bff, fields_of(bff), packing=lambda fields: packed(fields) + field + references)

    settings = next(payload for kind, payload in frames if kind == SETTINGS and payload)
    told = {settings[at + 1]: int.from_bytes(settings[at + 2 : at + 6], "big") for at in range(0, len(settings), 6)}
    assert told[MAX_HEADER_LIST_SIZE] <= 64 * 1024
    assert [] == echo.requests
    assert b"problem" not in b"".join(payload for kind, payload in frames if kind == DATA)  # no worker unpacked it


@pytest.mark.parametrize("announced", [b"0", b"3", b"100"])
async def test_announced_length_that_does_not_fit_smuggles_nothing(bff: Bff, echo: Echo, announced: bytes):
    """H2.CL: the API never sees a body of another length than it was told (RFC 9113 §8.1.1)."""
    smuggled = b"GET /anonymous/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    await send(bff, fields_of(bff, (b"content-length", announced), method=b"POST"), smuggled)
    await say(bff.port, request("GET", "/anonymous/after", bff.url.removeprefix("http://"), "X-CSRF: 1"))

    assert not any(b"smuggled" in received.target for received in echo.requests)
    assert b"/anonymous/after" == echo.requests[-1].target
    assert not any(
        received.complete.is_set() and [announced] == received.all("content-length") and received.body != b""
        for received in echo.requests
        if received.method == b"POST"
    )
