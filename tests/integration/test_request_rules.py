"""The running product with headers by route, other origins, limits and compressed files, on real sockets."""

import asyncio
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.echo import Echo, answer, chunk
from tests.product import Bff, Browser
from tests.wire import request, say
from tests.world import World

pytestmark = pytest.mark.integration

ADMIN = "http://localhost:3999"  # another origin, and the same site as the product's http://localhost:PORT


def routes(echo: str) -> str:
    """What is tried here."""
    return f"""
[[api]]
path = "/told"
upstream = "{echo}/told"
request_headers.set = {{ "X-User" = "{{sub}}", "X-Mail" = "{{email}}", "X-Stage" = "prod" }}
request_headers.remove = ["X-Debug"]
response_headers = {{ set = {{ "X-Frame-Options" = "DENY" }}, remove = ["Server-Timing"] }}

[[api]]
path = "/shared"
upstream = "{echo}/shared"
cors = {{ origins = ["{ADMIN}"], credentials = true }}

[[api]]
path = "/free"
upstream = "{echo}/free"
token = "none"
"""


LIMITS = '[limits]\nper_session = "30/1h"\n'


@pytest.fixture(scope="module")
def ruled(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bff]:
    """A product with all of it."""
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "index.html").write_text("<script>boot()</script>")
    (folder / "main-B4dC0ffe.js").write_text("x" * 5000)
    (folder / "main-B4dC0ffe.js.gz").write_bytes(gzip.compress(b"x" * 5000))
    apis = routes(world.echo.url)
    server = "max_concurrent_requests = 2"
    port = world.port()
    with world.build(world.issuer, port=port, apis=apis, extra=LIMITS, server=server, spa=str(folder)) as bff:
        yield bff


def host_of(bff: Bff) -> str:
    return bff.url.removeprefix("http://")


async def test_claims_reach_the_api_and_forgeries_do_not(ruled: Bff, echo: Echo):
    """However the browser spells them (RFC 9700 §4.13)."""
    echo.always(answer("200 OK", "Server-Timing: db", "X-Frame-Options: ALLOWALL"))
    async with Browser(ruled) as browser:
        await browser.log_in()
        lines = ["X-CSRF: 1", f"Cookie: __Host-bff={browser.session_cookie}", "X-Debug: 1"]
        lines += ["X-User: root", "x-user: root", "X_User: root", "X-MAIL: root@x", "x_stage: root"]
        heard = await say(ruled.port, request("GET", "/told/x", host_of(ruled), *lines))

    (received,) = echo.requests
    assert ([b"alice"], [b"prod"], []) == tuple(received.all(name) for name in ("x-user", "x-stage", "x-debug"))
    assert 1 == len(received.all("x-mail"))
    assert b"root" not in received.head
    assert 1 == len(received.all("authorization"))
    assert b"server-timing" not in heard.data.lower()
    assert [b"DENY"] == re.findall(rb"(?i)x-frame-options: *(\w+)", heard.data)


async def test_named_origin_is_let_in_on_its_route_alone(ruled: Bff, echo: Echo):
    """Preflight answered here, the call passed on, other origins and routes refused (Fetch §3.2)."""
    asks = [f"Origin: {ADMIN}", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-csrf"]
    preflight = await say(ruled.port, request("OPTIONS", "/shared/x", host_of(ruled), *asks))
    elsewhere = await say(ruled.port, request("OPTIONS", "/told/x", host_of(ruled), *asks))
    asks[0] = "Origin: http://localhost:3998"
    foreign = await say(ruled.port, request("OPTIONS", "/shared/x", host_of(ruled), *asks))
    assert [] == echo.requests
    async with Browser(ruled) as browser:
        await browser.log_in()
        lines = [f"Cookie: __Host-bff={browser.session_cookie}", f"Origin: {ADMIN}", "Sec-Fetch-Site: same-site"]
        call = await say(ruled.port, request("PUT", "/shared/x", host_of(ruled), "X-CSRF: 1", *lines))
        bare = await say(ruled.port, request("PUT", "/shared/x", host_of(ruled), *lines))

    assert [[204], [403], [403]] == [heard.statuses for heard in (preflight, elsewhere, foreign)]
    assert b"access-control-allow-origin: " + ADMIN.encode() in preflight.data.lower()
    assert not any(b"access-control" in heard.data.lower() for heard in (elsewhere, foreign))
    assert ([200], [403]) == (call.statuses, bare.statuses)
    assert [b"PUT"] == [received.method for received in echo.requests]


async def test_session_over_its_rate_is_told_when_to_come_back(ruled: Bff, echo: Echo):
    """429 with Retry-After and RateLimit; another session and public routes go on (RFC 6585 §4)."""
    async with Browser(ruled) as browser, Browser(ruled) as other:
        await browser.log_in()
        await other.log_in()
        for _ in range(30):
            assert 200 == (await browser.get("/told/x")).status_code
        refused = await browser.get("/told/x")
        free = await browser.get("/free/x")
        others = await other.get("/told/x")

    assert (429, "too_many_requests") == (refused.status_code, refused.json()["code"])
    assert '"session";q=30;w=3600' == refused.headers["ratelimit-policy"]
    assert f'"session";r=0;t={refused.headers["retry-after"]}' == refused.headers["ratelimit"]
    assert (200, 200) == (free.status_code, others.status_code)


async def test_calls_over_the_number_of_places_are_refused(ruled: Bff, echo: Echo):
    """503 at once, and the places come back (RFC 9110 §15.6.4)."""
    echo.script(0.5, answer())
    echo.script(0.5, answer())
    async with Browser(ruled) as browser:
        held = [asyncio.create_task(browser.get("/free/slow")) for _ in range(2)]
        while len(echo.requests) < 2:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.01)
        busy = await browser.get("/free/x")
        done = [(await task).status_code for task in held]
        after = await browser.get("/free/x")

    assert (503, "server_busy", "1") == (busy.status_code, busy.json()["code"], busy.headers["retry-after"])
    assert ([200, 200], 200) == (done, after.status_code)


async def test_junk_callbacks_are_bounded(world: World):
    """Made-up codes cost an address its logins, and the provider nothing (RFC 9700 §4.2.4)."""
    limits = '[limits]\nlogins_per_address = "5/1h"\n'
    with world.build(world.issuer, port=world.port(), extra=limits) as bff:
        async with Browser(bff) as browser:
            statuses = [(await browser.navigate("/bff/callback?code=x&state=y")).status_code for _ in range(6)]
            login = await browser.navigate("/bff/login")
            user = await browser.get("/bff/user")

    assert [400] * 5 + [429] == statuses
    assert (429, 401) == (login.status_code, user.status_code)
    assert '"login";q=5;w=3600' == login.headers["ratelimit-policy"]


async def test_files_come_compressed_and_in_parts(ruled: Bff):
    """And the page's own script is in its policy."""
    async with Browser(ruled) as browser:
        page = await browser.navigate("/orders/7")
        script = await browser.get("/main-B4dC0ffe.js", headers={"Accept-Encoding": "gzip"})
        part = await browser.get("/main-B4dC0ffe.js", headers={"Accept-Encoding": "identity", "Range": "bytes=0-9"})
        missing = await browser.get("/orders/7", headers={"Sec-Fetch-Mode": "cors"})

    assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
    assert ("gzip", "Accept-Encoding", b"x" * 5000) == (
        script.headers["content-encoding"],
        script.headers["vary"],
        script.content,
    )
    assert (206, b"x" * 10, "bytes 0-9/5000") == (part.status_code, part.content, part.headers["content-range"])
    assert 404 == missing.status_code


# ── what HTTP carries ────────────────────────────────────────────────────────────────────────────────────────


async def test_trailers_are_dropped_both_ways(bff: Bff, echo: Echo):
    """Neither side is handed fields after the body, and the body is whole (RFC 9110 §6.5.1)."""
    host = host_of(bff)
    echo.script(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        chunk(b"down") + b"0\r\nX-Sum: 1\r\nX-Secret: t0psecret\r\n\r\n",
    )
    body = chunk(b"up") + b"0\r\nX-Sum: 2\r\nAuthorization: Bearer forged\r\n\r\n"
    lines = ["X-CSRF: 1", "Transfer-Encoding: chunked", "Trailer: X-Sum"]
    both = request("POST", "/anonymous/x", host, *lines, body=body) + request(
        "GET", "/anonymous/next", host, "X-CSRF: 1"
    )
    heard = await say(bff.port, both, answers=2)

    assert [200, 200] == heard.statuses
    assert [b"/anonymous/x", b"/anonymous/next"] == [received.target for received in echo.requests]
    first = echo.requests[0]
    assert (b"up", [], []) == (bytes(first.body), first.all("trailer"), first.all("x-sum"))
    assert b"forged" not in first.head
    assert b"down" in heard.data
    assert not any(word in heard.data.lower() for word in (b"x-sum", b"t0psecret", b"trailer:"))


@pytest.mark.parametrize("interim", ["103 Early Hints\r\nLink: </a.css>; rel=preload", "102 Processing"])
async def test_early_hints_are_ignored(bff: Bff, echo: Echo, interim: str):
    """The answer that counts is passed on, and it alone (RFC 8297 §2, RFC 9110 §15.2)."""
    echo.script(f"HTTP/1.1 {interim}\r\n\r\n".encode() * 3 + answer(body=b"done"))
    heard = await say(bff.port, request("GET", "/anonymous/x", host_of(bff), "X-CSRF: 1"))

    assert [200] == heard.statuses
    assert b"done" == heard.body
    assert b"preload" not in heard.data


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/bff/login", "GET, OPTIONS"),
        ("/bff/callback", "GET, OPTIONS"),
        ("/bff/user", "GET, OPTIONS"),
        ("/bff/logout", "GET, POST, OPTIONS"),
        ("/bff/backchannel-logout", "POST, OPTIONS"),
    ],
)
async def test_options_on_our_endpoints_has_our_headers(bff: Bff, path: str, allowed: str):
    """What it allows, nothing to another origin, and the headers of every answer of ours (RFC 9110 §9.3.7)."""
    lines = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"]
    heard = await say(bff.port, request("OPTIONS", path, host_of(bff), *lines))
    foreign = await say(bff.port, request("OPTIONS", path, "evil.example"))
    large = await say(bff.port, request("OPTIONS", path, host_of(bff), "X-Big: " + "x" * 40_000))
    told = heard.data.lower()

    assert ([204], [421], [431]) == (heard.statuses, foreign.statuses, large.statuses)
    assert f"allow: {allowed.lower()}\r\n".encode() in told
    for line in (b"x-content-type-options: nosniff", b"cache-control: no-store", b"referrer-policy: no-referrer"):
        assert line in told
    assert b"access-control" not in told


@pytest.mark.parametrize("path", ["/", "/app.js", "/bff/user", "/bff/login", "/bff/unknown", "/api/x", "/orders/7"])
@pytest.mark.parametrize("crowd", ["large", "many"])
async def test_header_limits_hold_wherever_a_request_goes(bff: Bff, path: str, crowd: str):
    """RFC 6585 §5, at the front door as well."""
    lines = ["X-Big: " + "x" * 40_000] if crowd == "large" else [f"X-{number}: y" for number in range(150)]
    heard = await say(bff.port, request("GET", path, host_of(bff), "X-CSRF: 1", *lines))

    assert [431] == heard.statuses or (path == "/bff/unknown" and [404] == heard.statuses)
