"""The product itself, as a new user would start it: `bff run` with a file, before a real issuer and a real API.

async with start_product(issuer, api) as bff, Browser(bff) as browser:
    await browser.log_in("alice")
    assert 200 == (await browser.get("/api/whoami")).status_code
"""

import contextlib
import re
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tests.processes import ROOT, ServerFailed, ServerProcess, reserve_port
from tests.servers import Server
from tests.sign_in import sign_in

START_TIMEOUT = 30.0


class Bff(Server):
    """One `bff run`. `url` is the public origin; restarting keeps address, keys and store."""

    def __init__(
        self,
        issuer: Any,
        api: Any,
        *,
        port: int | None = None,
        workers: int = 1,
        store: str | None = None,
        extra: str = "",
        apis: str | None = None,
        server: str = "",
        oidc: str = "",
        session: str = "",
        tokens: str = "",
        spa: str | None = None,
        wait: bool = True,
    ) -> None:
        self.port = port or reserve_port()
        self.management_port = reserve_port()
        self.url = f"http://localhost:{self.port}"
        self.management_url = f"http://127.0.0.1:{self.management_port}"
        self.folder = Path(tempfile.mkdtemp(prefix="bff-test-"))
        self.audit = self.folder / "audit.jsonl"
        self.keys = self.folder / "bff.keys"
        self.keys.write_text(secrets.token_urlsafe(32) + "\n")
        self.keys.chmod(0o600)
        self.store = store or f"sqlite:///{self.folder / 'sessions.db'}"
        self.config = self.folder / "bff.toml"
        self._wait = wait
        audience = getattr(issuer, "audience", "https://api.example")
        routes = (
            apis
            or f"""
[[api]]
path = "/api"
upstream = "{api.url if api is not None else "http://127.0.0.1:9"}"
"""
        )
        spa_table = f'[spa]\ndirectory = "{spa}"\n' if spa else ""
        self.config.write_text(f"""
public_url = "{self.url}"

[server]
listen = "127.0.0.1:{self.port}"
management_listen = "127.0.0.1:{self.management_port}"
workers = {workers}
shutdown_timeout = "5s"
{server}

[oidc]
issuer = "{issuer.url}"
client_id = "{issuer.client_id}"
client_secret = {{ env = "TEST_CLIENT_SECRET" }}
scopes = ["openid", "profile", "email", "offline_access"]
{oidc}

[session]
store = "{self.store}"
{session}

[keys]
secrets = [{{ file = "bff.keys" }}]

[tokens]
access_token_audience = ["{audience}"]
{tokens}

[audit]
sink = "file:{self.audit}"

[log]
format = "json"
{routes}
{spa_table}
{extra}
""")
        self._env = {"TEST_CLIENT_SECRET": issuer.client_secret or ""}
        self.start()

    def start(self) -> None:
        self.process = ServerProcess(
            [
                sys.executable,
                "-c",
                "import sys,pathlib;from bff.config import load_config;from bff.cli.run import run;p=pathlib.Path(sys.argv[1]);run(load_config(p),p)",
                str(self.config),
            ],
            env=self._env,
            cwd=self.folder,
        )
        if self._wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Returns once the public listener answers."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if not self.process.is_running:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5) as probe:
                probe.sendall(
                    b"GET /bff/user HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n" % self.port
                )
                probe.settimeout(5.0)
                if probe.recv(12).startswith(b"HTTP/1.1 "):
                    return
            time.sleep(0.02)
        raise ServerFailed(f"bff did not get ready:\n{self.process.output}")

    def output(self) -> str:
        """Everything that the server has printed."""
        return self.process.output

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_product(issuer: Any, api: Any, **options: Any) -> Bff:
    """Starts `bff run`; ready when it returns. Options: see `Bff`."""
    return Bff(issuer, api, **options)


def redirect_uris(port: int) -> dict[str, list[str]]:
    """What the issuer must know of a BFF on this port; hand it to `start_issuer`."""
    return {
        "redirect_uris": [f"http://localhost:{port}/bff/callback"],
        "post_logout_redirect_uris": [f"http://localhost:{port}/"],
    }


class Browser:
    """A person's browser over plain HTTP: one cookie jar for the BFF, another for the issuer."""

    def __init__(self, bff: Any, *, base_url: str | None = None) -> None:
        self.bff = bff
        self.base_url = base_url or bff.url
        port = urlsplit(self.base_url).port
        # Loopback names resolve to IPv6 too; the server listens on one address.
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Host": urlsplit(self.base_url).netloc},
            timeout=30.0,
            follow_redirects=False,
        )
        self.issuer = httpx.AsyncClient(timeout=30.0, follow_redirects=False)
        self.cookies: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        await self.issuer.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        csrf: bool = True,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> httpx.Response:
        """Sends a request with this browser's cookies, and keeps what the answer sets."""
        sent = [(name, value) for name, value in dict(headers).items()]
        if csrf:
            sent += [("X-CSRF", "1"), ("Sec-Fetch-Site", "same-origin")]
        if self.cookies:
            sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        response = await self.http.request(method, path, headers=sent, **options)
        self.http.cookies.clear()
        self._keep(response)
        return response

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)

    async def navigate(self, url: str) -> httpx.Response:
        """Goes to a path of the BFF as the address bar would."""
        path = url.removeprefix(self.base_url)
        return await self.request(
            "GET", path, csrf=False, headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        )

    async def begin_login(self, return_to: str = "/") -> str:
        """Returns the authorization URL that the BFF sends the browser to."""
        response = await self.navigate(f"/bff/login?return_to={return_to}")
        assert 303 == response.status_code, response.text
        return response.headers["location"]

    async def log_in(self, login: str = "alice", *, return_to: str = "/") -> httpx.Response:
        """Logs in with the issuer's form; returns the answer of the callback."""
        callback = await sign_in(self.issuer, await self.begin_login(return_to), login, login)
        response = await self.navigate(callback)
        assert 303 == response.status_code, response.text
        return response

    async def user(self, *, slide: bool = True) -> dict[str, Any] | None:
        """What the page would know of its user, None when signed out."""
        response = await self.get("/bff/user" + ("" if slide else "?slide=false"))
        if response.status_code == 401:
            return None
        assert 200 == response.status_code, response.text
        return response.json()

    @property
    def session_cookie(self) -> str | None:
        return self.cookies.get("__Host-bff")

    def _keep(self, response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            name, value = re.match(r"([^=]+)=([^;]*)", line).groups()  # type: ignore[union-attr]
            if re.search(r"max-age=0\b", line, re.IGNORECASE):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


__all__ = ["ROOT", "Bff", "Browser", "redirect_uris", "start_product"]
