"""The product itself, as a new user would start it: `bff run` with a file, before a real issuer and a real API.

async with start_product(issuer, api) as bff, Browser(bff) as browser:
    await browser.log_in("alice")
    assert 200 == (await browser.get("/api/whoami")).status_code
"""

import contextlib
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx

from tests.processes import ROOT, ServerFailed, ServerProcess, release_ports, reserve_port
from tests.servers import Server
from tests.sign_in import sign_in

START_TIMEOUT = 60.0


class Bff(Server):
    """One `bff run`. `url` is the public origin; restarting keeps address, keys and store."""

    def __init__(
        self,
        issuer: Any,
        api: Any,
        *,
        port: int | None = None,
        workers: int = 1,
        shutdown_timeout: str = "5s",
        store: str | None = None,
        extra: str = "",
        apis: str | None = None,
        server: str = "",
        oidc: str = "",
        session: str = "",
        tokens: str = "",
        log: str = "",
        sink: str | None = None,
        spa: str | None = None,
        beside: "Bff | None" = None,
        wait: bool = True,
        program: str = "bff.cli",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Writes the file and starts. The strings are further lines for the table of that name.

        Args:
            issuer: what has `url`, `client_id` and `client_secret`.
            api: the upstream of /api, unless `apis` holds all routes.
            port: of the public listener.
            workers: processes.
            shutdown_timeout: as the file has it.
            store: the URL; an SQLite file of its own otherwise.
            extra: further tables.
            apis: all `[[api]]` tables.
            server, oidc, session, tokens, log: lines.
            sink: of the audit log; a file of its own otherwise.
            spa: the directory with the app.
            beside: another one whose public URL, keys and store this one shares, as a second machine would.
            wait: for the public listener to answer.
            program: the module whose `main` is the command line; the product's own if not given.
            env: variables on top.
        """
        self.port = port or reserve_port()
        self.management_port = reserve_port()
        self.url = f"http://localhost:{self.port}" if beside is None else beside.url
        self.management_url = f"http://127.0.0.1:{self.management_port}"
        self.folder = Path(tempfile.mkdtemp(prefix="bff-test-"))
        self.audit = self.folder / "audit.jsonl"
        self.keys = self.folder / "bff.keys"
        self.keys.write_text(secrets.token_urlsafe(32) + "\n" if beside is None else beside.keys.read_text())
        self.keys.chmod(0o600)
        self.store = store or (beside.store if beside is not None else f"sqlite:///{self.folder / 'sessions.db'}")
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
shutdown_timeout = "{shutdown_timeout}"
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
sink = "{sink or f"file:{self.audit}"}"

[log]
format = "json"
{log}
{routes}
{spa_table}
{extra}
""")
        self._program = program
        self._env = {"TEST_CLIENT_SECRET": issuer.client_secret or "", **(env or {})}
        self.start()

    def start(self) -> None:
        self.process = ServerProcess(
            [sys.executable, "-c", f"from {self._program} import main; main()", "run", "-c", str(self.config)],
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
        output = self.process.output  # stopping removes it
        self.process.stop()
        raise ServerFailed(f"bff did not get ready:\n{output}")

    def output(self) -> str:
        """Everything that the server has printed."""
        return self.process.output

    def command(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """What `bff` does with these words and this configuration; `given` is its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "bff", *words, "-c", str(self.config)],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**self._env, "PATH": "/usr/bin:/bin"},
            cwd=self.folder,
        )

    def rotate_key(self, *, keep: bool = True) -> None:
        """Puts a new key in front, dropping the old ones if they are not kept; takes effect at the next start."""
        old = self.keys.read_text() if keep else ""
        self.keys.write_text(secrets.token_urlsafe(32) + "\n" + old)

    def worker_pids(self) -> list[int]:
        """The processes that serve, without the one that watches over them."""
        beside = (b"/bin/sh", b"bff.cli.renewals")
        return [
            pid for pid, command in self._children() if command and not any(other in command for other in beside)
        ]

    def renewal_pid(self) -> int:
        """The process that renews, where there is one."""
        (found,) = [pid for pid, command in self._children() if b"bff.cli.renewals" in command]
        return found

    def _children(self) -> Iterator[tuple[int, bytes]]:
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
                yield int(pid), Path(f"/proc/{pid}/cmdline").read_bytes()

    def audited(self, event: str) -> list[dict[str, Any]]:
        """The lines of the audit log that tell of this event."""
        text = self.audit.read_text() if self.audit.exists() else ""
        lines = text.rpartition("\n")[0].splitlines()  # whole ones: another may be on its way
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def close(self) -> None:
        super().close()
        release_ports(self.port, self.management_port)
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
        port = bff.port if base_url is None else urlsplit(base_url).port
        # Loopback names resolve to IPv6 too; the server listens on one address.
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Host": urlsplit(self.base_url).netloc},
            timeout=30.0,
            follow_redirects=False,
            verify=False,  # there is no TLS here, and reading the roots takes time
        )
        self.issuer = httpx.AsyncClient(timeout=30.0, follow_redirects=False, verify=False)
        self.cookies: dict[str, str] = {}
        self._strict: set[str] = set()  # the names of cookies that other sites' links do not bring
        self.answers: list[httpx.Response] = []  # everything that it was ever told
        self._twins: list[Browser] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for twin in self._twins:
            await twin.__aexit__(None, None, None)
        await self.http.aclose()
        await self.issuer.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        csrf: bool = True,
        cross_site: bool = False,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> httpx.Response:
        """Sends a request with this browser's cookies, and keeps what the answer sets."""
        response = await self.http.request(
            method, path, headers=self._headers(headers, csrf=csrf, cross_site=cross_site), **options
        )
        self.http.cookies.clear()
        self._keep(response)
        return response

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: dict[str, str] | Sequence[tuple[str, str]] = (), **options: Any
    ) -> AsyncIterator[httpx.Response]:
        """Sends a request and hands the answer out while it comes."""
        async with self.http.stream(method, path, headers=self._headers(headers), **options) as response:
            yield response

    def _headers(
        self,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        *,
        csrf: bool = True,
        cross_site: bool = False,
    ) -> list[tuple[str, str]]:
        sent = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if csrf:
            sent += [("X-CSRF", "1"), ("Sec-Fetch-Site", "same-origin")]
        cookies = {
            name: value for name, value in self.cookies.items() if not cross_site or name not in self._strict
        }
        if cookies:
            sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        return sent

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)

    async def navigate(self, url: str, *, cross_site: bool = False) -> httpx.Response:
        """Goes to a path of the BFF as the address bar would, or (cross_site) as another site's link does."""
        path = url.removeprefix(self.base_url)
        headers = {
            "Accept": "text/html",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Site": "cross-site" if cross_site else "same-origin",
        }
        return await self.request("GET", path, csrf=False, cross_site=cross_site, headers=headers)

    async def begin_login(self, return_to: str = "/", **parameters: str) -> str:
        """Returns the authorization URL that the BFF sends the browser to."""
        query = urlencode({"return_to": return_to, **parameters})
        response = await self.navigate(f"/bff/login?{query}")
        assert 303 == response.status_code, response.text
        return response.headers["location"]

    async def sign_in(self, authorization_url: str, login: str = "alice") -> str:
        """Signs in at the issuer; returns the callback URL that the issuer sends the browser to."""
        return await sign_in(self.issuer, authorization_url, login, login)

    async def log_in(self, login: str = "alice", *, return_to: str = "/") -> httpx.Response:
        """Logs in with the issuer's form; returns the answer of the callback."""
        callback = await self.sign_in(await self.begin_login(return_to), login)
        response = await self.navigate(callback, cross_site=True)
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

    def twin(self) -> "Browser":
        """Another browser with copies of this one's cookies, as a thief's would be; closed with this one."""
        other = Browser(self.bff)
        self._twins.append(other)
        other.take_cookies_of(self)
        return other

    def take_cookies_of(self, other: "Browser") -> None:
        """Copies them, with what is known of each."""
        self.cookies.update(other.cookies)
        self._strict.update(other._strict)

    def _keep(self, response: httpx.Response) -> None:
        self.answers.append(response)
        for line in response.headers.get_list("set-cookie"):
            name, value = re.match(r"([^=]+)=([^;]*)", line).groups()  # type: ignore[union-attr]
            if "samesite=strict" in line.lower():
                self._strict.add(name)
            if re.search(r"max-age=0\b", line, re.IGNORECASE):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


__all__ = ["ROOT", "Bff", "Browser", "redirect_uris", "start_product"]
