"""nginx, Caddy, Traefik and Envoy of deploy/ in gateway mode: they move the bytes, `bff run` decides."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from tests.deployed_proxies import HOST, PERSON
from tests.gateway_sites import Site, signed_in, visitor
from tests.product import Browser
from tests.world import eventually, until

pytestmark = pytest.mark.integration

MIB = 2**20


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with signed_in(site) as browser:
        yield browser


@pytest.fixture
async def stranger(site: Site) -> AsyncIterator[Browser]:
    """A browser without a session."""
    async with visitor(site) as browser:
        yield browser


def claims(authorization: str) -> dict[str, object]:
    part = authorization.removeprefix("Bearer ").split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


async def test_call_reaches_the_api_with_the_token(site: Site, browser: Browser) -> None:
    """Under the upstream's own path, with the user's token, who it is, and nothing of bff's."""
    answer = await browser.get("/api/orders/7?full=1")

    assert (200, "echo") == (answer.status_code, answer.text)
    assert b"/v1/orders/7?full=1" == site.seen()[-1].target
    assert "alice" == claims(site.last("authorization")[0])["sub"]
    assert ["alice"] == site.last("x-user")
    assert 1 == len(site.last("x-request-id"))
    assert [] == [name for name in ("cookie", "x-csrf", "x-bff-gateway") if site.last(name) not in ([], [""])]
    assert "no-store" == answer.headers.get("cache-control", "no-store")


async def test_call_without_a_session_is_refused(site: Site, stranger: Browser) -> None:
    """401 as a problem document, and nothing reaches the API."""
    answer = await stranger.get("/api/orders")

    assert (401, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert ("session_required", 401) == (answer.json()["code"], answer.json()["status"])
    assert 'Session realm="bff"' == answer.headers["www-authenticate"]
    assert [] == site.seen()


async def test_call_against_the_rules_is_refused(site: Site, browser: Browser) -> None:
    """403 with the reason, and an audit line with the browser's address."""
    answer = await browser.get("/api/orders/locked/x")
    await eventually(lambda: site.bff.audited("access.denied"), within=30)  # written beside the request
    line = site.bff.audited("access.denied")[-1]

    assert (403, "access_denied", "denied_by_rule") == (
        answer.status_code,
        answer.json()["code"],
        answer.json()["reason"],
    )
    assert ("/api/orders", "GET", "alice", PERSON) == tuple(
        line[name] for name in ("route", "method", "subject", "address")
    )
    assert [] == site.seen()


async def test_method_is_decided_on(site: Site, browser: Browser) -> None:
    """The browser's, not that of the question."""
    answer = await browser.delete("/api/orders/7")

    assert (403, "access_denied") == (answer.status_code, answer.json()["code"])
    assert [] == site.seen()


async def test_body_goes_through(site: Site, browser: Browser) -> None:
    """The question has none of it."""
    answer = await browser.post("/api/orders", content=b'{"item": 7}', headers={"Content-Type": "application/json"})

    assert 200 == answer.status_code
    assert (b"POST", b'{"item": 7}') == (site.seen()[-1].method, bytes(site.seen()[-1].body))


async def test_upload_goes_through(site: Site, browser: Browser) -> None:
    """Several MiB, in chunks, with nobody knowing the end."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    answer = await browser.request("PUT", "/api/orders/file", content=pieces())

    assert 200 == answer.status_code
    assert 4_000_000 <= len(site.seen()[-1].body)


async def test_apis_answer_passes(site: Site, browser: Browser) -> None:
    """Its own 403 is its own, and is not taken for ours; its cookies stay away."""
    body = b'{"of": "the API"}'
    site.orders.script(
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    answer = await browser.get("/api/orders/7")

    assert (403, {"of": "the API"}) == (answer.status_code, answer.json())
    assert "set-cookie" not in answer.headers


async def test_websocket_goes_through(site: Site, browser: Browser) -> None:
    """Both ways, opened with the user's token and without bff's cookie."""
    async with connect(
        f"wss://{HOST}/api/live/echo",
        host="127.0.0.1",
        port=site.gateway.port,
        ssl=site.trust(),
        origin=site.bff.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())},
        user_agent_header=browser.http.headers["User-Agent"],
        local_addr=(PERSON, 0),
        proxy=None,
        open_timeout=30,
    ) as opened:
        await opened.send("is anybody there?")
        assert "is anybody there?" == await asyncio.wait_for(opened.recv(), 30)

    handshake = site.live.opened[-1]
    assert "alice" == claims(handshake.all("authorization")[0])["sub"]
    assert [] == [value for value in handshake.all("cookie") if value]


async def test_expired_token_is_renewed_by_the_question(site: Site, stranger: Browser) -> None:
    """The browser notices nothing, and the API never sees the old token."""
    await site.issuer.set_lifetime(1)
    await stranger.log_in()
    await stranger.get("/api/orders/1")
    first = claims(site.last("authorization")[0])
    await site.issuer.reset()
    await until(float(str(first["exp"])) + 1.5)  # whole seconds: bff knows a later moment
    answer = await stranger.get("/api/orders/2")
    second = claims(site.last("authorization")[0])

    assert 200 == answer.status_code
    assert float(str(second["exp"])) > float(str(first["exp"]))
    assert first["jti"] != second["jti"]


async def test_logout_bites_at_once(site: Site, stranger: Browser) -> None:
    """The next question with the old cookie is answered with no."""
    await stranger.log_in("bob")
    cookies = dict(stranger.cookies)
    assert 200 == (await stranger.get("/api/orders")).status_code
    await stranger.post("/bff/logout")
    stranger.cookies.update(cookies)
    answer = await stranger.get("/api/orders")

    assert (401, "session_expired") == (answer.status_code, answer.json()["code"])
    assert 1 == len(site.seen())


async def test_damaged_cookie_is_taken_away(site: Site, stranger: Browser) -> None:
    """What bff says of it reaches the browser through the gateway."""
    stranger.cookies["__Host-bff"] = "nonsense"
    answer = await stranger.get("/api/orders")

    assert 401 == answer.status_code
    assert answer.headers["set-cookie"].startswith("__Host-bff=;")


async def test_navigation_leads_to_the_login_and_back(site: Site, stranger: Browser) -> None:
    """Where that is wanted; then the page comes."""
    sent_away = await stranger.navigate("/api/orders/pages/a?b=c")
    there = sent_away.headers["location"]
    callback = await stranger.sign_in((await stranger.navigate(there)).headers["location"])
    landed = await stranger.navigate(callback, cross_site=True)
    page = await stranger.navigate(landed.headers["location"], cross_site=True)

    assert 302 == sent_away.status_code
    assert f"https://{HOST}/bff/login?return_to=/api/orders/pages/a%3Fb%3Dc" == there
    assert (200, b"/v1/orders/pages/a?b=c") == (page.status_code, site.seen()[-1].target)


async def test_bff_that_is_away_lets_nothing_through(site: Site, browser: Browser) -> None:
    """No decision, no call."""
    site.bff.stop()
    try:
        answer = await browser.get("/api/orders")
        seen = list(site.seen())
    finally:
        site.restart_bff()

    assert {"nginx": 503, "caddy": 502, "traefik": 500, "envoy": 503}[site.gateway.kind] == answer.status_code
    assert [] == seen
    assert 200 == (await browser.get("/api/orders")).status_code
