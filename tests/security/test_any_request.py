"""Whatever a browser sends, on real sockets: the API sees a path below its prefix and one Authorization, ours."""

import asyncio
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.proxy.head import _DROPPED, _DROPPED_PREFIXES
from tests.echo import Echo
from tests.product import Bff, Browser
from tests.wire import Heard, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

# What paths are made of that were ever used to leave a prefix, and anything else.
PIECES = st.one_of(
    st.sampled_from([b"/", b"//", b"..", b".", b"%2e", b"%2E%2e", b"%2f", b"%252e", b"%5c", b"\\", b";", b"..;"]),
    st.sampled_from(
        [b"%00", b"%c0%ae", b"%", b"echo", b"base", b"admin", b"x", b"%20", b"+", b"@", b":", b"#", b"?"]
    ),
    st.binary(min_size=1, max_size=4),
)
TAILS = st.lists(PIECES, max_size=8).map(b"".join).filter(lambda tail: not set(tail) & set(b"\r\n "))
FRAMING = {b"transfer-encoding", b"content-length", b"expect"}  # a body that never comes would only take time
NAMES = st.one_of(
    st.sampled_from(sorted(_DROPPED - FRAMING) + [prefix + b"x" for prefix in _DROPPED_PREFIXES]),
    st.sampled_from([b"Authorization", b"AUTHORIZATION", b"Author\xc4\xb1zation", b"X_Forwarded_For"]),
    st.text("abcdefXYZ-_", min_size=1, max_size=10).map(str.encode),
)
VALUES = st.one_of(
    st.sampled_from([b"Bearer forged", b"authorization", b"chunked", b"0", b"close, authorization", b"1"]),
    st.binary(max_size=12).filter(lambda value: not set(value) & set(b"\r\n")),
)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=5)
OURS = {b"host", b"authorization", b"forwarded", b"via", b"x-request-id", b"traceparent", b"content-length"}
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"PROPFIND", b"get", b"TRACE"])

_ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")


def readings(target: bytes) -> list[bytes]:
    """The path as readers may understand it: as it is, and decoded once, twice and three times."""
    found = [target.partition(b"?")[0]]
    for _ in range(3):
        found.append(_ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), found[-1]))
    return found


async def send(bff: Bff, cookie: str, method: bytes, tail: bytes, lines: list[tuple[bytes, bytes]]) -> Heard:
    """One request, byte for byte."""
    host = bff.url.removeprefix("http://").encode()
    head = [method + b" /echo" + tail + b" HTTP/1.1", b"Host: " + host, b"X-CSRF: 1", b"Connection: close"]
    head.append(b"Cookie: __Host-bff=" + cookie.encode())
    head += [name + b": " + value for name, value in lines]
    return await say(bff.port, b"\r\n".join(head) + b"\r\n\r\n", within=5.0)


async def signed_in(bff: Bff) -> str:
    """The cookie of a new session."""
    async with Browser(bff) as browser:
        await browser.log_in()
        return browser.session_cookie or ""


def test_api_sees_a_path_below_its_prefix_and_one_authorization(bff: Bff, echo: Echo):
    """RFC 9110 §7.6.1 and §7.7, OWASP ASVS 4.1.3 and 4.2, browser-based apps §6.1.3.6."""
    with asyncio.Runner() as runner:
        cookie = runner.run(signed_in(bff))
        passed = 0

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(METHODS, TAILS, LINES)
        def try_one(method: bytes, tail: bytes, lines: list[tuple[bytes, bytes]]) -> None:
            nonlocal passed
            echo.requests.clear()
            heard = runner.run(send(bff, cookie, method, tail, lines))

            assert not {500, 502} & set(heard.statuses), heard.data
            assert len(echo.requests) <= 1
            for received in echo.requests:
                passed += 1
                assert method == received.method
                for reading in readings(received.target):
                    assert re.match(rb"/base(?:/|\Z)", reading), received.target
                    assert not re.search(rb"(?:/|\\|\A)\.\.?(?:/|\\|;|\Z)", reading), received.target
                (authorization,) = received.all("authorization")
                assert authorization.startswith(b"Bearer eyJ")
                assert set() == {name for name, _ in received.headers} & (_DROPPED - OURS)
                assert [] == received.all("cookie")
                assert cookie.encode() not in received.head
                assert not any(b"_" in name for name, _ in received.headers)
                for name in ("host", "x-forwarded-for", "forwarded", "x-request-id", "via", "traceparent"):
                    assert 1 == len(received.all(name)), name

        try_one()

    assert passed > 10  # not everything was refused
