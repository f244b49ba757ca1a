"""The product as it is deployed: nginx, Caddy and Traefik of deploy/, with TLS, in front of `bff run`."""

import asyncio
import contextlib
import re
import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from websockets.asyncio.client import connect

from bff.cli.checks.asking import Head
from bff.cli.checks.outcome import Status
from bff.cli.checks.public import assess_arrival
from bff.config.settings import KeysSettings, OidcSettings, Secret, Settings
from bff.crypto.key_ring import KeyRing
from bff.web.doctor import HEADER, seal_question
from tests.deployed_proxies import HOST, PERSON, Caddy, DeployedProxy, Nginx, Traefik
from tests.gateway_sites import wait_for_listener
from tests.product import Bff, Browser
from tests.servers import start_demo_api, start_issuer
from tests.socket_upstream import SocketUpstream
from tests.world import eventually

pytestmark = pytest.mark.integration

SETTINGS = Settings(f"https://{HOST}", OidcSettings("https://id.example", "spa"), keys=KeysSettings((Secret("k"),)))
MIB = 2**20
LIES = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "Forwarded": "for=6.6.6.6;host=evil.example",
}
ROUTES = """
[[api]]
path = "/api"
upstream = "{api}"

[[api]]
path = "/ws"
upstream = "{socket}"
websocket = true
"""


@dataclass
class Site:
    """All of it."""

    bff: Bff
    proxy: DeployedProxy
    upstream: SocketUpstream


@dataclass
class Product:
    """bff, where its WebSockets lead to, and how to have another one beside it."""

    bff: Bff
    socket: Path
    upstream: SocketUpstream
    start: Callable[[str], Bff]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """bff on its socket."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="behind-"))  # short: the path of a socket has 108 bytes
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        issuer = stack.enter_context(
            start_issuer(
                redirect_uris=[f"https://{HOST}/bff/callback"], post_logout_redirect_uris=[f"https://{HOST}/"]
            )
        )
        api = stack.enter_context(start_demo_api(issuer, DEMO_API_TICK="0.1"))
        upstream = stack.enter_context(SocketUpstream())
        keys = folder / "keys"
        keys.write_text(secrets.token_urlsafe(32))
        shared = SimpleNamespace(url=f"https://{HOST}", keys=keys, store=f"sqlite:///{folder}/sessions.db")

        def start(listen: str) -> Bff:
            with pytest.MonkeyPatch.context() as environment:
                if listen:
                    environment.setenv("BFF__SERVER__LISTEN", listen)
                return stack.enter_context(
                    Bff(
                        issuer,
                        api,
                        beside=shared,  # type: ignore[arg-type] - for its name, its keys and its store
                        apis=ROUTES.format(api=api.url, socket=upstream.url),
                        server=f'trusted_proxies = ["127.0.0.1"]\nmax_body_size = {2 * MIB}',
                        wait=not listen,
                    )
                )

        where = folder / "bff.sock"
        bff = start(f"unix:{where}")
        wait_for_listener(bff, f"unix:{where}")
        yield Product(bff, where, upstream, start)


@pytest.fixture(scope="module", params=[Nginx, Caddy, Traefik])
def site(request: pytest.FixtureRequest, product: Product) -> Iterator[Site]:
    """By TCP where the proxy knows no sockets."""
    bff = product.start("") if request.param is Traefik else product.bff
    with request.param(product.socket, bff.port, bff.management_port) as proxy:
        yield Site(bff, proxy, product.upstream)


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with Browser(site.bff) as browser:
        await browser.http.aclose()
        browser.http = site.proxy.client()
        yield browser


async def test_person_logs_in_and_calls_the_api(browser: Browser) -> None:
    """Redirects lead to the public name, the cookie is set and comes back."""
    landed = await browser.log_in("alice", return_to="/orders")
    answer = await browser.get("/api/whoami")

    assert "/orders" == landed.headers["location"].removeprefix(f"https://{HOST}")
    assert (200, "alice") == (answer.status_code, answer.json()["subject"])


async def test_answers_bring_security_headers_once(browser: Browser) -> None:
    """RFC 6797 §7.1: one field of Strict-Transport-Security, which is bff's."""
    await browser.log_in("alice")
    answer = await browser.get("/bff/user")

    assert 200 == answer.status_code
    for name in ("strict-transport-security", "x-content-type-options"):
        assert 1 == len(answer.headers.get_list(name)), name


async def test_audit_log_has_the_browsers_address(site: Site, browser: Browser) -> None:
    """The one that the proxy sees (OWASP ASVS 16.2.1), whatever the browser says of itself and of us."""
    await browser.log_in("alice")
    before = len(site.bff.audited("logout.done"))
    assert 200 == (await browser.get("/api/whoami", headers=LIES)).status_code
    await browser.post("/bff/logout", headers=LIES)
    await eventually(lambda: len(site.bff.audited("logout.done")) > before)  # written beside the request

    assert PERSON == site.bff.audited("logout.done")[-1]["address"]
    assert {PERSON} == set(re.findall(r'"address": ?"([^"]*)"', site.bff.audit.read_text()))


async def test_events_arrive_one_by_one(browser: Browser) -> None:
    """The stream has no end: a proxy that gathers it would hand nothing out."""
    await browser.log_in("alice")
    heard: list[str] = []
    async with asyncio.timeout(30), browser.stream("GET", "/api/stream") as stream:
        async for line in stream.aiter_lines():
            heard += [line] if line else []
            if len(heard) == 3:
                break

    assert [f'data: {{"count": {number}}}' for number in (1, 2, 3)] == heard


async def test_page_hears_of_its_logout(browser: Browser) -> None:
    """/bff/events is open, and ends with the session."""
    await browser.log_in("alice")
    async with asyncio.timeout(30), browser.stream("GET", "/bff/events") as stream:
        lines = stream.aiter_lines()
        first = await anext(lines)
        await browser.post("/bff/logout")
        heard = [first, *[line async for line in lines]]

    assert "event: session-ended" in heard


async def test_websocket_passes(site: Site, browser: Browser) -> None:
    """Both ways, and what it leads to hears the browser's address."""
    await browser.log_in("alice")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with connect(
        f"wss://{HOST}/ws/echo",
        host="127.0.0.1",
        port=site.proxy.port,
        local_addr=(PERSON, 0),
        ssl=site.proxy.trust(),
        origin=site.bff.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookies, **LIES, "traceparent": f"00-{'5' * 32}-{'6' * 16}-01"},
        proxy=None,
    ) as opened:
        await opened.send("is anybody there?")
        assert "is anybody there?" == await asyncio.wait_for(opened.recv(), 30)

    assert [PERSON] == site.upstream.opened[-1].all("x-forwarded-for")
    (trace,) = site.upstream.opened[-1].all("traceparent")
    assert "5" * 32 not in trace  # the proxy does not trace, and the browser does not decide what is traced


async def test_what_is_too_large_is_refused_by_bff(browser: Browser) -> None:
    """More than a proxy lets through by itself reaches bff; its limit is told of with a problem document."""
    await browser.log_in("alice")
    answer = await browser.post("/api/tasks", content=b"x" * (3 * MIB))

    assert (413, "application/problem+json") == (answer.status_code, answer.headers.get("content-type"))


async def test_path_reaches_bff_as_it_is(browser: Browser) -> None:
    """Dot segments are refused by bff, not resolved on the way; encoded slashes stay encoded."""
    await browser.log_in("alice")
    dots = await browser.get("/api/x/%2e%2e/whoami")

    assert (400, "application/problem+json") == (dots.status_code, dots.headers["content-type"])


async def test_doctor_finds_nothing_wrong_with_the_proxy(site: Site, browser: Browser) -> None:
    """Path, host and the browser's address arrive as they should, and a browser cannot make its address up."""
    path = "/bff/doctor/a%2fb%7e?c=%2F+%20"
    ring = KeyRing(site.bff.keys.read_text().split())
    headers = {HEADER: seal_question(ring, time.time()), "X-Forwarded-For": "203.0.113.77"}
    answer = await browser.http.get(path, headers=headers)

    told = {name.lower(): value for name, value in answer.headers.items()}
    outcomes = assess_arrival(Head(answer.status_code, told, answer.content), SETTINGS, path)
    assert [] == [str(outcome) for outcome in outcomes if outcome.status is not Status.OK]
    assert (PERSON, 4) == (answer.json()["address"], len(outcomes))


async def test_plain_http_leads_to_https(site: Site) -> None:
    """With path and query, and whatever the method is."""
    async with httpx.AsyncClient(verify=False) as plain:
        url = f"http://127.0.0.1:{site.proxy.plain_port}/a%2Fb?c=d"
        answer = await plain.get(url, headers={"Host": HOST})
        posted = await plain.post(url, headers={"Host": HOST})

    assert f"https://{HOST}/a%2Fb?c=d" == answer.headers["location"]
    # Traefik has 301 for GET, and 308 for what must stay what it is.
    assert (308, 308) == (posted.status_code, answer.status_code if not isinstance(site.proxy, Traefik) else 308)


async def test_other_names_get_no_answer(site: Site) -> None:
    """The handshake is refused, so that no other name is ever served."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|internal.error"):
        await asyncio.open_connection("127.0.0.1", site.proxy.port, ssl=context, server_hostname="evil.example")
