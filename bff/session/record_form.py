"""How a session is written down before it is sealed: its credentials as they are, all else deflated.

The length of what is sealed can be seen in the store, and compressed text tells by its length what it has in common
with the text beside it. Some of that is chosen by others: users and administrators name themselves and groups.
So nothing that opens anything is ever compressed: no opaque token, no signature of a JWT. What is, are the readable
parts of JWTs (worth nothing without their signatures) and what we know besides; their length tells no more of a
credential than the length of the plain text would.

The first form, one MessagePack map, is still read. A field that this version does not know is kept and written
again: a newer version on the same store has put it there.
A record that begins with another number up to 31 is of a newer form.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from bff.errors import SessionFromNewerVersion
from bff.oidc.token_set import TokenSet
from bff.session.deflating import deflate, inflate
from bff.session.principal import Principal
from bff.session.session import Session, Unknown
from bff.session.token_parts import Credential, join_token, split_token

_SECOND = b"\x02"  # what the second form begins with; no MessagePack map does
_NO_FORM = b"\x20"  # the first byte that no form will ever begin with
_TOKENS = ("access_token", "refresh_token", "id_token")


class _Text(msgspec.Struct, omit_defaults=True):
    """What is deflated. Fields are added at the end and never change their meaning."""

    handle: str
    issuer: str
    subject: str
    roles: list[str]
    issued_at: float
    token_expires_at: float
    created_at: float
    expires_at: float
    scope: str = ""
    token_type: str = "Bearer"
    issuer_sid: str | None = None
    claims: dict[str, Any] | None = None  # None: just those of the ID token
    # Of each token that is a JWS: header and claims, as they were sent.
    jws_open: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    is_remembered: bool = False
    traits: dict[str, str] = msgspec.field(default_factory=dict)


class _Sealed(msgspec.Struct, omit_defaults=True, rename=lambda name: name[0]):
    """What is sealed: the credentials beside the deflated text. Nothing makes these names smaller but brevity."""

    text: bytes
    access_token: Credential
    refresh_token: Credential | None = None
    id_token: Credential | None = None


class _FirstForm(msgspec.Struct):
    """What was sealed before."""

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


_ENCODER = msgspec.msgpack.Encoder()
_FIRST_FORM = msgspec.msgpack.Decoder(_FirstForm)
_MAP = msgspec.msgpack.Decoder(dict[str, Any])
_CLAIMS = msgspec.json.Decoder(dict[str, Any])


def build_record(session: Session) -> bytes:
    """Encode a session for sealing."""
    tokens = session.tokens
    credentials: dict[str, Credential] = {}
    jws_open: dict[str, list[bytes]] = {}
    for name in _TOKENS:
        token = getattr(tokens, name)
        if token is not None:
            credentials[name], opened = split_token(token)
            if opened:
                jws_open[name] = opened
    text = _Text(
        handle=session.handle,
        issuer=session.principal.issuer,
        subject=session.principal.subject,
        roles=sorted(session.principal.roles),
        issued_at=tokens.issued_at,
        token_expires_at=tokens.expires_at,
        created_at=session.created_at,
        expires_at=session.expires_at,
        scope=tokens.scope,
        token_type=tokens.token_type,
        issuer_sid=session.issuer_sid,
        claims=None if _are_of(jws_open.get("id_token"), session.claims) else dict(session.claims),
        jws_open=jws_open,
        is_remembered=session.is_remembered,
        traits=dict(session.traits),
    )
    deflated = deflate(_encode(text, session.unknown.text))
    return _SECOND + _encode(_Sealed(deflated, **credentials), session.unknown.credentials)


def parse_record(encoded: bytes) -> Session:
    """Decode what `build_record` encoded, or its first version did.

    Raises:
        SessionFromNewerVersion: a newer version wrote them, in a form of its own.
        msgspec.DecodeError: the bytes are something else.
    """
    if _SECOND < encoded[:1] < _NO_FORM:
        raise SessionFromNewerVersion
    if not encoded.startswith(_SECOND):
        return _from_first_form(_FIRST_FORM.decode(encoded))
    credentials = _MAP.decode(memoryview(encoded)[1:])
    sealed = msgspec.convert(credentials, _Sealed)
    fields = _MAP.decode(inflate(sealed.text))
    text = msgspec.convert(fields, _Text)
    opened = text.jws_open
    claims = text.claims if text.claims is not None else _claims_of(opened.get("id_token"))
    return Session(
        handle=text.handle,
        principal=Principal(text.issuer, text.subject, frozenset(text.roles), claims),
        claims=claims,
        tokens=TokenSet(
            access_token=join_token(sealed.access_token, opened.get("access_token", [])),
            issued_at=text.issued_at,
            expires_at=text.token_expires_at,
            refresh_token=_joined(sealed.refresh_token, opened.get("refresh_token", [])),
            id_token=_joined(sealed.id_token, opened.get("id_token", [])),
            scope=text.scope,
            token_type=text.token_type,
        ),
        created_at=text.created_at,
        expires_at=text.expires_at,
        issuer_sid=text.issuer_sid,
        is_remembered=text.is_remembered,
        traits=text.traits,
        unknown=Unknown(text=_others(fields, _Text), credentials=_others(credentials, _Sealed)),
    )


def _encode(known: msgspec.Struct, unknown: Mapping[str, Any]) -> bytes:
    if not unknown:
        return _ENCODER.encode(known)
    names = known.__struct_encode_fields__
    return _ENCODER.encode({**unknown, **dict(zip(names, msgspec.structs.astuple(known), strict=True))})


def _others(fields: Mapping[str, Any], known: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: fields[name] for name in fields.keys() - set(known.__struct_encode_fields__)}


def _joined(credential: Credential | None, opened: list[bytes]) -> str | None:
    return None if credential is None else join_token(credential, opened)


def _claims_of(opened: list[bytes] | None) -> dict[str, Any]:
    if opened is None:
        raise msgspec.ValidationError("neither claims nor an ID token that has some")
    return _CLAIMS.decode(opened[-1])


def _are_of(opened: list[bytes] | None, claims: Mapping[str, Any]) -> bool:
    """Whether exactly these claims can be read in the ID token again; 1 and true are not the same."""
    try:
        return _ENCODER.encode(_claims_of(opened)) == _ENCODER.encode(dict(claims))
    except (msgspec.DecodeError, OverflowError):  # a number that JSON allows and MessagePack does not
        return False


def _from_first_form(record: _FirstForm) -> Session:
    return Session(
        handle=record.handle,
        principal=Principal(record.issuer, record.subject, frozenset(record.roles), record.claims),
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
