"""The product in gateway mode, whole: a gateway with TLS, bff that decides, an API that remembers."""

import asyncio
import contextlib
import secrets
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.deployed_proxies import HOST, PERSON
from tests.echo import Echo, Received
from tests.gateways import CaddyGateway, EnvoyGateway, Gateway, NginxGateway, Places, TraefikGateway
from tests.processes import ServerFailed, reserve_port
from tests.product import Bff, Browser
from tests.servers import Issuer, start_issuer
from tests.socket_upstream import SocketUpstream

KINDS = [NginxGateway, CaddyGateway, TraefikGateway, EnvoyGateway]
ROUTES = """
[[api]]
path = "/api/orders"
request_headers = { set = { X-User = "{sub}", X-Roles = "{roles}" } }
allow = [
  { path = "/locked/**", deny = true },
  { methods = ["GET", "HEAD", "POST", "PUT"] },
]

[[api]]
path = "/api/orders/pages"
csrf = "off"
allow = [{ methods = ["GET", "HEAD"] }]

[[api]]
path = "/api/live"
websocket = true
"""

GATEWAY = """
[gateway]
kind = "{kind}"
secrets = [{{ file = "{file}" }}]
login_redirect = true
"""


@dataclass
class Site:
    """All of it."""

    bff: Bff
    issuer: Issuer
    gateway: Gateway
    orders: Echo
    live: SocketUpstream
    secret: str
    listen: str  # bff's address
    cookies: dict[str, str] = field(default_factory=dict)  # of a login that tests share

    def trust(self) -> ssl.SSLContext:
        return self.gateway.trust()

    def direct(self) -> httpx.AsyncClient:
        """What gets around the gateway, to bff itself."""
        if self.gateway.over_tcp:
            return httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{self.bff.port}", headers={"Host": HOST}, verify=False
            )
        transport = httpx.AsyncHTTPTransport(uds=str(self.gateway._places.bff_socket))
        return httpx.AsyncClient(base_url=f"http://{HOST}", transport=transport)

    async def send(
        self, target: str, browser: Browser, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Sends a target byte for byte, which no client would; returns the status and all that came."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.gateway.port, ssl=self.trust(), server_hostname=HOST, local_addr=(PERSON, 0)
        )
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        sent = {
            "Host": HOST,
            "Cookie": cookies,
            "User-Agent": browser.http.headers["User-Agent"],  # that of the login, which the session is bound to
            "X-CSRF": "1",
            "Connection": "close",
            **(headers or {}),
        }
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(30):
                answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0, answer

    def restart_bff(self) -> None:
        """Starts it again, where and as it was."""
        with _listening(self.listen):
            self.bff.start()
        wait_for_listener(self.bff, self.listen)

    def seen(self) -> list[Received]:
        """What has come to the API."""
        return self.orders.requests

    def last(self, name: str) -> list[str]:
        """A header of the last request that came to the API."""
        return [value.decode() for value in self.seen()[-1].all(name)]


@contextlib.contextmanager
def start_site(kind: type[Gateway], issuer: Issuer, orders: Echo, live: SocketUpstream) -> Iterator[Site]:
    """A bff that this kind of gateway asks, and the gateway."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="gw-"))  # short: the path of a socket has 108 bytes
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        keys = folder / "keys"
        keys.write_text(secrets.token_urlsafe(32))
        secret, file = secrets.token_urlsafe(32), folder / "gateway.secret"
        file.write_text(secret)
        file.chmod(0o600)
        shared = SimpleNamespace(url=f"https://{HOST}", keys=keys, store=f"sqlite:///{folder}/sessions.db")
        where, port = folder / "bff.sock", reserve_port()
        listen = f"127.0.0.1:{port}" if kind.over_tcp else f"unix:{where}"
        with _listening(listen):
            bff = stack.enter_context(
                Bff(
                    issuer,
                    None,
                    port=port,
                    beside=shared,  # type: ignore[arg-type] - for its name, its keys and its store
                    apis=ROUTES,
                    server='trusted_proxies = ["127.0.0.1"]',
                    session='same_site = "lax"\nrenew_ahead = "0s"\nbinding = "enforce"',
                    extra=GATEWAY.format(kind=kind.kind, file=file),
                    wait=False,
                )
            )
        wait_for_listener(bff, listen)
        places = Places(None if kind.over_tcp else where, port, orders.port, live.port, secret)
        gateway = stack.enter_context(kind(places))
        yield Site(bff, issuer, gateway, orders, live, secret, listen)


@contextlib.contextmanager
def start_around() -> Iterator[tuple[Issuer, Echo, SocketUpstream]]:
    """What all of them share: an issuer, and what lies behind the gateways."""
    uris = {"redirect_uris": [f"https://{HOST}/bff/callback"], "post_logout_redirect_uris": [f"https://{HOST}/"]}
    with start_issuer(**uris) as issuer, Echo() as orders, SocketUpstream() as live:
        yield issuer, orders, live


@contextlib.asynccontextmanager
async def visitor(site: Site) -> AsyncIterator[Browser]:
    """A browser before the gateway, without a session."""
    site.orders.reset()
    async with Browser(site.bff) as browser:
        await browser.http.aclose()
        browser.http = site.gateway.client()
        yield browser


@contextlib.asynccontextmanager
async def signed_in(site: Site) -> AsyncIterator[Browser]:
    """A browser with a session, which is the same one for all that do not end it."""
    async with visitor(site) as browser:
        if not site.cookies:
            await browser.log_in()
            site.cookies.update(browser.cookies)
        browser.cookies.update(site.cookies)
        yield browser


@pytest.fixture(scope="module")
def around() -> Iterator[tuple[Issuer, Echo, SocketUpstream]]:
    with start_around() as around:
        yield around


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.kind)
def site(request: pytest.FixtureRequest, around: tuple[Issuer, Echo, SocketUpstream]) -> Iterator[Site]:
    """Each of the gateways, with all of it, for the tests of a file."""
    kind: type[Gateway] = request.param
    with start_site(kind, *around) as site:
        yield site


@contextlib.contextmanager
def _listening(where: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BFF__SERVER__LISTEN", where)
        yield


def wait_for_listener(bff: Bff, listen: str) -> None:
    """Returns once it takes connections at `host:port` or `unix:` and a path; raises `ServerFailed`."""
    deadline = time.monotonic() + 60
    is_socket = listen.startswith("unix:")
    family = socket.AF_UNIX if is_socket else socket.AF_INET
    host, _, port = listen.rpartition(":")
    address = listen.removeprefix("unix:") if is_socket else (host, int(port))
    while time.monotonic() < deadline and bff.process.is_running:
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.connect(address)
            return
        time.sleep(0.02)
    raise ServerFailed(f"bff did not get ready:\n{bff.output()}")
