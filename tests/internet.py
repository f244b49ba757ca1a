"""The internet in one process: browsers, workers, provider, API, store, and a clock that moves only when told to.

async with World() as world:
    browser = world.browser()
    await browser.log_in()
    assert 200 == (await browser.get("/api/tasks")).status

Whatever a test starts must be over when the world ends: a task, a waiter or a renewal that is left behind fails it.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from bff.app import Bff, Parts
from bff.config.key_files import KeyFiles
from bff.config.settings import (
    AllowSettings,
    ApiSettings,
    AuditSettings,
    KeysSettings,
    OidcSettings,
    Secret,
    ServerSettings,
    SessionSettings,
    Settings,
    TokensSettings,
)
from bff.oidc.transport import IssuerTransport
from bff.session.stores.memory import MemoryStore
from tests.fake_upstream import FakeUpstream
from tests.neg_op import NegOp
from tests.oidc_world import API, Clock
from tests.scripted_store import ScriptedStore

__all__ = ["COOKIE", "KEYS", "ORIGIN", "Browser", "FakeUpstream", "Response", "ScriptedStore", "World", "settle"]

ORIGIN = "https://app.test"
COOKIE = "__Host-bff"
KEYS = ("q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM", "Zx8vB2nM4aS6dF1gH3jK5lQ7wE9rT0yUiOpLmNbVcX0")
FROM_OUR_PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
PATIENCE = 30.0  # real seconds that a test waits for what must come


async def settle() -> None:
    """Let everything go on that does not wait for the test."""
    for _ in range(100):
        await asyncio.sleep(0)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that must become so."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 -- whatever is waited for has no event of its own
            await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Response:
    """One whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header that came once."""
        found = [value for key, value in self.headers if key == name.encode()]
        assert len(found) <= 1
        return found[0].decode("latin-1") if found else None

    @property
    def set_cookies(self) -> list[str]:
        """The cookies that it sets, as they are written."""
        return [value.decode("latin-1") for name, value in self.headers if name == b"set-cookie"]

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert "application/problem+json" == self.header("content-type"), self
        return self.document["code"]


class Browser:
    """A person's browser at one worker; `at` takes its cookies to another one, as a load balancer would."""

    def __init__(self, world: "World", worker: int = 0) -> None:
        self.world = world
        self.worker = worker
        self.cookies: dict[str, str] = {}
        self.strict: set[str] = set()  # names of cookies that do not come along from other sites
        self.address = "192.0.2.7"
        self.user_agent: str | None = None

    def at(self, worker: int) -> "Browser":
        """Return the same browser, whose next requests reach another worker."""
        other = Browser(self.world, worker)
        other.cookies, other.strict = self.cookies, self.strict
        other.address, other.user_agent = self.address, self.user_agent
        return other

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        csrf: bool = True,
        cross_site: bool = False,
    ) -> Response:
        """Send a request and keep the cookies that come back."""
        sent = [(b"host", urlsplit(ORIGIN).netloc.encode())]
        cookies = {name: value for name, value in self.cookies.items() if not (cross_site and name in self.strict)}
        if cookies:
            sent.append((b"cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()))
        if csrf:
            sent.append((b"x-csrf", b"1"))
        if self.user_agent is not None:
            sent.append((b"user-agent", self.user_agent.encode()))
        if body:
            sent.append((b"content-length", b"%d" % len(body)))
        sent += [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": sent,
            "client": (self.address, 40000),
            "server": ("app.test", 443),
        }
        response = await call_asgi(self.world.apps[self.worker], scope, body)
        self._keep(response)
        return response

    async def get(self, target: str, **options: Any) -> Response:
        """GET."""
        return await self.request("GET", target, **options)

    async def post(self, target: str, **options: Any) -> Response:
        """POST."""
        return await self.request("POST", target, **options)

    async def user(self) -> Any:
        """Return what `/bff/user` says, None when nobody is signed in."""
        response = await self.get("/bff/user")
        assert response.status in {200, 401}, response
        return response.document if response.status == 200 else None

    async def begin_login(self, **parameters: str) -> str:
        """Go to the login endpoint and return the URL of the issuer's that it sends us to."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        response = await self.get(f"/bff/login?{query}", headers=dict(FROM_OUR_PAGE), csrf=False)
        assert 303 == response.status, response
        return response.header("location") or ""

    async def finish_login(self, authorization_url: str) -> Response:
        """Sign in at the issuer, and follow it back to the callback."""
        callback = urlsplit(self.world.op.login(authorization_url))
        return await self.get(f"{callback.path}?{callback.query}", csrf=False, cross_site=True)

    async def log_in(self, **parameters: str) -> Response:
        """Log in from end to end."""
        response = await self.finish_login(await self.begin_login(**parameters))
        assert 303 == response.status, response
        return response

    def _keep(self, response: Response) -> None:
        for line in response.set_cookies:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
            if "SameSite=Strict" in attributes:
                self.strict.add(name)


async def call_asgi(app: Any, scope: dict[str, Any], body: bytes = b"") -> Response:
    """Send one request to an ASGI application; the client stays until the answer is whole."""
    to_send = [{"type": "http.request", "body": body, "more_body": False}]
    status, headers, chunks = 0, [], []
    ended = False

    async def receive() -> dict[str, Any]:
        if to_send:
            return to_send.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, headers, ended
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message["headers"])
        else:
            chunks.append(message.get("body", b""))
            ended = not message.get("more_body", False)

    await app(scope, receive, send)
    assert ended, "the answer was cut"
    return Response(status, headers, b"".join(chunks))


def make_settings(**session: Any) -> Settings:
    """Return the settings of a world; `session` changes those of its sessions."""
    return Settings(
        public_url=ORIGIN,
        oidc=OidcSettings(issuer="https://op.test", client_id="spa", client_secret=Secret(NegOp.client_secret)),
        server=ServerSettings(shutdown_timeout=2.0),
        session=SessionSettings(store=Secret("memory:"), **session),
        keys=KeysSettings((Secret(KEYS[0]),)),
        tokens=TokensSettings(access_token_audience=(API,)),
        api=(
            ApiSettings("/api", "http://upstream.test/v1"),
            ApiSettings("/admin", "http://upstream.test/admin", allow=(AllowSettings(roles=("admin",)),)),
        ),
        audit=AuditSettings(f"file:{os.devnull}"),
    )


@dataclass
class World:
    """Everything, wired: `workers` of the product over one store."""

    settings: Settings = field(default_factory=make_settings)
    workers: int = 1
    op: NegOp = field(default_factory=NegOp)
    clock: Clock = field(default_factory=Clock)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    bffs: list[Bff] = field(default_factory=list)
    apps: list[Any] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._before = asyncio.all_tasks()
        self.op.clock = self.clock
        self.store = ScriptedStore(MemoryStore())
        for _ in range(self.workers):
            await self.start_worker()
        return self

    async def start_worker(
        self, *, key_files: KeyFiles | None = None, skew: float = 0.0, serves: bool = True, **changes: Any
    ) -> Bff:
        """Start one more worker, with these settings changed; its clock is ahead by `skew` seconds."""
        bff = Bff(
            replace(self.settings, **changes),
            Parts(
                store=self.store,
                transport=IssuerTransport(self.op.transport()),
                upstream=self.upstream,
                emit=lambda name, fields: self.events.append((name, dict(fields))),
                clock=(lambda: self.clock() + skew) if skew else self.clock,
                key_files=key_files,
                serves=serves,
            ),
        )
        await bff.start()
        await bff.relying_party.ensure_ready()
        self.bffs.append(bff)
        self.apps.append(bff.front_door())
        await eventually(lambda: bff.feed.trusted)
        return bff

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.store.let_go()
        for bff in self.bffs:
            await bff.stop()
        await self.store.inner.close()
        await settle()
        if kind is None:
            tasks = asyncio.all_tasks() - self._before - {asyncio.current_task()}
            left = [task.get_name() for task in tasks if not task.done()]
            assert [] == left
            assert [{}] * len(self.bffs) == [bff.feed._waiting for bff in self.bffs]
            assert [{}] * len(self.bffs) == [bff.renewer._running for bff in self.bffs]

    def browser(self, worker: int = 0) -> Browser:
        """Return a new person's browser."""
        return Browser(self, worker)

    def told(self, name: str) -> list[Mapping[str, object]]:
        """Return the fields of every event of this name."""
        return [fields for event, fields in self.events if event == name]

    def refreshes(self) -> int:
        """Return how often the issuer was asked to renew."""
        return self.op.count("token", grant_type="refresh_token")

    def refresh_token(self) -> str:
        """Return the refresh token that the issuer was shown last."""
        return self.op.requests("token", grant_type="refresh_token")[-1].form["refresh_token"]

    async def back_channel_logout(self, worker: int = 0, **changes: Any) -> Response:
        """Have the issuer tell a worker that a session is over."""
        form = b"logout_token=" + self.op.logout_token(**changes).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await Browser(self, worker).post("/bff/backchannel-logout", body=form, headers=headers, csrf=False)
