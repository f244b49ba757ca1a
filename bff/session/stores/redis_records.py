"""How a record lies in a Redis hash, and what a call may raise. No I/O."""

from collections.abc import Sequence

import msgspec
from redis import exceptions

from bff.session.records import Ended, StoredSession
from bff.session.stores.lifetime import is_live
from bff.session.ticket import handle_of

FIELDS = (
    "version",
    "sealed",
    "about",
    "idle_expires_at",
    "expires_at",
    "ended_at",
    "reason",
)

Field = str | bytes | int | float


class _About(msgspec.Struct, array_like=True):
    """What of a live record no script looks at. Each field of a hash costs as much as what is in it."""

    summary: bytes
    subject: bytes
    issuer_sid: bytes | None
    handle: str | None  # None: how the key begins
    created_at: float


_ABOUT = msgspec.msgpack.Encoder()
_ABOUT_DECODER = msgspec.msgpack.Decoder(_About)

FAULTS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)  # whatever a call may raise


def _about(record: StoredSession) -> _About:
    handle = None if handle_of(record.key) == record.handle else record.handle
    return _About(record.summary, record.subject, record.issuer_sid, handle, record.created_at)


def build_fields(record: StoredSession, version: int) -> list[Field]:
    """Write a live record as the field, value, … of its hash. What no script looks at shares a field."""
    return [
        *("version", version),
        *("sealed", record.sealed),
        *("about", _ABOUT.encode(_about(record))),
        *("idle_expires_at", record.idle_expires_at),
        *("expires_at", record.expires_at),
    ]


def parse_fields(key: bytes, values: Sequence[bytes | None]) -> tuple[StoredSession | Ended, float] | None:
    """Read the values of `FIELDS`: the record and its absolute end, or None where there is no hash."""
    version, sealed, encoded, idle_expires_at, expires_at, ended_at, reason = values
    if expires_at is None:
        return None
    if ended_at is not None:
        return Ended(key, (reason or b"").decode(), float(ended_at), sealed), float(expires_at)
    if encoded is None:
        return None
    about = _ABOUT_DECODER.decode(encoded)
    record = StoredSession(
        key=key,
        version=int(version or 0),
        sealed=sealed or b"",
        summary=about.summary,
        subject=about.subject,
        issuer_sid=about.issuer_sid,
        handle=handle_of(key) if about.handle is None else about.handle,
        created_at=about.created_at,
        idle_expires_at=float(idle_expires_at or 0),
        expires_at=float(expires_at),
    )
    return record, record.expires_at


def select_current(parsed: tuple[StoredSession | Ended, float] | None, now: float) -> StoredSession | Ended | None:
    """Return what was parsed unless it is past its end."""
    match parsed:
        case StoredSession() as record, _ if is_live(record, now):
            return record
        case Ended() as ended, expires_at if now < expires_at:
            return ended
        case _:
            return None


def is_left_behind(exc: Exception) -> bool:
    """Whether a server that takes no writes, be it for lack of replicas, may be no primary any more."""
    no_replicas = isinstance(exc, exceptions.ResponseError) and str(exc).startswith("NOREPLICAS")
    return no_replicas or isinstance(exc, exceptions.ReadOnlyError)
