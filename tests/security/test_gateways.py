"""Attacks on the product in gateway mode, through each gateway of deploy/: one attack a test."""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bff.proxy.head import BELIEVED
from tests.deployed_proxies import HOST, PERSON
from tests.gateway_sites import Site, signed_in
from tests.product import Browser
from tests.world import eventually

pytestmark = pytest.mark.integration

EVIL = "https://evil.example"
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
# What a browser could say of itself, or of its request, that an API or bff might believe.
LIES = {
    "Authorization": "Bearer forged",
    "X-User": "forged",
    "X-Roles": "forged",
    "X-Remote-User": "forged",
    "Remote-User": "forged",
    "X-Auth-User": "forged",
    "X-Forwarded-User": "forged",
    "X-Forwarded-Email": "forged",
    "X-Forwarded-Groups": "forged",
    "X-Forwarded-Preferred-Username": "forged",
    "X-Forwarded-Access-Token": "forged",
    "X-Auth-Request-User": "forged",
    "X-Auth-Request-Email": "forged",
    "X-Auth-Request-Groups": "forged",
    "X-HTTP-Method": "FORGED",
    "X-Method-Override": "FORGED",
    "X-Original-URL": "/forged",
    "X-Original-URI": "/forged",
    "X-Rewrite-URL": "/forged",
    "X-HTTP-Method-Override": "FORGED",
    "Client-Cert": "forged",
    "Client-Cert-Chain": "forged",
    "X-Real-IP": "forged",
    "X-Client-IP": "forged",
    "X-Cluster-Client-IP": "forged",
    "True-Client-IP": "forged",
    "CF-Connecting-IP": "forged",
    "X-Forwarded-Prefix": "/forged",
    "X-Forwarded-Ssl": "forged",
    "DPoP": "forged",
    "Forwarded": "for=forged",
    "X-BFF-Gateway": "forged",
    "X-Request-ID": "forged",
}
TWINS = ["X_User", "X-Remote_User", "x_roles", "Remote_User", "X_Original_URL", "X_Forwarded_Uri"]
# What gateways, bff and APIs are known to read in different ways (OWASP ASVS 4.2, RFC 3986 §6.2.2).
TRICKS = [
    "/api/orders/../orders/locked/x",
    "/api/orders/x/../locked/x",
    "/api/orders/%2e%2e/orders/locked/x",
    "/api/orders/x/%2E%2e/locked/x",
    "/api/orders/x/..%2flocked/x",
    "/api/orders/x%2f..%2flocked/x",
    "/api/orders//locked/x",
    "//api/orders/locked/x",
    "/api//orders/locked/x",
    "/api/orders/./locked/x",
    "/api/orders/%2e/locked/x",
    "/api/orders/%6cocked/x",
    "/api/orders/Locked/x",
    "/api/orders/locked%2fx",
    "/api/orders/locked;a=b/x",
    "/api/orders/x/..;/locked/x",
    "/api/orders/x\\..\\locked\\x",
    "/api/orders/x%5c..%5clocked%5cx",
    "/api/orders/x/%252e%252e/locked/x",
    "/api/orders/%00/../locked/x",
    "/api/orders/locked/x%20",
    "/api/orders/locked/x#y",
    "/api/orders/pages/../locked/x",
    "/api/orders/pages/%2e%2e/locked/x",
    "/api/live/../orders/locked/x",
    "/api/live/%2e%2e/orders/locked/x",
    "/bff/../api/orders/locked/x",
    "/assets/%2e%2e/api/orders/locked/x",
    "/API/orders/locked/x",
    "/api/%6frders/locked/x",
    "/api/ordersx/../orders/locked/x",
    f"https://{HOST}/api/orders/locked/x",
    f"http://{HOST}/api/orders/x/../locked/x",
    "/api/orders/x?/../../locked/x",
]


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with signed_in(site) as browser:
        yield browser


def lines_of(site: Site) -> list[bytes]:
    """The lines that have reached the API."""
    return [line for request in site.seen() for line in request.head.split(b"\r\n")]


def readings(target: bytes) -> set[str]:
    """Where lenient servers would find a path: decoded, with dots resolved, folded, in small letters."""
    path = target.decode("latin-1").partition("?")[0]
    found = set()
    for _ in range(4):
        kept: list[str] = []
        for segment in re.split(r"[/\\]", path):
            plain = segment.partition(";")[0].strip(" \0").lower()
            if plain == "..":
                kept = kept[:-1]
            elif plain not in {"", "."}:
                kept.append(plain)
        found.add("/" + "/".join(kept))
        path = unquote(path, encoding="latin-1")
    return found


@pytest.mark.parametrize("target", TRICKS)
async def test_no_spelling_of_a_path_gets_around_its_rule(site: Site, browser: Browser, target: str) -> None:
    """/api/orders/locked is denied to everybody: whatever reaches the API is not that, however the API reads it."""
    status, _ = await site.send(target, browser)
    arrived = [reading for request in site.seen() for reading in readings(request.target)]

    assert [] == [path for path in arrived if path.startswith(("/v1/orders/locked", "/api/orders/locked"))]
    assert status != 200 or arrived or not target.startswith("/api/orders/")


async def test_target_that_passes_is_the_one_decided_on(site: Site, browser: Browser) -> None:
    """Escapes arrive as they were sent, so that the API reads what bff has read."""
    status, _ = await site.send("/api/orders/a%20b/%C3%A4?q=%2e%2e%2f&r=a+b", browser)

    assert 200 == status
    assert b"/v1/orders/a%20b/%C3%A4?q=%2e%2e%2f&r=a+b" == site.seen()[-1].target


@pytest.mark.parametrize("rest", ["/a%2Fb", "/a%2fb%3Bc", "/a%25b"])
async def test_escape_is_handed_on_or_refused(site: Site, browser: Browser, rest: str) -> None:
    """A slash that was none for the rules is none for the API: an escape is never undone on the way."""
    status, _ = await site.send(f"/api/orders/pages{rest}", browser)  # no rule about paths refuses it first

    arrived = [request.target.decode().lower() for request in site.seen()]  # RFC 3986 §6.2.2.1: %2f is %2F
    assert (200, [f"/v1/orders/pages{rest}".lower()]) == (status, arrived) or (status >= 400 and not arrived)


def test_every_header_that_is_known_to_be_believed_is_tried() -> None:
    """But for those that every request needs: the cookie and X-CSRF."""
    tried = {name.lower().encode() for name in LIES}

    assert set() == BELIEVED - tried - {b"cookie", b"x-csrf"}


@pytest.mark.parametrize("name", LIES)
async def test_browsers_header_does_not_reach_the_api(site: Site, browser: Browser, name: str) -> None:
    """Neither from a user with a session, nor on a route that sets no headers."""
    for path in ("/api/orders/7", "/api/orders/pages/7"):
        await browser.get(path, headers={name: LIES[name]})

    assert 2 == len(site.seen())
    assert [] == [line for line in lines_of(site) if b"forged" in line.lower()]


@pytest.mark.parametrize(
    "upgrade", [{}, {"Connection": "Upgrade", "Upgrade": "websocket"}], ids=["plain", "upgrade"]
)
async def test_no_api_gives_the_browser_a_cookie(site: Site, browser: Browser, upgrade: dict[str, str]) -> None:
    """It could put a session of its own in the place of the user's, on a route for WebSockets as on any other."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    opening = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, "Origin": site.bff.url}
    answer = await browser.get("/api/live/refuse", headers=opening | upgrade)

    assert (418, None) == (answer.status_code, answer.headers.get("set-cookie"))


async def test_browser_does_not_decide_what_is_traced(site: Site, browser: Browser) -> None:
    """Its own trace, with the mark that it is to be written, neither reaches the API nor is gone on with by bff."""
    trace = "5" * 32
    await browser.get("/api/orders/7", headers={"traceparent": f"00-{trace}-{'6' * 16}-01", "tracestate": "a=b"})

    its_own = (trace.encode(), b"tracestate")
    assert [] == [line for line in lines_of(site) if any(mark in line.lower() for mark in its_own)]


@pytest.mark.parametrize("name", TWINS)
async def test_underscore_twin_does_not_reach_the_api(site: Site, browser: Browser, name: str) -> None:
    """WSGI and CGI servers read X_User as X-User (RFC 3875 §4.1.18)."""
    await browser.get("/api/orders/7", headers={name: "forged"})

    assert [] == [line for line in lines_of(site) if b"forged" in line.lower()]


@pytest.mark.parametrize(
    "lies",
    [
        {"X-Original-URI": "/api/orders/7"},
        {"X-Forwarded-Uri": "/api/orders/7"},
        {"X-Forwarded-Prefix": "/api/orders/7"},
        {"X-Original-URL": "/api/orders/7", "X-Rewrite-URL": "/api/orders/7"},
        {"X-Envoy-Original-Path": "/api/orders/7"},
    ],
    ids=lambda lies: next(iter(lies)),
)
async def test_browser_cannot_name_another_target(site: Site, browser: Browser, lies: dict[str, str]) -> None:
    """The one that is decided on is the gateway's word."""
    answer = await browser.get("/api/orders/locked/x", headers=lies)

    assert (403, []) == (answer.status_code, site.seen())


@pytest.mark.parametrize("name", ["X-Original-Method", "X-Forwarded-Method", "X-HTTP-Method-Override"])
async def test_browser_cannot_name_another_method(site: Site, browser: Browser, name: str) -> None:
    """DELETE is allowed to nobody."""
    answer = await browser.delete("/api/orders/7", headers={name: "GET"})

    assert (403, []) == (answer.status_code, site.seen())


async def test_browsers_own_token_is_none(site: Site) -> None:
    """Without a session there is no call, whatever it brings along."""
    site.orders.reset()
    async with site.gateway.client() as client:
        answer = await client.get("/api/orders", headers={"Authorization": "Bearer x", "X-CSRF": "1"})

    assert (401, []) == (answer.status_code, site.seen())


@pytest.mark.parametrize(
    "path", ["/bff/authorize", "/bff/authorize/api/orders/7", "/bff/%61uthorize", "//bff/authorize"]
)
async def test_browser_gets_no_token_by_asking_itself(site: Site, browser: Browser, path: str) -> None:
    """Browser-based apps §6.1: no token ever reaches the browser."""
    asked = {
        "X-Original-Method": "GET", "X-Original-URI": "/api/orders/7", "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/api/orders/7", "X-Forwarded-Host": HOST, "X-BFF-Gateway": "guessed",
    }  # fmt: skip
    status, answer = await site.send(path, browser, headers=asked)

    assert 400 <= status < 500
    assert not TOKEN.search(answer.decode("latin-1"))
    assert b"uthorization" not in answer


async def test_nobody_gets_a_token_around_the_gateway(site: Site, browser: Browser) -> None:
    """Who reaches bff itself has still to know the secret."""
    asked = {
        "Cookie": f"__Host-bff={browser.session_cookie}", "X-CSRF": "1",
        "User-Agent": browser.http.headers["User-Agent"], "X-Original-Method": "GET",
        "X-Original-URI": "/api/orders/7", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/api/orders/7",
        "X-Forwarded-Host": HOST, "X-Forwarded-For": PERSON,
    }  # fmt: skip
    path = "/bff/authorize/api/orders/7" if site.gateway.kind == "envoy" else "/bff/authorize"
    async with site.direct() as client:
        refused = await client.get(path, headers=asked)
        granted = await client.get(path, headers={**asked, "X-BFF-Gateway": site.secret})

    assert (403, "not_the_gateway") == (refused.status_code, refused.json()["code"])
    assert not TOKEN.search(str(refused.headers))
    assert (200, True) == (granted.status_code, bool(TOKEN.search(granted.headers["authorization"])))


async def test_neither_token_nor_secret_reaches_the_browser(site: Site, browser: Browser) -> None:
    """In no answer, allowed or refused."""
    await browser.get("/api/orders/7")
    await browser.get("/api/orders/locked/7")
    await browser.get("/api/orders/7", csrf=False)
    await browser.get("/api/live/x")
    await browser.get("/nothing")
    told = "".join(f"{answer.headers} {answer.text}" for answer in browser.answers[-5:])

    assert not TOKEN.search(told)
    assert site.secret not in told


async def test_secret_does_not_reach_the_api(site: Site, browser: Browser) -> None:
    """An API that knew it could have any user's token."""
    await browser.get("/api/orders/7")

    assert site.secret.encode() not in site.seen()[-1].head
    assert b"__Host-bff" not in site.seen()[-1].head


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}], ids=["bare", "origin", "site"]
)
async def test_other_sites_call_is_refused(site: Site, browser: Browser, headers: dict[str, str]) -> None:
    """The session's cookie comes along; without the header, or with another Origin, it is no call of ours."""
    extra = {**headers, **({"X-CSRF": "1"} if headers else {})}
    answer = await browser.request("POST", "/api/orders", csrf=False, headers=extra, content=b"x")

    assert (403, []) == (answer.status_code, site.seen())
    assert answer.json()["code"] in {"csrf_header_required", "cross_site_request"}


async def test_upgrade_is_no_way_around_the_csrf_rule(site: Site, browser: Browser) -> None:
    """What pretends to be a WebSocket is held to the exact Origin (RFC 6455 §10.2)."""
    opening = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Origin": EVIL}
    answer = await browser.request("GET", "/api/orders/7", csrf=False, headers=opening)

    assert 400 <= answer.status_code < 500
    assert [] == site.seen()


@pytest.mark.parametrize("origin", [EVIL, None, f"https://{HOST}.evil.example"])
async def test_other_site_opens_no_websocket(site: Site, browser: Browser, origin: str | None) -> None:
    """Browsers send the cookie along, and ask no leave (RFC 6455 §10.2)."""
    before = len(site.live.opened)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"wss://{HOST}/api/live/echo",
            host="127.0.0.1",
            port=site.gateway.port,
            ssl=site.trust(),
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())},
            user_agent_header=browser.http.headers["User-Agent"],
            local_addr=(PERSON, 0),
            proxy=None,
            open_timeout=30,
        ):
            await asyncio.sleep(0)

    assert 403 == refused.value.response.status_code
    assert before == len(site.live.opened)


async def test_browser_cannot_choose_its_address(site: Site, browser: Browser) -> None:
    """Rules by network and the audit log go by the address that the gateway sees (OWASP ASVS 16.2.1)."""
    before = len(site.bff.audited("access.denied"))
    lies = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    await browser.get("/api/orders/locked/x", headers=lies)
    await eventually(lambda: len(site.bff.audited("access.denied")) > before, within=30)

    assert PERSON == site.bff.audited("access.denied")[-1]["address"]


@pytest.mark.parametrize(
    "name", ["Authorization", "X-User", "X-Roles", "X-Request-ID", "X-Forwarded-For", "Cookie", "X-CSRF"]
)
async def test_browser_cannot_have_a_header_dropped(site: Site, browser: Browser, name: str) -> None:
    """RFC 9110 §7.6.1: what Connection names ends at the next hop, so that an API would miss who calls."""
    status, _ = await site.send("/api/orders/7", browser, headers={"Connection": f"close, {name}"})

    assert (200, 1) == (status, len(site.seen())) or (status >= 400 and not site.seen())
    if site.seen():
        assert ["alice"] == site.last("x-user")
        assert site.last("x-roles") and site.last("authorization") and site.last("x-request-id")


async def test_browser_cannot_have_its_address_dropped(site: Site, browser: Browser) -> None:
    """A rule by network would go by the gateway's."""
    before = len(site.bff.audited("access.denied"))
    lies = {"Connection": "close, X-Forwarded-For", "X-Forwarded-For": "6.6.6.6"}
    status, _ = await site.send("/api/orders/locked/x", browser, headers=lies)
    if status == 403:
        await eventually(lambda: len(site.bff.audited("access.denied")) > before, within=30)
    denied = site.bff.audited("access.denied")[before:]

    assert {line["address"] for line in denied} <= {PERSON}
    assert [] == site.seen()


async def test_copied_cookie_does_not_work_elsewhere(site: Site, browser: Browser) -> None:
    """Where sessions are bound to their browser, bff hears through the gateway which one it is."""
    status, answer = await site.send("/api/orders/7", browser, headers={"User-Agent": "Thief/1.0"})

    assert (401, True, []) == (status, b"session_elsewhere" in answer, site.seen())
    assert 200 == (await browser.get("/api/orders/7")).status_code


async def test_other_host_gets_nothing(site: Site, browser: Browser) -> None:
    """RFC 9110 §7.4."""
    _, answer = await site.send("/api/orders/7", browser, headers={"X-Forwarded-Host": "evil.example"})
    async with site.gateway.client() as client:
        cookie = {"Cookie": f"__Host-bff={browser.session_cookie}", "X-CSRF": "1", "Host": "evil.example"}
        other = await client.get("/api/orders/8", headers=cookie)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 1 == len(site.seen())
    assert 200 != other.status_code or other.text == ""
