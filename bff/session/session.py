"""The session: what we know of a signed-in user, as a value; and its two written forms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.session.principal import Principal


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """One signed-in browser. Times are epoch seconds.

    `claims` are the ID token's (with userinfo's merged in where asked for); `issuer_sid` is the issuer's session
    id (the `sid` claim), which has nothing to do with the id in our cookie.
    """

    handle: str
    principal: Principal
    claims: Mapping[str, Any]
    tokens: TokenSet
    created_at: float
    expires_at: float
    issuer_sid: str | None = None

    def __repr__(self) -> str:
        return f"Session(handle={self.handle!r})"

    def renewed(self, grant: Grant, principal: Principal) -> "Session":
        """Return this session with a new grant's tokens and claims."""
        return replace(self, tokens=grant.tokens, claims=grant.claims, principal=principal)


class _Record(msgspec.Struct, omit_defaults=True):
    """The sealed form. Fields are added at the end and never change their meaning."""

    handle: str
    issuer: str
    subject: str
    roles: list[str]
    claims: dict[str, Any]
    access_token: str
    issued_at: float
    token_expires_at: float
    scope: str
    token_type: str
    created_at: float
    expires_at: float
    refresh_token: str | None = None
    id_token: str | None = None
    issuer_sid: str | None = None


class Summary(msgspec.Struct, frozen=True):
    """What lists of sessions show. It holds no token and no claim but the subject's name for people."""

    issuer: str
    subject: str
    name: str
    roles: list[str]
    client: str
    created_at: float
    expires_at: float


_ENCODER = msgspec.msgpack.Encoder()
_RECORD_DECODER = msgspec.msgpack.Decoder(_Record)
_SUMMARY_DECODER = msgspec.msgpack.Decoder(Summary)


def build_record(session: Session) -> bytes:
    """Encode a session for sealing."""
    tokens = session.tokens
    return _ENCODER.encode(
        _Record(
            handle=session.handle,
            issuer=session.principal.issuer,
            subject=session.principal.subject,
            roles=sorted(session.principal.roles),
            claims=dict(session.claims),
            access_token=tokens.access_token,
            issued_at=tokens.issued_at,
            token_expires_at=tokens.expires_at,
            scope=tokens.scope,
            token_type=tokens.token_type,
            created_at=session.created_at,
            expires_at=session.expires_at,
            refresh_token=tokens.refresh_token,
            id_token=tokens.id_token,
            issuer_sid=session.issuer_sid,
        )
    )


def parse_record(encoded: bytes) -> Session:
    """Decode what `build_record` encoded.

    Raises:
        msgspec.DecodeError: when the bytes are something else.
    """
    record = _RECORD_DECODER.decode(encoded)
    return Session(
        handle=record.handle,
        principal=Principal(
            issuer=record.issuer, subject=record.subject, roles=frozenset(record.roles), claims=record.claims
        ),
        claims=record.claims,
        tokens=TokenSet(
            access_token=record.access_token,
            issued_at=record.issued_at,
            expires_at=record.token_expires_at,
            refresh_token=record.refresh_token,
            id_token=record.id_token,
            scope=record.scope,
            token_type=record.token_type,
        ),
        created_at=record.created_at,
        expires_at=record.expires_at,
        issuer_sid=record.issuer_sid,
    )


def build_summary(session: Session, client_id: str) -> bytes:
    """Encode what a list shows of this session."""
    name = session.claims.get("name") or session.claims.get("preferred_username")
    return _ENCODER.encode(
        Summary(
            issuer=session.principal.issuer,
            subject=session.principal.subject,
            name=name if isinstance(name, str) else "",
            roles=sorted(session.principal.roles),
            client=client_id,
            created_at=session.created_at,
            expires_at=session.expires_at,
        )
    )


def parse_summary(encoded: bytes) -> Summary:
    """Decode what `build_summary` encoded."""
    return _SUMMARY_DECODER.decode(encoded)
