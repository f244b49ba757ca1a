"""Sub-requests of a gateway that moves the bytes itself: decided on like calls, answered with what it passes on.

The answer holds the user's token, so it is given to nobody but the gateway. The gateway's address proves nothing,
for it passes browsers' requests to us as well; so each sub-request carries a secret that no browser knows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import quote

from bff.errors import (
    BadRequest,
    BadRequestTarget,
    BffError,
    CookieUnreadable,
    NotTheGateway,
    RouteNotFound,
    SessionExpired,
    SessionRequired,
)
from bff.events import TRACE, Emit, Trace
from bff.http.addresses import is_within
from bff.http.origins import check_same_origin, check_socket_origin
from bff.http.problems import build_problem_response
from bff.http.targets import check_query, check_target
from bff.proxy.api import ApiProxy
from bff.proxy.asgi import Asgi, Receive, Scope, Send
from bff.proxy.call import Carry
from bff.proxy.forwarded import new_request_id
from bff.proxy.front import Front
from bff.proxy.gateway_answer import ALWAYS_REMOVED, build_granted, told_in_headers
from bff.proxy.gateway_request import SECRET, Asked, Dialect, by_name, read_asked
from bff.proxy.head import is_ours
from bff.proxy.routes import Route, RouteTable
from bff.proxy.timing import UNTIMED, Timing

_KNOWN_MAX = 4096  # names and addresses that are remembered
_LONGEST_KNOWN = 64  # bytes of one: they come from browsers
_TOLD_EVERY = 10.0  # seconds; whoever is turned away once comes again


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """Who asks, and how."""

    dialect: Dialect
    path: bytes  # our own: "/bff/authorize"
    secrets: tuple[bytes, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]  # empty: any
    login_url: str | None  # where navigations are sent that need a session; None: nowhere


class Gateway:
    """Answers sub-requests. One for all routes of a worker."""

    def __init__(
        self,
        rules: GatewayRules,
        *,
        routes: RouteTable,
        api: ApiProxy,
        front: Front,
        cookie_deletion: bytes,
        emit: Emit,
        carried: Callable[[Carry], Carry] = lambda carry: carry,
        served: Callable[[Asgi], Asgi] = lambda serve: serve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`api` decides, and is where questions are counted; `carried` and `served` put around who looks on."""
        self._rules = rules
        self.path = rules.path.decode("ascii")
        self._dialect = rules.dialect
        self._secrets = rules.secrets
        self._routes = routes
        self._api = api
        self._front = front
        self._cookie_deletion = cookie_deletion
        self._emit = emit
        self._carry, self._refused = carried(self._answer), served(self._turn_down)
        self._monotonic = monotonic
        self._told_at = -_TOLD_EVERY
        self._peers: dict[str, bool] = {}
        self._addresses: dict[bytes, str] = {}
        self._harmless: set[bytes] = set()
        set_by_routes = {name for route in routes.each if route.request_rules for name in route.request_rules.names}
        self._set_by_routes = frozenset(name.encode("ascii") for name in set_by_routes)
        self._removable = sorted({*ALWAYS_REMOVED, *set_by_routes})

    def is_asked(self, path: bytes) -> bool:
        """Tell whether a path is ours: it alone, or, where the original target follows it, below it."""
        own = self._rules.path
        return path == own or (self._dialect.target is None and path.startswith(own + b"/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to our own path, whoever sent it."""
        rules = self._rules
        try:
            lines = scope["headers"]
            named = by_name(lines)
            self._check_asker(scope, named)
            target = scope["raw_path"], scope["query_string"]
            asked = read_asked(rules.dialect, lines, named, scope["method"], *target, rules.path)
            if not self._harmless.issuperset(named):
                self._check_names(named)
            self._front.check_host(asked.host)
            check_target(asked.path)
            check_query(asked.query)
            found = self._routes.match(asked.path)
            if found is None:
                if self._routes.is_disguised(asked.path):
                    raise BadRequestTarget("Write the path as the route that it belongs to is written.")
                raise RouteNotFound
        except BffError as error:
            if not self._dialect.passes_refusals and not isinstance(error, NotTheGateway):
                send = told_in_headers(send)
            await self._refused({**scope, "bff.error": error}, receive, send)
            return
        scope["method"], scope["raw_path"], scope["query_string"] = asked.method, asked.path, asked.query
        scope["bff.asked"] = asked
        if not self._dialect.passes_refusals:
            send = told_in_headers(send)
        await self._carry(scope, receive, send, found[0], found[1])

    async def _answer(self, scope: Scope, _receive: Receive, send: Send, route: Route, rest: str) -> None:
        asked: Asked = scope["bff.asked"]
        request_id = new_request_id()
        api, timing = self._api, Timing(asked.method)
        api.calls[route.path] += 1
        api.meter.under_way += 1
        try:
            if scope["headers"] is not asked.headers:  # somebody traces: what is called next belongs to that
                asked.head.traceparent = dict(scope["headers"]).get(b"traceparent")
            check_origin: Callable[..., None] = check_same_origin
            if asked.is_socket:
                if route.sockets is None:
                    raise RouteNotFound("This path carries no WebSockets.")
                check_origin = check_socket_origin
            read = asked.head, self._address(scope["client"], asked.forwarded_for)
            call = await api.admit(scope, asked.method, route, rest, request_id, check_origin, read, timing)
            headers = build_granted(call, self._dialect, self._removable)
            timing.answer(200)
        except BffError as error:
            await self._refuse(send, error, request_id, asked, timing)
        except Exception as error:  # noqa: BLE001 -- a mistake of ours: told, and nothing passes by it
            self._emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
            await self._refuse(send, BffError(), request_id, asked, timing)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            api.meter.under_way -= 1
            timing.end()
            api.meter.note(route, timing)

    async def _turn_down(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer what is no question about one of our routes, or nobody's that may ask."""
        request_id = new_request_id()
        TRACE.set(Trace(request_id))
        await self._refuse(send, scope["bff.error"], request_id)

    # ── who asks ────────────────────────────────────────────────────────────────────────────────────────

    def _check_asker(self, scope: Scope, named: dict[bytes, bytes]) -> None:
        """Raise `NotTheGateway` unless the gateway itself asks."""
        given = named.get(SECRET, b"")
        for secret in self._secrets:
            if compare_digest(given, secret):
                break
        else:
            self._turn_away(scope, "secret")
        if self._rules.networks and not self._is_known(scope):
            self._turn_away(scope, "network")

    def _is_known(self, scope: Scope) -> bool:
        client = scope["client"]
        peer: str = client[0] if client else ""
        known = self._peers.get(peer)
        if known is None:
            # A unix socket has no address: whoever can reach it was let in by the file's mode.
            known = not peer or is_within(peer, self._rules.networks)
            if len(self._peers) < _KNOWN_MAX:
                self._peers[peer] = known
        return known

    def _turn_away(self, scope: Scope, reason: str) -> None:
        now = self._monotonic()
        if now >= self._told_at + _TOLD_EVERY:
            self._told_at = now
            client = scope["client"]
            self._emit("gateway.refused", {"reason": reason, "peer": client[0] if client else ""})
        raise NotTheGateway

    # ── what it says ────────────────────────────────────────────────────────────────────────────────────

    def _check_names(self, named: dict[bytes, bytes]) -> None:
        """Refuse what the gateway passes on, and an API could read as a header of ours (underscores as hyphens)."""
        for name in named.keys() - self._harmless:
            if b"_" in name:
                plain = name.lower().replace(b"_", b"-")
                if is_ours(plain) or plain in self._set_by_routes:
                    raise BadRequest("A header is named like one that only this server may set.")
            if len(self._harmless) < _KNOWN_MAX and len(name) <= _LONGEST_KNOWN:
                self._harmless.add(name)

    def _address(self, client: tuple[str, int] | None, forwarded_for: bytes) -> str:
        known = self._addresses.get(forwarded_for)
        if known is None:
            known = self._front.address_behind(client, forwarded_for)
            if len(forwarded_for) > _LONGEST_KNOWN:
                return known
            if len(self._addresses) >= _KNOWN_MAX:
                self._addresses.clear()
            self._addresses[forwarded_for] = known
        return known

    # ── what is answered ────────────────────────────────────────────────────────────────────────────────

    async def _refuse(
        self,
        send: Send,
        error: BffError,
        request_id: str,
        asked: Asked | None = None,
        timing: Timing = UNTIMED,
    ) -> None:
        self._api.refused[error.code] += 1
        status, headers, body = build_problem_response(error, request_id)
        if isinstance(error, CookieUnreadable):
            headers.append((b"set-cookie", self._cookie_deletion))
        login = self._login(error, asked)
        if login is not None:
            status = 302
            headers.append((b"location", login))
        timing.answer(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _login(self, error: BffError, asked: Asked | None) -> bytes | None:
        url = self._rules.login_url
        if url is None or asked is None or not isinstance(error, SessionRequired | SessionExpired):
            return None
        if not asked.is_navigation:
            return None
        target = asked.path + (b"?" + asked.query if asked.query else b"")
        return f"{url}?return_to={quote(target, safe='/')}".encode("ascii")
