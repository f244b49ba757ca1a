"""The browser's endpoints and the flows behind them."""

from collections.abc import Callable
from dataclasses import dataclass

from bff.access.auditing.calls import UNRECORDED, CallRecording
from bff.config.settings import OnTooMany, Settings
from bff.crypto.key_ring import KeyRing
from bff.events import Emit
from bff.from_settings import build_binding
from bff.http.cookies import CookieWriter
from bff.oidc.relying_party import RelyingParty
from bff.proxy.api import PrincipalNow
from bff.proxy.forwarded import Forwarding
from bff.proxy.front import Front
from bff.proxy.head import HeaderLimits
from bff.proxy.limits import RateLimit
from bff.session.attempts import AttemptCookies
from bff.session.grants import Grants
from bff.session.login import Login, OnLogin, PrincipalOf
from bff.session.logout import Logout
from bff.session.most_sessions import MostSessions
from bff.session.records import Store
from bff.session.renewal import Renewer
from bff.session.revocation import Revocations
from bff.session.sessions import Sessions
from bff.session.vault import Vault
from bff.web.doctor import build_doctor_router
from bff.web.endpoints import Endpoints


@dataclass(frozen=True, slots=True)
class EndpointParts:
    """What the endpoints stand on."""

    relying_party: RelyingParty
    sessions: Sessions
    renewer: Renewer
    store: Store
    vault: Vault
    ring: KeyRing
    cookie: CookieWriter
    principal_of: PrincipalOf
    on_login: OnLogin
    principal_now: PrincipalNow | None
    grants: Grants
    revocations: Revocations
    front: Front
    limits: HeaderLimits
    login_limit: RateLimit | None
    clock: Callable[[], float]
    emit: Emit
    recording: CallRecording = UNRECORDED


def build_endpoints(settings: Settings, parts: EndpointParts) -> Endpoints:
    """Return everything below the prefix."""
    prefix = settings.server.prefix
    forwarding = Forwarding(settings.public_url, settings.server.trusted_proxies)
    binding = build_binding(settings, parts.clock, parts.emit)
    return Endpoints(
        login=Login(
            relying_party=parts.relying_party,
            issuer=settings.oidc.issuer,
            sessions=parts.sessions,
            store=parts.store,
            vault=parts.vault,
            attempts=AttemptCookies(parts.ring, settings.session.cookie_name),
            cookie=parts.cookie,
            principal_of=parts.principal_of,
            redeem=parts.grants.redeem,
            on_login=parts.on_login,
            check_recorded=parts.recording.check,
            revocations=parts.revocations,
            prefix=prefix,
            clock=parts.clock,
            emit=parts.emit,
            most=_build_most_sessions(settings, parts),
            binding=binding,
        ),
        logout=Logout(
            relying_party=parts.relying_party,
            sessions=parts.sessions,
            store=parts.store,
            vault=parts.vault,
            cookie=parts.cookie,
            prefix=prefix,
            clock=parts.clock,
            emit=parts.emit,
            binding=binding,
        ),
        sessions=parts.sessions,
        renewer=parts.renewer,
        cookie=parts.cookie,
        front=parts.front,
        own_origin=settings.public_url.encode("ascii"),
        prefix=prefix,
        user_claims=settings.oidc.user_claims,
        principal_now=parts.principal_now,
        login_limit=parts.login_limit,
        max_headers=parts.limits.count,
        max_header_size=parts.limits.size,
        clock=parts.clock,
        binding=binding,
        more=(build_doctor_router(parts.ring, parts.front, forwarding, parts.limits, parts.clock),),
    )


def _build_most_sessions(settings: Settings, parts: EndpointParts) -> MostSessions | None:
    most = settings.session.max_per_user
    if most is None:
        return None
    return MostSessions(
        most,
        ends_oldest=settings.session.on_too_many is OnTooMany.END_OLDEST,
        sessions=parts.sessions,
        store=parts.store,
        vault=parts.vault,
        background=parts.sessions.background,
        clock=parts.clock,
        emit=parts.emit,
    )
