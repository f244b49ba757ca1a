"""An upstream that wants to break the proxy, or another user's call: one attack a test."""

import pytest

from tests.echo import Echo
from tests.product import Bff
from tests.wire import request, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

# RFC 9112 §7.1: what a lenient reader would take for chunks, and a strict one does not.
CHUNKS = {
    "size over 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "extension that ends in LF": b"5;a=b\nhello\r\n0\r\n\r\n",
    "line end in an extension": b'5;a="b\r\nc"\r\nhello\r\n0\r\n\r\n',
    "no size": b"\r\nhello\r\n0\r\n\r\n",
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


def names(count: int) -> list[bytes]:
    """So many names of headers, short ones."""
    return [b"%x" % number for number in range(count)]


@pytest.mark.parametrize(
    "lines",
    [b":\r\n".join([*names(26_000), b""]), b"a" * 70_000 + b": b\r\n", b"a: " + b"b" * 70_000 + b"\r\n"],
    ids=["headers", "name", "value"],
)
async def test_head_that_is_too_large_is_no_answer_and_breaks_nothing(bff: Bff, echo: Echo, lines: bytes):
    """The server's own table of headers has an end, and a worker that meets it dies with everybody's calls."""
    host, workers = bff.url.removeprefix("http://"), bff.worker_pids()
    echo.script(OK + lines + b"\r\nok")

    heard = await say(bff.port, request("POST", "/anonymous/x", host, "X-CSRF: 1", "Content-Length: 0"))

    assert [502] == heard.statuses
    assert b"upstream_unreachable" in heard.body
    assert workers == bff.worker_pids()


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
async def test_body_that_is_none_from_its_first_byte_is_an_error_of_ours(bff: Bff, echo: Echo, chunks: bytes):
    """Not one of the server's, which would be no problem document (RFC 9457), nor guarded as our answers are."""
    host = bff.url.removeprefix("http://")
    echo.script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)

    heard = await say(bff.port, request("GET", "/anonymous/x", host, "X-CSRF: 1"))

    assert [502] == heard.statuses
    assert b"upstream_unreachable" in heard.body
