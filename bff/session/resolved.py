"""What a session cookie turns out to be."""

from dataclasses import dataclass

from bff.errors import BffError, CookieUnreadable, SessionExpired, SessionRequired
from bff.session.live import LiveSession


@dataclass(frozen=True, slots=True)
class Gone:
    """There was a session; it has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cookie came that is not ours, damaged, or sealed with a key that is gone: as good as none."""


Resolved = LiveSession | Gone | Unreadable


def refusal_of(found: Gone | Unreadable | None) -> BffError:
    """Return what a call is told that needs a session and has none; None: no cookie came."""
    if isinstance(found, Gone):
        return SessionExpired(reason=found.reason)
    return SessionRequired() if found is None else CookieUnreadable()
