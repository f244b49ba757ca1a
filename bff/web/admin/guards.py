"""Who is let in: the holder of the operator's token on one listener, a session with a role on the other.

Neither proof counts at the other's place: a token that leaks opens nothing that the public can reach, and a browser
that shows its cookie to the management listener (cookies know no ports) gets nowhere.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, cast

from cachetools import TTLCache
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers.base import BaseRouteHandler
from litestar.types import HTTPScope

from bff.errors import AccessDenied, TooManyRequests
from bff.events import TRACE, Emit, Trace
from bff.http.addresses import is_within
from bff.proxy.api import PrincipalNow
from bff.web.admin.errors import OperatorRequired
from bff.web.admin.operators import STATE_KEY, Actor
from bff.web.endpoints import Endpoints
from bff.web.identity import current_request_id

Connection = ASGIConnection[Any, Any, Any, State]
Networks = Sequence[IPv4Network | IPv6Network]
REQUEST_ID_KEY = "request_id"
SLIDE = "slide"  # a parameter of every call
_MOST_FAILURES = 10  # wrong tokens from one address
_WINDOW = 60.0  # seconds
_MOST_ADDRESSES = 4096


class Throttle:
    """Counts wrong tokens by address: after ten of them that address is not listened to for a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._failures: TTLCache[str, int] = TTLCache(_MOST_ADDRESSES, _WINDOW, timer=clock)

    def is_shut(self, address: str) -> bool:
        """Tell whether tokens from this address are not even looked at now."""
        return self._failures.get(_neighbourhood(address), 0) >= _MOST_FAILURES

    def fail(self, address: str) -> bool:
        """Count a wrong token; True when it is the one that shuts the door."""
        key = _neighbourhood(address)
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        return failures == _MOST_FAILURES


@dataclass(frozen=True, slots=True)
class TokenGuard:
    """Lets in who holds the operator's token."""

    token_hash: bytes
    throttle: Throttle
    networks: Networks
    emit: Emit
    address_of: Callable[[Connection], str]

    async def __call__(self, connection: Connection, _handler: BaseRouteHandler) -> None:
        """See Litestar's guards.

        Raises:
            OperatorRequired: no token came, or a wrong one.
            TooManyRequests: too many wrong ones came from this address.
            AccessDenied: the address is in none of `admin.networks`.
        """
        request_id = connection.state[REQUEST_ID_KEY] = current_request_id()
        address = self.address_of(connection)
        TRACE.set(Trace(request_id, address))
        _check_network(address, self.networks, self.emit, request_id)
        token = _bearer(connection.scope["headers"])
        if token is None:
            raise OperatorRequired
        if self.throttle.is_shut(address):
            raise TooManyRequests("Too many wrong tokens came from this address.", retry_after=int(_WINDOW))
        # Equal lengths, and time that says nothing about the token (CWE-208).
        if not hmac.compare_digest(hashlib.sha256(token).digest(), self.token_hash):
            reason = "too_many_wrong_tokens" if self.throttle.fail(address) else "wrong_token"
            fields = {"reason": reason, "outcome": "denied", "address": address, "request_id": request_id}
            self.emit("admin.refused", fields)
            raise OperatorRequired
        connection.state[STATE_KEY] = Actor("token", "token", address, request_id, self.emit)


@dataclass(frozen=True, slots=True)
class SessionGuard:
    """Lets in whose session has one of the roles, by the rules that every call of a page is held to."""

    endpoints: Endpoints
    roles: frozenset[str]
    networks: Networks
    principal_now: PrincipalNow | None
    emit: Emit

    async def __call__(self, connection: Connection, _handler: BaseRouteHandler) -> None:
        """See Litestar's guards.

        Raises:
            CrossSiteRequest, CsrfHeaderRequired: it is not our own page that calls.
            SessionRequired, SessionExpired: nobody is signed in.
            AccessDenied: the session has none of the roles, or the address is in none of `admin.networks`.
            SessionStoreUnavailable, IssuerUnavailable: who it is cannot be found out now.
        """
        request_id = connection.state[REQUEST_ID_KEY] = current_request_id()
        endpoints = self.endpoints
        head, address = endpoints.read_with_address(connection)
        TRACE.set(Trace(request_id, address))
        endpoints.check_script(head, cast("HTTPScope", connection.scope)["method"])
        _check_network(address, self.networks, self.emit, request_id)
        live = await endpoints.signed_in(head)
        now = endpoints.clock()
        await endpoints.ensure_usable(live, now)  # roles are as good as the last renewal
        principal = live.principal if self.principal_now is None else self.principal_now(live.principal, now)
        if principal.roles.isdisjoint(self.roles):
            who = {"subject": principal.subject, "session": live.session.handle}
            what = {"reason": "role_missing", "outcome": "denied"}
            self.emit("admin.refused", {**who, **what, "address": address, "request_id": request_id})
            raise AccessDenied(f"The console takes one of these roles: {', '.join(sorted(self.roles))}.")
        if connection.query_params.get(SLIDE) != "false":  # a page that refreshes itself is nobody's use of it
            endpoints.sessions.slide(live, now)
        claims = {name: principal.claims[name] for name in endpoints.user_claims if name in principal.claims}
        connection.state[STATE_KEY] = Actor(principal.subject, "session", address, request_id, self.emit, claims)


def hash_token(token: str) -> bytes:
    """Return what a token is compared by."""
    return hashlib.sha256(token.encode()).digest()


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the one token that came (RFC 6750 §2.1); None when there is none, or more than one."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if len(found) != 1:
        return None
    scheme, _, token = found[0].partition(b" ")
    return token.strip(b" ") or None if scheme.lower() == b"bearer" else None


def _check_network(address: str, networks: Networks, emit: Emit, request_id: str) -> None:
    if not networks or is_within(address, networks):
        return
    fields = {"reason": "address", "outcome": "denied", "address": address, "request_id": request_id}
    emit("admin.refused", fields)
    raise AccessDenied("The admin API is not served to this address (admin.networks).")


def _neighbourhood(address: str) -> str:
    """An IPv6 customer has a whole /64, and can send from each of its addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address) or found.ipv4_mapped is not None:
        return str(found)
    return str(ip_network((int(found), 64), strict=False))
