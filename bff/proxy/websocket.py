"""The way of one WebSocket: decided on like a request, opened at the upstream, relayed until it ends."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from bff.errors import (
    BadRequest,
    BffError,
    CookieUnreadable,
    RouteNotFound,
    ServerBusy,
    TooManyRequests,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from bff.events import Emit
from bff.http.origins import check_socket_origin
from bff.http.problems import build_problem_response
from bff.proxy.answer import build_answer_headers
from bff.proxy.asgi import Message, Receive, Scope, Send
from bff.proxy.body import BrowserGone
from bff.proxy.call import Call
from bff.proxy.closing import CRASHED, GOING_AWAY
from bff.proxy.failures import Failures
from bff.proxy.forwarded import new_request_id
from bff.proxy.refusals import Refusals
from bff.proxy.routes import Route, SocketRules
from bff.proxy.streams import OpenCalls
from bff.proxy.websocket_dial import Dialer
from bff.proxy.websocket_relay import Relay, accept
from bff.proxy.websocket_upstream import UpstreamRefused, UpstreamSocket
from bff.session.live import LiveSession

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 6455 §4.1: a subprotocol is a token
_DENIAL = "websocket.http.response"
_UNSAID = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"sec-websocket-accept"})


class Admission(Protocol):
    """Takes the steps that decide: see `ApiProxy.admit`."""

    def __call__(
        self,
        scope: Scope,
        method: str,
        route: Route,
        rest: str,
        request_id: str,
        check_origin: Callable[..., None],
    ) -> Awaitable[Call]:
        """Return the call that may pass, or raise a `BffError`."""
        ...


class Places:
    """How many sockets there may be, in this worker and for each session in it."""

    def __init__(self, most: int, most_per_session: int) -> None:
        self._most = most
        self._most_per_session = most_per_session
        self._taken = 0
        self._free = asyncio.Event()
        self._free.set()
        self._by_session: Counter[bytes] = Counter()

    @contextmanager
    def one(self, live: LiveSession | None) -> Iterator[None]:
        """Hold a place.

        Raises:
            ServerBusy: this worker has no more.
            TooManyRequests: this session has as many as it may have.
        """
        key = live.key if live is not None else b""
        if self._taken >= self._most:
            raise ServerBusy(retry_after=5)
        if live is not None and self._by_session[key] >= self._most_per_session:
            raise TooManyRequests("This session has too many WebSockets open. Close some and try again.")
        self._taken += 1
        self._free.clear()
        self._by_session[key] += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._by_session[key] -= 1
            if not self._by_session[key]:
                del self._by_session[key]
            if not self._taken:
                self._free.set()

    async def all_free(self) -> None:
        """Return once none is taken."""
        await self._free.wait()


class SocketProxy:
    """Decides and relays. One for all routes of a worker."""

    def __init__(
        self,
        *,
        admit: Admission,
        headers: Callable[[Call], list[tuple[str, str]]],
        dialer: Dialer,
        refusals: Refusals,
        opened: OpenCalls,
        places: Places,
        cookie_name: str,
        cookie_deletion: bytes,
        emit: Emit,
        failures: Failures,
        refused: MutableMapping[str, int] | None = None,
    ) -> None:
        """`refused` is where refusals are counted by their code."""
        self._refused = refused if refused is not None else {}
        self._admit = admit
        self._headers = headers
        self._dialer = dialer
        self._refusals = refusals
        self._opened = opened
        self._places = places
        self._cookie_name = cookie_name.encode("ascii")
        self._cookie_deletion = cookie_deletion
        self._emit = emit
        self._failures = failures

    async def closed(self) -> None:
        """Return once no socket is open, nor being opened."""
        await self._places.all_free()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
        """Serve one WebSocket whose path belongs to `route`."""
        request_id = new_request_id()
        await receive()  # websocket.connect
        try:
            if route.sockets is None or not route.addresses:
                raise RouteNotFound("This path carries no WebSockets.")
            call = await self._admit(scope, "GET", route, rest, request_id, check_socket_origin)
            if call.head.has_body:
                raise BadRequest("The opening of a WebSocket has no body.")
            with self._places.one(call.live):
                await self._open(scope, receive, send, call, route.sockets)
        except UpstreamRefused as refused:
            await self._pass_refusal(scope, send, refused, route, request_id)
        except BffError as error:
            self._refused[error.code] = self._refused.get(error.code, 0) + 1
            if isinstance(error, UpstreamUnreachable | UpstreamTimeout):
                self._failures.note(route, error.code, request_id)
            await refuse_socket(scope, send, error, request_id, cookie_deletion=self._cookie_deletion)
        except BrowserGone:
            return
        except Exception as error:  # a mistake of ours: told, and never taken for a good end
            self._emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
            await send({"type": "websocket.close", "code": CRASHED.code, "reason": CRASHED.reason})
            raise

    async def _open(self, scope: Scope, receive: Receive, send: Send, call: Call, rules: SocketRules) -> None:
        """Open the upstream's half, with another token if it refuses this one, then relay."""
        offer, query, headers = read_subprotocols(scope), scope["query_string"], self._headers(call)
        try:
            async with self._dialer.socket(call, rules, query, headers, offer) as upstream:
                await self._relay(call, rules, receive, send, upstream)
        except UpstreamRefused as refused:
            another = await self._refusals.another(call, refused) if refused.status == 401 else None
            if another is None:
                raise
            renewed = [(name, another if name == "authorization" else value) for name, value in headers]
            async with self._dialer.socket(call, rules, query, renewed, offer) as upstream:
                await self._relay(call, rules, receive, send, upstream)

    async def _relay(
        self, call: Call, rules: SocketRules, receive: Receive, send: Send, upstream: UpstreamSocket
    ) -> None:
        try:
            await accept(send, upstream.subprotocol, call.request_id)
        except BrowserGone:
            await upstream.close(GOING_AWAY)
            raise
        relay = Relay(call, rules, receive, send, upstream)
        self._opened.add(relay)
        try:
            end = await relay.run()
        finally:
            self._opened.discard(relay)
        told = end.upstream if end.by == "browser" else end.browser
        self._emit(
            "websocket.closed",
            {
                "route": call.route.path,
                "code": told.code if told is not None else None,
                "by": end.by,
                "session": call.live.session.handle if call.live is not None else None,
                "request_id": call.request_id,
            },
        )

    async def _pass_refusal(
        self, scope: Scope, send: Send, refused: UpstreamRefused, route: Route, request_id: str
    ) -> None:
        """Answer what the upstream answered, as for a request."""
        headers = build_answer_headers(refused.headers, route, self._cookie_name, request_id.encode("ascii"))
        await _answer(scope, send, refused.status, headers, refused.body)


def read_subprotocols(scope: Scope) -> Sequence[str]:
    """Return what the browser offers; it goes up as it is, and nothing is added to it.

    Raises:
        BadRequest: an entry that is no token, or comes twice (RFC 6455 §4.1).
    """
    offer: list[str] = list(scope.get("subprotocols") or ())
    if len(set(offer)) < len(offer) or not all(_TOKEN.match(name) for name in offer):
        raise BadRequest("Sec-WebSocket-Protocol is not a list of different names.")
    return offer


async def refuse_socket(
    scope: Scope, send: Send, error: BffError, request_id: str, *, cookie_deletion: bytes = b""
) -> None:
    """Answer the opening of a WebSocket with a problem document, where the server can."""
    status, headers, body = build_problem_response(error, request_id)
    if isinstance(error, CookieUnreadable) and cookie_deletion:
        headers.append((b"set-cookie", cookie_deletion))
    await _answer(scope, send, status, headers, body)


async def _answer(
    scope: Scope, send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> None:
    messages: list[Message] = [{"type": "websocket.close", "code": 1008}]  # the server makes a 403 of it
    if _DENIAL in (scope.get("extensions") or {}):
        # A name that is repeated in such an answer brings granian (2.8) down, and the whole worker with it.
        once = {name: value for name, value in headers if name not in _UNSAID}
        start = {"type": f"{_DENIAL}.start", "status": status, "headers": list(once.items())}
        messages = [start, {"type": f"{_DENIAL}.body", "body": body, "more_body": False}]
    try:
        for message in messages:
            await send(message)
    except (OSError, RuntimeError):  # how servers say that the browser has gone
        return
