"""How a session begins: what is put into it, for how long, and its cookie. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bff.http.cookies import CookieWriter
from bff.oidc.grant import Grant
from bff.session.limits import Limits
from bff.session.principal import Principal
from bff.session.session import Session


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a login says about its session besides who it is."""

    is_remembered: bool = False
    traits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def new_session(
    handle: str, grant: Grant, principal: Principal, limits: Limits, beginning: Beginning, now: float
) -> Session:
    """Return the session that a grant begins."""
    issuer_sid = grant.claims.get("sid")
    return Session(
        handle=handle,
        principal=principal,
        claims=grant.claims,
        tokens=grant.tokens,
        # Not after the ID token was issued: the issuer's logout is compared with it, and that is the issuer's
        # clock, which may be behind ours.
        created_at=min(now, float(grant.claims.get("iat", now))),
        expires_at=now + limits.absolute_of(is_remembered=beginning.is_remembered),
        issuer_sid=issuer_sid if isinstance(issuer_sid, str) else None,
        is_remembered=beginning.is_remembered,
        traits=beginning.traits,
    )


def build_cookie(writer: CookieWriter, session: Session, value: bytes, now: float) -> bytes:
    """Return the Set-Cookie value: it ends with the browser, or with a session that is remembered."""
    return writer.set(value, max_age=max(1, int(session.expires_at - now)) if session.is_remembered else None)
