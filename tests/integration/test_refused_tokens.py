"""An API says 401 to a token that we believed good: `bff run`, an issuer and an API on sockets of their own."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.echo import Echo
from tests.processes import ROOT
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually

pytestmark = pytest.mark.integration

REFUSED = (
    b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error="invalid_token"\r\nContent-Length: 2\r\n\r\nno'
)
STRONGER = (
    b"HTTP/1.1 401 Unauthorized\r\n"
    b'WWW-Authenticate: Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age=5\r\n'
    b"Content-Length: 2\r\n\r\nno"
)


@pytest.fixture(scope="module")
def hasty(world: World) -> Iterator[Bff]:
    """The product, in which no token is too young."""
    env = {"PYTHONPATH": str(ROOT)}
    with world.build(world.neg, program="tests.integration.hasty_server", env=env) as bff:
        yield bff


@pytest.fixture
async def browser(hasty: Bff, neg: NegIssuer, echo: Echo) -> AsyncIterator[Browser]:
    """Somebody who has signed in."""
    async with Browser(hasty) as browser:
        await browser.log_in()
        yield browser


def grants(neg: NegIssuer) -> int:
    """How many refresh grants the issuer has seen."""
    return neg.op.count("token", grant_type="refresh_token")


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b'{"title": "new"}')])
async def test_refused_token_is_renewed_once_and_the_call_repeated(
    browser: Browser, neg: NegIssuer, echo: Echo, method: str, body: bytes
):
    """RFC 6750 §3.1: the API sees the same request with the new token, the browser the second answer alone."""
    echo.script(REFUSED)
    answer = await browser.request(method, "/echo/x?a=1", content=body)
    first, second = echo.requests

    assert (200, "echo", 1) == (answer.status_code, answer.text, grants(neg))
    assert (first.method, first.target, first.body) == (second.method, second.target, second.body)
    assert body == bytes(second.body)
    assert first.all("authorization") != second.all("authorization")
    assert [1, 1] == [len(each.all("authorization")) for each in echo.requests]


async def test_refusal_that_stands_reaches_the_page_after_one_renewal(browser: Browser, neg: NegIssuer, echo: Echo):
    """The API's own answer; the session lives."""
    echo.always(REFUSED)
    answer = await browser.get("/echo/x")

    assert (401, "no", 1, 2) == (answer.status_code, answer.text, grants(neg), len(echo.requests))
    assert await browser.user() is not None


async def test_streamed_upload_is_not_repeated(browser: Browser, neg: NegIssuer, echo: Echo):
    """Its bytes are gone: the refusal is passed on, and the next call has the new token."""
    echo.script(REFUSED)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 50_000

    refused = await browser.request("PUT", "/echo/x", content=pieces())
    await eventually(lambda: 1 == grants(neg), "the renewal")
    first = echo.requests[0].all("authorization")

    async def is_renewed() -> bool:
        answer = await browser.get("/echo/x")
        return 200 == answer.status_code and first != echo.requests[-1].all("authorization")

    await eventually(is_renewed, "a call with the new token")

    assert (401, b"PUT", 1) == (refused.status_code, echo.requests[0].method, grants(neg))
    assert [b"GET"] * (len(echo.requests) - 1) == [each.method for each in echo.requests[1:]]


async def test_api_that_asks_for_a_stronger_login_is_heard(browser: Browser, neg: NegIssuer, echo: Echo):
    """RFC 9470 §3: the page learns what login takes; a renewal could not help, and none is made."""
    echo.script(STRONGER)
    answer = await browser.get("/echo/x")

    assert (401, "step_up_required") == told(answer)
    assert ("gold silver", 5) == (answer.json()["acr_values"], answer.json()["max_age"])
    assert (0, 1) == (grants(neg), len(echo.requests))
