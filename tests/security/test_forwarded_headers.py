"""What a browser may not tell the API, and an API may not tell the browser."""

import pytest

from tests.echo import Echo, answer
from tests.product import Bff, Browser
from tests.wire import request, say
from tests.world import World

pytestmark = [pytest.mark.integration, pytest.mark.security]


def host_of(bff: Bff) -> str:
    return bff.url.removeprefix("http://")


async def call(bff: Bff, browser: Browser, *lines: str | bytes, path: str = "/echo/x") -> bytes:
    """A GET of this browser's with these further header lines."""
    sent = ["X-CSRF: 1", f"Cookie: __Host-bff={browser.session_cookie}", *lines]
    return (await say(bff.port, request("GET", path, host_of(bff), *sent))).data


async def test_upstream_gets_exactly_one_authorization_and_it_is_ours(bff: Bff, echo: Echo):
    """The browser's own, in any number and spelling, is replaced (RFC 9110 §11.6.2, browser-based apps §6.1.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(
            bff,
            browser,
            "Authorization: Bearer forged",
            "authorization: Basic Zm9yZ2Vk",
            "AUTHORIZATION: Bearer forged",
            "Proxy-Authorization: Basic Zm9yZ2Vk",
            "DPoP: forged",
        )

    (received,) = echo.requests
    (authorization,) = received.all("authorization")
    assert authorization.startswith(b"Bearer eyJ")
    assert b"forged" not in received.head.lower()
    assert b"Zm9yZ2Vk" not in received.head


async def test_our_own_headers_stay_here(bff: Bff, echo: Echo):
    """Neither our cookie nor the CSRF header nor any other cookie is the API's business (browser-based apps §6)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, "Cookie: theme=dark; tracking=1")

    (received,) = echo.requests
    assert ([], []) == (received.all("cookie"), received.all("x-csrf"))
    assert browser.session_cookie.encode() not in received.head


async def test_only_the_named_cookies_pass_where_a_route_lets_them(bff: Bff, echo: Echo):
    """forward_cookies is an allow-list, and ours is never on it."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, "Cookie: theme=dark; tracking=1; Theme=x", path="/cookies/x")

    assert [[b"theme=dark"]] == [received.all("cookie") for received in echo.requests]


FORGED = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Ssl",
    "X-Forwarded",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-User",
    "X-Remote-User",
    "Remote-User",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "Via",
    "Proxy-Connection",
    "X-Request-Id",
    "Origin",
    "Referer",
    "TE",
    "Upgrade",
    "Keep-Alive",
    "HTTP2-Settings",
    "Trailer",
)


@pytest.mark.parametrize("spelling", ["as it is", "lower", "UPPER", "under_score"])
@pytest.mark.parametrize("name", FORGED)
async def test_forged_identity_and_routing_headers_never_pass(bff: Bff, echo: Echo, name: str, spelling: str):
    """However it is spelled: no API behind us can be told who or where its caller is (RFC 9700 §4.13)."""
    spelled = {
        "lower": name.lower(),
        "UPPER": name.upper(),
        "under_score": name.replace("-", "_", 1),
    }.get(spelling, name)
    value = bff.url if name == "Origin" else "sp00fed"
    lines = [f"{spelled}: {value}"] * (1 if name == "Origin" else 2)
    await say(bff.port, request("GET", "/anonymous/x", host_of(bff), "X-CSRF: 1", *lines))

    (received,) = echo.requests
    assert b"sp00fed" not in received.head
    assert bff.url.encode() not in received.head


async def test_upstream_is_told_who_calls_once_and_by_us(bff: Bff, echo: Echo):
    """One X-Forwarded-For, one Forwarded, our Via, our request id (RFC 7239, RFC 9110 §7.6.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        heard = await call(bff, browser, "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6")

    (received,) = echo.requests
    host = host_of(bff).encode()
    assert [b"127.0.0.1"] == received.all("x-forwarded-for")
    assert [b'for=127.0.0.1;host="%s";proto=http' % host] == received.all("forwarded")
    assert [host] == received.all("x-forwarded-host")
    assert [b"http"] == received.all("x-forwarded-proto")
    assert [b"1.1 bff"] == received.all("via")
    (request_id,) = received.all("x-request-id")
    assert b"x-request-id: " + request_id in heard
    assert [f"127.0.0.1:{echo.port}".encode()] == received.all("host")


async def test_trace_context_is_passed_on_or_begun(bff: Bff, echo: Echo):
    """A valid traceparent passes; a broken one is replaced (W3C Trace Context §4.3)."""
    valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, f"traceparent: {valid}")
        await call(bff, browser, "traceparent: 00-garbage\\x00-1-01")
        await call(bff, browser)

    first, second, third = (received.all("traceparent") for received in echo.requests)
    assert [valid.encode()] == first
    assert [55, 55] == [len(value) for value in (*second, *third)]


LISTED = (
    "authorization",
    "x-forwarded-for, forwarded, via",
    "cookie",
    "host",
    "x-request-id",
    "content-length",
    "close, x-thing",
)


@pytest.mark.parametrize("named", LISTED)
async def test_headers_that_the_browser_lists_in_connection_cannot_take_ours_away(bff: Bff, echo: Echo, named: str):
    """What it lists is dropped before we add our own (RFC 9110 §7.6.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await call(bff, browser, f"Connection: {named}", "X-Thing: 1")

    (received,) = echo.requests
    for name in ("authorization", "x-forwarded-for", "forwarded", "via", "x-request-id", "host"):
        assert 1 == len(received.all(name)), name
    assert ([] if "x-thing" in named else [b"1"]) == received.all("x-thing")
    assert [] == received.all("connection")


async def test_trusted_proxies_are_believed_about_the_browsers_address(world: World, echo: Echo):
    """Only from the networks that the configuration names, and only what they themselves saw (RFC 7239 §8.1)."""
    with world.build(
        world.issuer, port=world.port(), server='trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]'
    ) as bff:
        lines = ["X-CSRF: 1", "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3"]
        await say(bff.port, request("GET", "/anonymous/x", host_of(bff), *lines))
        await say(
            bff.port, request("GET", "/anonymous/x", "internal:1", *lines, f"X-Forwarded-Host: {host_of(bff)}")
        )
        foreign = await say(
            bff.port, request("GET", "/anonymous/x", host_of(bff), *lines, "X-Forwarded-Host: evil")
        )

    assert [[b"203.0.113.9"]] * 2 == [received.all("x-forwarded-for") for received in echo.requests]
    assert [421] == foreign.statuses


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_api_cannot_set_cookies_unless_its_route_says_so(bff: Bff, echo: Echo):
    """And never ours, nor one of a login (browser-based apps §6.1.3.2)."""
    cookies = (
        "Set-Cookie: theme=dark; Path=/",
        "Set-Cookie: __Host-bff=stolen; Path=/; Secure; HttpOnly",
        "Set-Cookie: __HOST-BFF=stolen; Path=/; Secure",
        "Set-Cookie: __Host-bff-login-abcdefghijkl=x; Path=/; Secure",
        "Set-Cookie:  __Host-bff =stolen",
        "Set-Cookie2: old=1",
        "Set-Cookie: lang=de",
    )
    echo.always(answer("200 OK", *cookies))
    async with Browser(bff) as browser:
        await browser.log_in()
        before = browser.session_cookie
        closed = await browser.get("/echo/x")
        opened = await browser.get("/cookies/x")

    assert [] == closed.headers.get_list("set-cookie")
    assert ["theme=dark; Path=/", "lang=de"] == opened.headers.get_list("set-cookie")
    assert before == browser.session_cookie


@pytest.mark.parametrize(
    "line",
    [
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Origin: https://evil.example",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Allow-Headers: x-csrf",
        "Access-Control-Allow-Methods: PUT",
        "Access-Control-Expose-Headers: x",
        "Access-Control-Max-Age: 86400",
        "Access-Control-Allow-Private-Network: true",
        'Clear-Site-Data: "*"',
        "Strict-Transport-Security: max-age=0",
        "Service-Worker-Allowed: /",
        'Alt-Svc: h3=":443"',
        "Refresh: 0;url=https://evil.example",
        "Content-Security-Policy: default-src *",
        "X-Frame-Options: ALLOWALL",
        "X-Content-Type-Options: none",
        "NEL: {}",
        "Report-To: {}",
        "Server: internal/1.2.3",
        "Via: 1.1 internal",
        "SourceMap: /x.map",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
        "Trailer: x",
    ],
)
async def test_api_cannot_speak_for_the_whole_origin(bff: Bff, echo: Echo, line: str):
    """Cross-origin policy, stored data, transport, workers and hops are ours (browser-based apps §6.1.3.3.2)."""
    echo.always(answer("200 OK", line))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x", headers={"Origin": bff.url})

    name, _, value = line.partition(": ")
    assert value not in done.headers.get_list(name)


async def test_headers_that_the_api_lists_in_connection_are_dropped(bff: Bff, echo: Echo):
    """In this direction too (RFC 9110 §7.6.1)."""
    echo.always(answer("200 OK", "Connection: x-internal", "X-Internal: secret", "X-Public: 1"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert (None, "1") == (done.headers.get("x-internal"), done.headers.get("x-public"))


@pytest.mark.parametrize("challenge", ["Basic realm=x", "basic realm=x", "Digest realm=x", "Negotiate", "NTLM"])
async def test_challenges_that_open_a_dialog_are_dropped(bff: Bff, echo: Echo, challenge: str):
    """No person is asked for a password on our origin by an API (RFC 9110 §11.6.1)."""
    echo.always(answer("401 Unauthorized", f"WWW-Authenticate: {challenge}", 'WWW-Authenticate: Bearer error="x"'))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert (401, ['Bearer error="x"']) == (done.status_code, done.headers.get_list("www-authenticate"))


async def test_html_of_an_api_runs_nothing_on_our_origin(bff: Bff, echo: Echo):
    """Somebody who opens an API's address as a page gets no script from it (RFC 9700 §4.16, ASVS 3.4.3)."""
    echo.always(answer("200 OK", "Content-Type: text/html", body=b"<script>fetch('/bff/user')</script>"))
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert "default-src 'none'; frame-ancestors 'none'" == done.headers["content-security-policy"]
    assert "nosniff" == done.headers["x-content-type-options"]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header: x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_malformed_answer_of_an_api_is_a_502(bff: Bff, echo: Echo, raw: bytes):
    """It is not passed on for the browser to make sense of (RFC 9110 §15.6.3)."""
    echo.always(raw, 0.2)
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.get("/echo/x")

    assert (502, "upstream_unreachable") == (done.status_code, done.json()["code"])


async def test_preflight_of_another_origin_is_approved_by_nobody(bff: Bff, echo: Echo):
    """OPTIONS from elsewhere gets no permission, whatever the API says (browser-based apps §6.1.3.3.2)."""
    echo.always(answer("204 No Content", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Headers: x-csrf"))
    lines = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"]
    heard = await say(
        bff.port, request("OPTIONS", "/echo/x", host_of(bff), *lines, "Access-Control-Request-Headers: x-csrf")
    )

    assert [403] == heard.statuses
    assert b"access-control" not in heard.data.lower()
    assert [] == echo.requests
