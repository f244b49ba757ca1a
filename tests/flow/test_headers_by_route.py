"""Headers that routes set and remove, and calls from pages of other origins."""

from dataclasses import replace

import pytest

from bff.config.header_templates import parse_header_template
from bff.config.settings import (
    ApiSettings,
    CorsSettings,
    Csrf,
    RequestHeaderSettings,
    ResponseHeaderSettings,
    TokenKind,
)
from tests.fake_upstream import Given
from tests.internet import ORIGIN, World, make_settings

UPSTREAM = "http://upstream.test"
ADMIN = "https://admin.test"
EVIL = "https://evil.test"
ASKS = {"origin": ADMIN, "access-control-request-method": "DELETE", "access-control-request-headers": "x-csrf"}


def headers(**templates: str) -> RequestHeaderSettings:
    """Headers to set; an underscore stands for a hyphen."""
    parsed = {name.replace("_", "-"): parse_header_template(text) for name, text in templates.items()}
    return RequestHeaderSettings(parsed, remove=("X-Debug",))


@pytest.fixture
async def world():
    """Routes that change headers, and some that others may call."""
    told = headers(X_User="{sub}", X_Roles="{roles}", X_Nick="{nickname}", X_Stage="prod")
    routes = (
        ApiSettings("/api", f"{UPSTREAM}/v1"),
        ApiSettings("/told", f"{UPSTREAM}/told", token=TokenKind.USER_OPTIONAL, request_headers=told),
        ApiSettings(
            "/down",
            f"{UPSTREAM}/down",
            response_headers=ResponseHeaderSettings(
                {"X-Frame-Options": "DENY", "Content-Security-Policy": "sandbox"},
                ("Server-Timing", "Cache-Control"),
            ),
        ),
        ApiSettings("/shared", f"{UPSTREAM}/shared", cors=CorsSettings((ADMIN,), credentials=True)),
        ApiSettings("/files", f"{UPSTREAM}/files", csrf=Csrf.ORIGIN, cors=CorsSettings((ADMIN,), credentials=True)),
        ApiSettings("/open", f"{UPSTREAM}/open", token=TokenKind.USER_OPTIONAL, cors=CorsSettings((ADMIN,))),
        ApiSettings("/free", f"{UPSTREAM}/free", token=TokenKind.NONE, csrf=Csrf.OFF, cors=CorsSettings((ADMIN,))),
    )
    async with World(settings=replace(make_settings(), api=routes)) as world:
        yield world


@pytest.fixture
async def browser(world):
    """A signed-in one."""
    browser = world.browser()
    await browser.log_in()
    return browser


# ── by route ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_claims_go_up_and_what_the_browser_made_up_does_not(world, browser):
    """The upstream can believe every header of ours, also the one that this user has no claim for."""
    forged = {
        "X-User": "evil",
        "x-roles": "admin",
        "X-Nick": "evil",
        "x_user": "evil",
        "X-Debug": "1",
        "X-Mine": "1",
    }
    await browser.get("/told", headers=forged)

    (sent,) = world.upstream.seen
    assert ["alice"] == sent.header("x-user")
    assert [[], [], [], ["prod"], ["1"]] == [
        sent.header(name) for name in ("x-nick", "x_user", "x-debug", "x-stage", "x-mine")
    ]
    assert "admin" not in sent.header("x-roles")[0]
    assert 1 == len(sent.header("authorization"))


async def test_nobody_has_no_claims(world):
    """Where a session is optional, headers made of claims are absent without one."""
    await world.browser().get("/told", headers={"x-user": "evil"})

    (sent,) = world.upstream.seen
    assert [[], [], ["prod"]] == [sent.header(name) for name in ("x-user", "x-roles", "x-stage")]


async def test_answers_come_down_as_the_route_says(world, browser):
    """What is removed counts as never sent: the answer is then not cached (RFC 9111 §3.5)."""
    world.upstream.script(
        Given(
            headers=[
                (b"server-timing", b"db;dur=9"),
                (b"cache-control", b"public"),
                (b"x-frame-options", b"ALLOWALL"),
                (b"x-kept", b"1"),
            ]
        )
    )
    answer = await browser.get("/down")

    assert ("1", None, "no-store", "DENY", "sandbox") == tuple(
        answer.header(name)
        for name in ("x-kept", "server-timing", "cache-control", "x-frame-options", "content-security-policy")
    )


# ── other origins ────────────────────────────────────────────────────────────────────────────────────────


def permissions(answer) -> dict[str, str | None]:
    """Every Access-Control header of an answer."""
    return {name.decode(): value.decode() for name, value in answer.headers if name.startswith(b"access-control-")}


async def test_preflight_is_answered_here(world):
    """With what the route allows, without a session, and no API hears of it (Fetch §3.2.2)."""
    answer = await world.browser().request("OPTIONS", "/shared/x", headers=ASKS, csrf=False)

    assert (204, b"") == (answer.status, answer.body)
    assert {
        "access-control-allow-origin": ADMIN,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "Content-Type, X-CSRF",
        "access-control-max-age": "600",
    } == permissions(answer)
    assert "Origin" == answer.header("vary")
    assert [] == world.upstream.seen


@pytest.mark.parametrize(
    "origin", [EVIL, "null", ADMIN + ".evil.test", "http://admin.test", ADMIN + ":8443", ORIGIN]
)
@pytest.mark.parametrize("path", ["/shared/x", "/free/x"])
async def test_preflight_of_another_origin_is_refused(world, origin, path):
    """Origins are compared to the letter (browser-based apps §6.1.3.3.2)."""
    answer = await world.browser().request("OPTIONS", path, headers={**ASKS, "origin": origin}, csrf=False)

    assert (403, {}, "Origin") == (answer.status, permissions(answer), answer.header("vary"))
    assert [] == world.upstream.seen


async def test_preflight_for_another_route_is_refused(world):
    """The origin is admitted on just the routes that name it."""
    answer = await world.browser().request("OPTIONS", "/api/x", headers=ASKS, csrf=False)

    assert (403, {}, []) == (answer.status, permissions(answer), world.upstream.seen)


@pytest.mark.parametrize("path", ["/shared/x", "/files/x"])
async def test_named_origin_calls_with_the_session(world, browser, path):
    """A sibling's page, for which the browser says same-site, may use the API and read the answer."""
    world.upstream.script(
        Given(
            headers=[
                (b"access-control-allow-origin", b"*"),
                (b"access-control-allow-headers", b"x-evil"),
                (b"vary", b"Accept"),
            ]
        )
    )
    answer = await browser.get(path, headers={"origin": ADMIN, "sec-fetch-site": "same-site"})

    assert 200 == answer.status
    assert {
        "access-control-allow-origin": ADMIN,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy",
    } == permissions(answer)
    assert [b"Accept", b"Origin"] == [value for name, value in answer.headers if name == b"vary"]
    assert 1 == len(world.upstream.seen[0].header("authorization"))


@pytest.mark.parametrize("path", ["/shared/x", "/files/x"])
async def test_named_origin_needs_the_csrf_header_as_well(world, browser, path):
    """Without it a form of that origin's could act without a preflight; the refusal can be read."""
    answer = await browser.post(path, headers={"origin": ADMIN, "sec-fetch-site": "same-site"}, csrf=False)

    assert (403, "csrf_header_required") == (answer.status, answer.code)
    assert ADMIN == answer.header("access-control-allow-origin")
    assert [] == world.upstream.seen


@pytest.mark.parametrize("path", ["/api/x", "/shared/x", "/files/x", "/bff/user"])
@pytest.mark.parametrize("origin", [EVIL, "null", ADMIN])
async def test_other_origins_and_other_routes_stay_refused(world, browser, path, origin):
    """Even with the header, even with the session."""
    if origin == ADMIN and path in {"/shared/x", "/files/x"}:
        return
    answer = await browser.get(path, headers={"origin": origin, "sec-fetch-site": "cross-site"})

    assert (403, "cross_site_request", {}) == (answer.status, answer.code, permissions(answer))
    assert [] == world.upstream.seen


async def test_two_origins_are_none(world, browser):
    """Whoever sends two is no browser."""
    answer = await browser.request("GET", "/shared", headers={"origin": ADMIN, "Origin": EVIL})

    assert (403, {}) == (answer.status, permissions(answer))


async def test_refusal_can_be_read_by_the_named_origin(world):
    """So that its page can send the user to log in."""
    answer = await world.browser().get("/shared", headers={"origin": ADMIN})

    assert (401, "session_required", ADMIN) == (
        answer.status,
        answer.code,
        answer.header("access-control-allow-origin"),
    )


async def test_call_without_credentials_is_one_of_nobody(world, browser):
    """Cookies that came along all the same do not count; our own pages' still do."""
    answer = await browser.get("/open", headers={"origin": ADMIN})
    await browser.get("/open", headers={"origin": ORIGIN})

    assert {"access-control-allow-origin", "access-control-expose-headers"} == set(permissions(answer))
    assert [0, 1] == [len(sent.header("authorization")) for sent in world.upstream.seen]


async def test_our_own_pages_notice_nothing_but_vary(world, browser):
    """And no cache mixes the answers up (RFC 9110 §12.5.5)."""
    answer = await browser.get("/shared", headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})

    assert (200, {}, "Origin") == (answer.status, permissions(answer), answer.header("vary"))


async def test_options_that_asks_for_nothing_goes_to_the_api(world, browser):
    """Only a preflight is ours; OPTIONS itself is the API's to answer."""
    answer = await browser.request("OPTIONS", "/shared", headers={"origin": ADMIN})

    assert (200, ["OPTIONS"]) == (answer.status, [sent.method for sent in world.upstream.seen])
