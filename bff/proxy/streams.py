"""Calls that stay open end with their session, with the right to them, and with the worker.

A request is decided on once. A socket or a stream of events may stay open for hours after that, so whoever carries
one out adds it here, and is told when it may not go on. One timer looks after all of them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bff.errors import SessionExpired, SessionStoreUnavailable
from bff.proxy.call import Call
from bff.proxy.closing import Ending
from bff.session.freshness import Freshness
from bff.session.live import LiveSession, News
from bff.session.principal import Principal
from bff.session.renewal import Renewer
from bff.session.sessions import Sessions

_EVERY = 0.5  # seconds between two looks: an end that nobody tells of (idle, absolute) is noticed within that
_ASK_AGAIN = 2.0  # seconds after which the store is asked again about a session that may have ended unheard


class OpenCall(Protocol):
    """One of them, as its carrier shows it."""

    @property
    def call(self) -> Call:
        """Whose it is, and what was decided."""
        ...

    @property
    def kind(self) -> str:
        """What stays open: `websocket`, `events` or `answer`; nothing before that is known."""
        ...

    def end(self, why: Ending) -> None:
        """End it now, in a way that nobody takes for completion."""
        ...

    def take_use(self) -> bool:
        """Whether its user has used it since this was asked last."""
        ...

    def tick(self, draining_for: float | None) -> None:
        """Look after itself; `draining_for` are the seconds since the worker began to drain."""
        ...


def _anything(_call: Call) -> bool:
    return True


@dataclass(eq=False, slots=True)
class _Watched:
    """A session with open calls."""

    roles: frozenset[str]  # as of the last decision, those of the moment included
    calls: set[OpenCall] = field(default_factory=set)
    watcher: Callable[[News], None] | None = None
    asked_at: float = 0.0


class OpenCalls:
    """All of a worker's calls that stay open."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        renewer: Renewer,
        clock: Callable[[], float],
        principal_now: Callable[[Principal, float], Principal] | None = None,
    ) -> None:
        self._sessions = sessions
        self._renewer = renewer
        self._allows: Callable[[Call], bool] = _anything
        self._clock = clock
        self._principal_now = principal_now
        self._by_session: dict[LiveSession, _Watched] = {}
        self._anonymous: set[OpenCall] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._draining_since: float | None = None

    def decide_with(self, allows: Callable[[Call], bool]) -> None:
        """Ask this whether a call may still be made, whenever its user's roles or claims have changed."""
        self._allows = allows

    def __len__(self) -> int:
        return len(self._anonymous) + sum(len(watched.calls) for watched in self._by_session.values())

    def kinds(self) -> Counter[str]:
        """Return how many there are of each kind."""
        return Counter(opened.kind for opened in self._all())

    def add(self, opened: OpenCall) -> None:
        """Look after a call until it is discarded. Its `end` may be called at once, from in here."""
        live = opened.call.live
        if live is None:
            self._anonymous.add(opened)
        else:
            (self._by_session.get(live) or self._watch(live)).calls.add(opened)
            if live.ended:  # between the decision and now
                opened.end(Ending.SESSION_ENDED)
            elif not self._allows(opened.call):  # a role may have gone meanwhile, and nobody told
                opened.end(Ending.ACCESS_DENIED)
        if self._draining_since is not None:
            opened.tick(self._drained())
        if self._timer is None:
            self._look_later()

    def discard(self, opened: OpenCall) -> None:
        """It has ended."""
        live = opened.call.live
        if live is None:
            self._anonymous.discard(opened)
            return
        watched = self._by_session.get(live)
        if watched is None:
            return
        watched.calls.discard(opened)
        if not watched.calls:
            del self._by_session[live]
            if watched.watcher is not None:
                live.watchers.discard(watched.watcher)

    def drain(self) -> None:
        """The worker is about to stop: what would never end by itself has to."""
        self._draining_since = asyncio.get_running_loop().time()
        for opened in self._all():
            opened.tick(0.0)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()

    # ── what is heard of a session ──────────────────────────────────────────────────────────────────────

    def _watch(self, live: LiveSession) -> _Watched:
        watched = _Watched(self._roles(live, self._clock()))

        def hear(news: News) -> None:
            if news is News.ENDED:
                self._end(live, Ending.SESSION_ENDED)
            elif news is News.CLAIMS_CHANGED:  # told before the session is as it will be
                asyncio.get_running_loop().call_soon(self._decide_anew, live)

        watched.watcher = hear
        live.watchers.add(hear)
        self._by_session[live] = watched
        return watched

    def _end(self, live: LiveSession, why: Ending) -> None:
        watched = self._by_session.get(live)
        for opened in tuple(watched.calls) if watched is not None else ():
            opened.end(why)

    def _decide_anew(self, live: LiveSession) -> None:
        watched = self._by_session.get(live)
        if watched is None:
            return
        watched.roles = self._roles(live, self._clock())
        for opened in tuple(watched.calls):
            if not self._allows(opened.call):
                opened.end(Ending.ACCESS_DENIED)

    def _roles(self, live: LiveSession, now: float) -> frozenset[str]:
        principal = live.principal
        return (principal if self._principal_now is None else self._principal_now(principal, now)).roles

    # ── what nobody tells ───────────────────────────────────────────────────────────────────────────────

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._by_session or self._anonymous:
            self._look_later()  # first: whatever goes wrong below, the next look comes
        drained = self._drained()
        for opened in self._all():
            opened.tick(drained)
        now = self._clock()
        doubtful = [live for live, watched in tuple(self._by_session.items()) if self._look_at(live, watched, now)]
        if doubtful and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._ask(doubtful), name="ask-after-sessions")

    def _look_at(self, live: LiveSession, watched: _Watched, now: float) -> bool:
        """Return whether the store must be asked if the session still lives."""
        used = sum(opened.take_use() for opened in watched.calls) > 0  # each of them is asked
        if now >= live.session.expires_at:
            self._end(live, Ending.SESSION_ENDED)
            return False
        if self._principal_now is not None and self._roles(live, now) != watched.roles:
            self._decide_anew(live)
        if now >= live.idle_expires_at:  # unless it was used at another worker
            return self._may_ask(watched, _EVERY)
        if used:
            self._sessions.slide(live, now)
            if live.freshness(now) in {Freshness.DUE, Freshness.EXPIRED}:
                self._renewer.renew_soon(live, now)
        return live.checked_until == 0.0 and self._may_ask(watched, _ASK_AGAIN)

    def _may_ask(self, watched: _Watched, after: float) -> bool:
        now = asyncio.get_running_loop().time()
        if now < watched.asked_at + after:
            return False
        watched.asked_at = now
        return True

    async def _ask(self, doubtful: list[LiveSession]) -> None:
        """One after the other, so that a store that has just come back is not asked everything at once."""
        for live in doubtful:
            try:
                await self._sessions.reload(live, self._clock())  # tells of an end by itself
            except SessionStoreUnavailable:
                continue  # nobody is logged out by a store that is away: ask again
            except SessionExpired:
                self._end(live, Ending.SESSION_ENDED)

    def _all(self) -> tuple[OpenCall, ...]:
        return (*self._anonymous, *(each for watched in self._by_session.values() for each in watched.calls))

    def _drained(self) -> float | None:
        since = self._draining_since
        return asyncio.get_running_loop().time() - since if since is not None else None
