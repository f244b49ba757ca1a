"""When a record is alive. The same two lines for every store."""

from bff.errors import SessionStoreUnavailable
from bff.session.records import StoredSession


def ends_at(record: StoredSession) -> float:
    """Return when the record dies if nobody touches it again, in epoch seconds."""
    return min(record.idle_expires_at, record.expires_at)


def is_live(record: StoredSession, now: float) -> bool:
    """Say whether the record is before both of its ends."""
    return now < ends_at(record)


def unavailable(reason: str) -> SessionStoreUnavailable:
    """Build the one error of the stores. `reason` is a category: it names no path, no host and no secret."""
    return SessionStoreUnavailable(
        f"The session store does not answer ({reason}). Nobody has been logged out; try again in a moment."
    )
