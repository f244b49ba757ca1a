"""A session in a worker's memory."""

import enum
from collections.abc import Callable

from bff.oidc.token_set import TokenSet
from bff.session.freshness import Freshness, RenewalTimes, freshness, renewal_times
from bff.session.principal import Principal
from bff.session.session import Session
from bff.session.ticket import Ticket


class News(enum.StrEnum):
    """What a page can be told about its session."""

    ENDED = "session-ended"
    EXTENDED = "session-extended"
    CLAIMS_CHANGED = "claims-changed"
    EXPIRING = "expiring"
    CLOSING = "closing"  # told to watchers only: the worker stops, and pages find another one


# Claims that every renewal changes without anything having happened to the user.
_PASSING = frozenset({"iat", "exp", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "sid"})
Watcher = Callable[[News], None]


class LiveSession:
    """The one mutable thing: the worker's current view of a session, shared by all its requests.

    Everything a request needs is worked out when the view changes, not when a request comes.
    """

    __slots__ = (
        "__weakref__",
        "authorization",
        "came_from",
        "checked_until",
        "ended",
        "failures",
        "idle_expires_at",
        "key",
        "principal",
        "renew_ahead",
        "retry_at",
        "session",
        "tell_elsewhere_at",
        "ticket",
        "times",
        "touch_at",
        "uses",
        "version",
        "vouched_until",
        "watchers",
    )

    def __init__(self, ticket: Ticket, key: bytes, renew_ahead: float) -> None:
        self.ticket = ticket
        self.key = key
        self.renew_ahead = renew_ahead
        self.failures = 0  # renewals that failed in a row
        self.retry_at = 0.0  # not before this are renewals tried again
        self.touch_at = 0.0  # from when the next use is written to the store
        self.checked_until = 0.0  # until when the store need not be asked
        self.vouched_until = 0.0  # until when the store is known to have stood behind this view
        self.came_from: tuple[bytes, str] | None = None  # what its browser showed of itself when last compared
        self.tell_elsewhere_at = 0.0  # from when a request that looks like another browser's is told of again
        self.ended = False  # for good: an ended session never comes back
        self.watchers: set[Watcher] = set()  # pages that want to hear of it
        # Which calls were let through since they were last collected: route, method, rule; and when the latest was.
        self.uses: dict[tuple[str, str, int], float] = {}

    session: Session
    principal: Principal
    times: RenewalTimes
    authorization: str
    version: int
    idle_expires_at: float

    def adopt(self, session: Session, version: int) -> None:
        """Take on a newer view."""
        if self.watchers and _lasting(session.principal) != _lasting(self.principal):
            self.tell(News.CLAIMS_CHANGED)
        self.session = session
        self.principal = session.principal
        self.version = version
        self.authorization = "Bearer " + session.tokens.access_token
        # The key is uniformly random, and the same on every worker.
        jitter = int.from_bytes(self.key[:2], "big") / 65536
        self.times: RenewalTimes = renewal_times(session.tokens, self.renew_ahead, jitter)
        self.failures = 0
        self.retry_at = 0.0

    def tell(self, news: News) -> None:
        """Let the pages that watch know."""
        for watcher in tuple(self.watchers):
            watcher(news)

    def freshness(self, now: float) -> Freshness:
        """What the tokens are good for."""
        return freshness(self.session.tokens, self.times, now)

    @property
    def tokens(self) -> TokenSet:
        """The current token set."""
        return self.session.tokens


def scope_of(live: LiveSession | None) -> str:
    """What the session's access token may be used for (RFC 6749 §3.3); nothing without a session."""
    return live.session.tokens.scope if live is not None else ""


def _lasting(principal: Principal) -> tuple[frozenset[str], dict[str, object]]:
    claims = {name: value for name, value in principal.claims.items() if name not in _PASSING}
    return principal.roles, claims
