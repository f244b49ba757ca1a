"""An upstream that wants to break the proxy, or another user's call: one attack a test."""

import pytest

from tests.echo import Echo
from tests.product import Bff
from tests.wire import request, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

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
