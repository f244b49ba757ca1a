"""What a session cookie turns out to be."""

from dataclasses import dataclass

from bff.crypto.envelope import Envelope, TooOldError
from bff.crypto.key_ring import CannotOpenError
from bff.errors import BffError, CookieUnreadable, SessionExpired, SessionRequired
from bff.session.live import LiveSession
from bff.session.ticket import Ticket, parse_ticket


@dataclass(frozen=True, slots=True)
class Gone:
    """There was a session; it has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cookie came that is not ours, damaged, or sealed with a key that is gone: as good as none."""


Resolved = LiveSession | Gone | Unreadable


def open_cookie(envelope: Envelope, cookie: bytes, now: float, longest: float) -> Ticket | Gone | Unreadable:
    """Return the ticket in a cookie. What is older than `longest` seconds, as no session is, has had its time."""
    try:
        payload, _ = envelope.open(cookie, now, max_age=longest)
    except TooOldError:
        return Gone("expired")
    except CannotOpenError:
        return Unreadable()
    return parse_ticket(payload) or Unreadable()


def refusal_of(found: Gone | Unreadable | None) -> BffError:
    """Return what a call is told that needs a session and has none; None: no cookie came."""
    if isinstance(found, Gone):
        return SessionExpired(reason=found.reason)
    return SessionRequired() if found is None else CookieUnreadable()
