"""How a record lies in a Redis hash, and what the faults of Redis are called. No I/O."""

from collections.abc import Sequence

from redis import exceptions

from bff.session.records import Ended, StoredSession
from bff.session.stores.lifetime import is_live

FIELDS = (
    "version",
    "sealed",
    "summary",
    "subject",
    "issuer_sid",
    "handle",
    "created_at",
    "idle_expires_at",
    "expires_at",
    "ended_at",
    "reason",
)

Field = str | bytes | int | float


def build_fields(record: StoredSession, version: int) -> list[Field]:
    """Write a live record as the field, value, … of its hash. No issuer sid is an empty one."""
    return [
        *("version", version),
        *("sealed", record.sealed),
        *("summary", record.summary),
        *("subject", record.subject),
        *("issuer_sid", record.issuer_sid or b""),
        *("handle", record.handle),
        *("created_at", record.created_at),
        *("idle_expires_at", record.idle_expires_at),
        *("expires_at", record.expires_at),
    ]


def parse_fields(key: bytes, values: Sequence[bytes | None]) -> tuple[StoredSession | Ended, float] | None:
    """Read the values of `FIELDS`: the record and its absolute end, or None where there is no hash."""
    version, sealed, summary, subject, issuer_sid, handle, created_at, idle_expires_at, expires_at = values[:9]
    ended_at, reason = values[9:]
    if expires_at is None:
        return None
    if ended_at is not None:
        return Ended(key, (reason or b"").decode(), float(ended_at), sealed), float(expires_at)
    record = StoredSession(
        key=key,
        version=int(version or 0),
        sealed=sealed or b"",
        summary=summary or b"",
        subject=subject or b"",
        issuer_sid=issuer_sid or None,
        handle=(handle or b"").decode(),
        created_at=float(created_at or 0),
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


def reason_of(exc: exceptions.RedisError | OSError) -> str:
    """Name the category of a fault."""
    match exc:
        case exceptions.TimeoutError() | TimeoutError():
            return "timeout"
        case exceptions.AuthenticationError() | exceptions.AuthorizationError() | exceptions.NoPermissionError():
            return "credentials refused"
        case exceptions.BusyLoadingError():
            return "still loading its data"
        case exceptions.ReadOnlyError():
            return "read-only replica"
        case exceptions.OutOfMemoryError():
            return "out of memory"
        case exceptions.ConnectionError() | OSError():
            return "no connection"
        case _:
            return "server error"
