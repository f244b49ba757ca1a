"""`/bff/*`: handlers that read a request, call one flow and write its outcome."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Router, asgi, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import InternalServerException
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from bff.errors import (
    BadRequest,
    IssuerUnavailable,
    MethodNotAllowed,
    SessionExpired,
)
from bff.events import TRACE, Trace
from bff.http.cookies import CookieWriter, has_cookie, read_cookie
from bff.http.origins import check_same_origin
from bff.proxy.front import Front
from bff.proxy.head import RequestHead, read_head
from bff.proxy.limits import RateLimit
from bff.session.beginning import build_cookie
from bff.session.binding import Binding, came_from
from bff.session.freshness import Freshness
from bff.session.live import LiveSession
from bff.session.login import Login
from bff.session.logout import Logout
from bff.session.principal import Principal
from bff.session.renewal import Renewer
from bff.session.resolved import Unreadable, refusal_of
from bff.session.sessions import Sessions
from bff.web.answers import build_answer, build_redirect
from bff.web.events import EventStream
from bff.web.identity import current_request_id
from bff.web.navigation import check_navigation
from bff.web.options import build_options_handler
from bff.web.query import read_flag, read_one

AnyRequest = Request[Any, Any, State]
AnyConnection = ASGIConnection[Any, Any, Any, State]
_ALLOWED = {
    "/login": "GET, OPTIONS",
    "/callback": "GET, OPTIONS",
    "/user": "GET, OPTIONS",
    "/logout": "GET, POST, OPTIONS",
    "/backchannel-logout": "POST, OPTIONS",
}
# What browsers say of our own page, and of the address bar. One that says nothing may come from anywhere.
_OWN_WISH = frozenset({b"same-origin", b"none"})
_MAX_LOGOUT_TOKEN = 16 * 1024  # bytes of form
_FORM_TIME = 10.0  # seconds for it to arrive: anybody may begin to send one


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the handlers need."""

    login: Login
    logout: Logout
    sessions: Sessions
    renewer: Renewer
    cookie: CookieWriter
    front: Front
    own_origin: bytes
    prefix: str
    user_claims: Sequence[str]
    max_headers: int
    max_header_size: int
    clock: Callable[[], float]
    principal_now: Callable[[Principal, float], Principal] | None = None
    login_limit: RateLimit | None = None  # by address, of logins and callbacks, with junk or without
    binding: Binding | None = None
    more: Sequence[Router] = ()  # what else is below the prefix

    def router(self) -> Router:
        """Return the routes below the prefix."""
        flows = self

        @get("/login")
        async def login(request: AnyRequest) -> ASGIResponse:
            head = await flows.read_login(request)
            check_navigation(request.headers)
            query = request.scope["query_string"]
            remember = read_flag(query, "remember")
            if head.sec_fetch_site not in _OWN_WISH:
                remember = None  # another site may send people here, and decides nothing for them
            begun = await flows.login.begin(
                query, read_one(query, "return_to"), head.cookies, head.came_from, remember
            )
            return build_redirect(begun)

        @get("/callback")
        async def callback(request: AnyRequest) -> ASGIResponse:
            head = await flows.read_login(request)
            check_navigation(request.headers)
            query = request.scope["query_string"]
            return build_redirect(await flows.login.finish(query, head.cookies, head.came_from))

        @get("/user")
        async def user(request: AnyRequest) -> ASGIResponse:
            head = flows.read(request)
            flows.check_script(head, "GET")
            return await flows.user(head, slide=read_one(request.scope["query_string"], "slide") != "false")

        @get("/logout")
        async def logout(request: AnyRequest) -> ASGIResponse:
            head = flows.read(request)
            check_navigation(request.headers)
            query = request.scope["query_string"]
            if (sealed := read_one(query, "continue")) is not None:
                return build_redirect(await flows.logout.resume(sealed))
            done = await flows.logout.by_navigation(
                read_one(query, "sid"), read_one(query, "return_to"), head.cookies, head.came_from
            )
            return build_redirect(done)

        @post("/logout", status_code=200)
        async def logout_by_script(request: AnyRequest) -> ASGIResponse:
            head = flows.read(request)
            flows.check_script(head, "POST")
            done = await flows.logout.by_script(head.cookies, head.came_from)
            return build_answer(200, {"logout_url": done.next_url}, cookies=done.cookies)

        @post("/backchannel-logout", status_code=200)
        async def backchannel_logout(request: AnyRequest) -> ASGIResponse:
            flows.read(request)
            await flows.logout.by_issuer(await _logout_token(request))
            return build_answer(200, None)

        @asgi("/events", copy_scope=True)
        async def events(scope: Scope, receive: Receive, send: Send) -> None:
            request: AnyRequest = Request(scope)
            if request.method != "GET":  # a HEAD would hold the stream open and see none of it
                raise MethodNotAllowed(allow="GET")
            head = flows.read(request)
            # EventSource sends no header of ours; Fetch Metadata or Origin must vouch for the page instead.
            flows.check_script(head, "GET", mode="origin")
            live = await flows.signed_in(head)
            await EventStream(flows.sessions, flows.clock)(live, receive, send)

        options = build_options_handler(_ALLOWED, flows.read, self.prefix)
        return Router(
            path=self.prefix,
            # First, for the framework adds an OPTIONS of its own to every path that has none yet.
            route_handlers=[
                options,
                login,
                callback,
                user,
                events,
                logout,
                logout_by_script,
                backchannel_logout,
                *flows.more,
            ],
        )

    def read(self, request: AnyRequest) -> RequestHead:
        """Read the headers within the limits, and hold the request to our host."""
        return self.read_with_address(request)[0]

    async def read_login(self, request: AnyRequest) -> RequestHead:
        """Read the headers, and count the request as one of its address's logins.

        Raises:
            TooManyRequests: it is one too many.
        """
        head, address = self.read_with_address(request)
        if self.login_limit is not None:
            await self.login_limit.check_address(address)
        return head

    def read_with_address(self, request: AnyConnection) -> tuple[RequestHead, str]:
        """Do the same, and tell the browser's address."""
        head = read_head(
            list(request.scope["headers"]), max_headers=self.max_headers, max_size=self.max_header_size
        )
        address = self.front.check_peer(request.scope["client"], head)
        TRACE.set(Trace(current_request_id(), address))
        head.came_from = came_from(request.scope["headers"], address)
        return head, address

    def check_script(self, head: RequestHead, method: str, *, mode: str = "header") -> None:
        """Hold a call to our own pages' script."""
        check_same_origin(
            mode=mode,
            method=method,
            own_origin=self.own_origin,
            origin=head.origin,
            sec_fetch_site=head.sec_fetch_site,
            has_header=head.csrf,
        )

    async def signed_in(self, head: RequestHead) -> LiveSession:
        """Return the caller's session.

        Raises:
            SessionRequired, CookieUnreadable, SessionExpired: there is none.
            SessionElsewhere: it is bound to another browser.
        """
        found = await self.sessions.resolve(read_cookie(head.cookies, self.cookie.name))
        if isinstance(found, LiveSession):
            if self.binding is not None:
                self.binding.check(found, head.came_from)
            return found
        if found is None and has_cookie(head.cookies, self.cookie.name):
            found = Unreadable()
        raise refusal_of(found)

    async def user(self, head: RequestHead, *, slide: bool) -> ASGIResponse:
        """Say who is signed in; renew what is due, so that this answer and the API's agree."""
        live = await self.signed_in(head)
        now = self.clock()
        await self.ensure_usable(live, now)
        if slide:
            self.sessions.slide(live, now)
        cookie = read_cookie(head.cookies, self.cookie.name)
        resealed = self.sessions.reseal(live, cookie, now) if cookie is not None and slide else None
        cookies = (build_cookie(self.cookie, live.session, resealed, now),) if resealed is not None else ()
        return build_answer(
            200, build_user(live, self.user_claims, self.prefix, now, self.principal_now), cookies=cookies
        )

    async def ensure_usable(self, live: LiveSession, now: float) -> None:
        """Renew what is due. Raises `SessionExpired`, `IssuerUnavailable` or `SessionStoreUnavailable`."""
        match live.freshness(now):
            case Freshness.FRESH:
                return
            case Freshness.DUE:
                self.renewer.renew_soon(live, now)
            case Freshness.EXPIRED:
                try:
                    await self.renewer.renewed(live)
                except IssuerUnavailable:
                    return  # the user is still signed in; only the API has to wait
            case Freshness.DEAD:
                await self.sessions.end(live, "tokens_expired", now)
                raise SessionExpired(reason="tokens_expired")


def build_user(
    live: LiveSession,
    user_claims: Sequence[str],
    prefix: str,
    now: float,
    principal_now: Callable[[Principal, float], Principal] | None = None,
) -> Mapping[str, Any]:
    """Return what a page may know of its user: allow-listed claims, and never a token."""
    principal = live.principal if principal_now is None else principal_now(live.principal, now)
    claims = principal.claims
    handle = live.session.handle
    return {
        "sub": principal.subject,
        **{name: claims[name] for name in user_claims if name in claims and name not in _OURS},
        "roles": sorted(principal.roles),
        "session": {
            "id": handle,
            "expires_in": max(0, int(live.session.expires_at - now)),
            "idle_expires_in": max(0, int(live.idle_expires_at - now)),
        },
        "logout_url": f"{prefix}/logout?sid={handle}",
    }


_OURS = frozenset({"sub", "roles", "session", "logout_url"})


async def _logout_token(request: AnyRequest) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequest("A logout token comes as application/x-www-form-urlencoded.")
    try:
        async with asyncio.timeout(_FORM_TIME):
            body = await request.body()
    except (TimeoutError, InternalServerException) as error:  # the latter is how Litestar tells of a hang-up
        raise BadRequest("The form did not come to its end.") from error
    if len(body) > _MAX_LOGOUT_TOKEN:
        raise BadRequest("The form is too large.")
    try:
        values = parse_qs(body.decode("ascii"), max_num_fields=20).get("logout_token", [])
    except ValueError as error:
        raise BadRequest("The form cannot be read.") from error
    if len(values) != 1:
        raise BadRequest("Exactly one logout_token is needed.")
    return values[0]
