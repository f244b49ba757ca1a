"""Roles that are assigned for a time begin and end by themselves: the pages of whoever holds them are told."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from bff.session.live import LiveSession, News
from bff.session.sessions import Sessions

AssignedRoles = Callable[[str, float], frozenset[str] | None]
_NONE: frozenset[str] = frozenset()
_JUST_NOW = 2.0  # seconds: a page that asked who it is a moment ago, and watches since, is told as well


class RoleTurns:
    """Compares, at every look, what is assigned with what was. Looks come once a second."""

    def __init__(self, sessions: Sessions, assigned: AssignedRoles, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._assigned = assigned
        self._clock = clock
        self._seen: WeakKeyDictionary[LiveSession, frozenset[str]] = WeakKeyDictionary()

    def look(self) -> None:
        """Tell the pages of every session whose assigned roles are others than at the last look. No I/O."""
        now = self._clock()
        for live in self._sessions.known():
            subject = live.principal.subject
            roles = self._assigned(subject, now) or _NONE
            before = self._seen.get(live)
            if before is None:
                before = self._assigned(subject, now - _JUST_NOW) or _NONE
            self._seen[live] = roles
            if roles != before:
                live.tell(News.CLAIMS_CHANGED)
