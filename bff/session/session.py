"""The session: what we know of a signed-in user, as a value; and what lists show of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import msgspec

from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.session.deflating import deflate, inflate
from bff.session.principal import Principal


@dataclass(frozen=True, slots=True, repr=False)
class Unknown:
    """What a newer version has written into a record: kept as it is, and written again."""

    text: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    credentials: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


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
    is_remembered: bool = False  # the user asked for it at login
    traits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # of its browser
    unknown: Unknown = field(default_factory=Unknown)

    def __repr__(self) -> str:
        return f"Session(handle={self.handle!r})"

    def renewed(self, grant: Grant, principal: Principal) -> "Session":
        """Return this session with a new grant's tokens and claims."""
        return replace(self, tokens=grant.tokens, claims=grant.claims, principal=principal)


class Summary(msgspec.Struct, frozen=True):
    """What lists of sessions show. It holds no token and no claim but the subject's name for people."""

    issuer: str
    subject: str
    name: str
    roles: list[str]
    client: str


_ENCODER = msgspec.msgpack.Encoder()
_DEFLATED = b"\x02"  # what the second form begins with; no MessagePack map does
_SUMMARY_DECODER = msgspec.msgpack.Decoder(Summary)


def build_summary(session: Session, client_id: str) -> bytes:
    """Encode what a list shows of this session: no credential is in it, so it may be compressed."""
    name = session.claims.get("name") or session.claims.get("preferred_username")
    summary = _ENCODER.encode(
        Summary(
            issuer=session.principal.issuer,
            subject=session.principal.subject,
            name=name if isinstance(name, str) else "",
            roles=sorted(session.principal.roles),
            client=client_id,
        )
    )
    return _DEFLATED + deflate(summary)


def parse_summary(encoded: bytes) -> Summary:
    """Decode what `build_summary` encoded, or its first version did.

    Raises:
        msgspec.DecodeError: the bytes are something else.
    """
    return _SUMMARY_DECODER.decode(inflate(encoded[1:]) if encoded.startswith(_DEFLATED) else encoded)
