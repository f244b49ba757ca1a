"""The worker's sessions: cookie in, live session out; and their beginning and end."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError
from bff.errors import SessionExpired, SessionStoreUnavailable
from bff.events import Emit
from bff.oidc.grant import Grant
from bff.session.background import Background
from bff.session.beginning import Beginning, new_session
from bff.session.changes import ChangeFeed
from bff.session.grace import Grace
from bff.session.leftovers import Leftovers
from bff.session.limits import Limits
from bff.session.live import LiveSession, News
from bff.session.principal import Principal
from bff.session.records import Change, ChangeKind, Ended, Store, StoredSession
from bff.session.resolved import Gone, Resolved, Unreadable, open_cookie
from bff.session.revocation import Revocations
from bff.session.ticket import Ticket, handle_of, new_ticket
from bff.session.vault import Vault

COOKIE_PURPOSE = b"session-cookie"
_PLAINLY = Beginning()


class Sessions:
    """All sessions as one worker sees them. Every method that reads the store raises `SessionStoreUnavailable`."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        feed: ChangeFeed,
        revocations: Revocations,
        background: Background,
        limits: Limits,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._store = store
        self._vault = vault
        self.feed = feed
        self._revocations = revocations
        self.background = background
        self.limits = limits
        self._clock = clock
        self._emit = emit
        self._envelope = Envelope(vault.ring, COOKIE_PURPOSE)
        self.leftovers = Leftovers(store, vault, revocations, clock)
        self.hits = self.misses = self.invalidations = 0  # of the worker's cache
        self._grace = Grace(limits.grace)
        # In the order in which they were last compared with the store: whoever is in use is, twice a minute.
        self._by_cookie: OrderedDict[bytes, LiveSession] = OrderedDict()
        self._by_key: WeakValueDictionary[bytes, LiveSession] = WeakValueDictionary()
        feed.listen(self._on_change, self._doubt_all, self._ask_again)

    # ── from a cookie to a session ──────────────────────────────────────────────────────────────────────

    def peek(self, cookie: bytes, now: float) -> LiveSession | None:
        """Return the session if the worker knows it and may believe what it knows. No I/O."""
        live = self._by_cookie.get(cookie)
        if live is None or not self.feed.trusted or now >= live.checked_until or now >= live.idle_expires_at:
            return None
        self.hits += 1
        return live

    async def load(self, cookie: bytes, now: float) -> Resolved:
        """Open the cookie and ask the store: one round trip."""
        self.misses += 1
        if (warm := self._grace.instead(self._by_cookie.get(cookie), now)) is not None:
            return warm
        ticket = open_cookie(self._envelope, cookie, now, self.limits.longest)
        if not isinstance(ticket, Ticket):
            return ticket
        try:
            record, believed = await self._read(ticket.store_key, now)
        except SessionStoreUnavailable:
            if (warm := self._grace.after_failure(self._by_cookie.get(cookie), self._clock())) is None:
                raise
            return warm
        self._grace.over()
        if not isinstance(record, StoredSession) and (known := self._by_key.get(ticket.store_key)) is not None:
            self._drop(known)  # its end went unheard, and no grace may bring it back
        match record:
            case None:
                return Gone("expired")
            case Ended():
                self._revoke_leftover(record, ticket)
                return Gone(record.reason)
            case StoredSession():
                live = self._adopt(record, ticket, now, believed=believed)
                if live is None:
                    return Unreadable()
                self._remember(cookie, live)
                return live

    async def resolve(self, cookie: bytes | None) -> Resolved | None:
        """`peek`, then `load`; None when no cookie came."""
        if cookie is None:
            return None
        now = self._clock()
        return self.peek(cookie, now) or await self.load(cookie, now)

    def slide(self, live: LiveSession, now: float) -> None:
        """Note a use: the idle end moves on. Written in the background, once a minute at most."""
        idle = self.limits.idle_of(is_remembered=live.session.is_remembered)
        live.idle_expires_at = min(now + idle, live.session.expires_at)
        if now >= live.touch_at:
            live.touch_at = now + self.limits.touch_interval
            self.background.start(self._touch(live), "slide-session")
            live.tell(News.EXTENDED)

    async def reload(self, live: LiveSession, now: float) -> StoredSession | Ended | None:
        """Read a session again and take on what is newer."""
        record, believed = await self._read(live.key, now)
        if isinstance(record, StoredSession):
            if self._adopt(record, live.ticket, now, live, believed=believed) is None:
                raise SessionExpired(reason="ended")
            return record
        self._drop(live)
        return record

    # ── beginning and end ───────────────────────────────────────────────────────────────────────────────

    async def create(
        self, grant: Grant, principal: Principal, now: float, beginning: Beginning = _PLAINLY
    ) -> tuple[LiveSession, bytes]:
        """Begin a session under a new id; return it and the cookie's value."""
        ticket = new_ticket()
        handle = handle_of(ticket.store_key)
        session = new_session(handle, grant, principal, self.limits, beginning, now)
        idle = self.limits.idle_of(is_remembered=session.is_remembered)
        record = self._vault.seal(session, ticket, version=1, idle_expires_at=now + idle)
        await self._store.create(record)
        live = LiveSession(ticket, record.key, self.limits.renew_ahead)
        live.idle_expires_at = record.idle_expires_at
        live.adopt(session, record.version)
        return live, self._envelope.seal(ticket.build(), now)

    async def end(self, live: LiveSession, reason: str, now: float, *, keep_sealed: bool = False) -> bool:
        """End a session that we can open, and revoke its tokens. False when it had ended already."""
        ended = await self._store.end(live.key, reason, now, keep_sealed=keep_sealed)
        self._drop(live)
        if ended:
            self._revocations.later(live.tokens, live.session.handle)
        return ended

    async def end_key(self, key: bytes, reason: str, now: float) -> bool:
        """End a session of which only the record is known. Whoever can open it revokes its tokens."""
        ended = await self._store.end(key, reason, now, keep_sealed=True)
        self._let_go(key)
        return ended

    async def end_keys(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """Do the same for many at once; return those that were alive."""
        ended = await self._store.end_many(keys, reason, now)
        for key in keys:
            self._let_go(key)
        return ended

    def forget(self, live: LiveSession) -> None:
        """Drop a session that is known to have ended."""
        self._drop(live)

    def known(self) -> list[LiveSession]:
        """Return the sessions that this worker has in memory."""
        return list(self._by_key.values())

    def close_watchers(self) -> None:
        """Let whoever watches a session go: the worker is about to stop."""
        for live in self.known():
            live.tell(News.CLOSING)

    # ── the cookie ──────────────────────────────────────────────────────────────────────────────────────

    def reseal(self, live: LiveSession, cookie: bytes, now: float) -> bytes | None:
        """Return a new cookie value when this one was sealed with an older key, else None."""
        return None if self._envelope.is_newest(cookie) else self._envelope.seal(live.ticket.build(), now)

    # ── the worker's view ───────────────────────────────────────────────────────────────────────────────

    async def _read(self, key: bytes, now: float) -> tuple[StoredSession | Ended | None, bool]:
        """Return what the store has, and whether every change since then will be heard of."""
        with self.feed.waiter(key) as waiter:
            trusted = self.feed.trusted
            record = await self._store.load(key, now)
            if not waiter.heard:
                return record, trusted
        # It changed while we read, or pushes were missed: what we read may be older than what was pushed.
        return await self._store.load(key, now), False

    def _adopt(
        self, record: StoredSession, ticket: Ticket, now: float, live: LiveSession | None = None, *, believed: bool
    ) -> LiveSession | None:
        live = live or self._by_key.get(record.key)
        if live is not None and live.ended:
            return None
        if live is None or live.version < record.version:
            try:
                session = self._vault.open(record.key, record.sealed, ticket)
            except CannotOpenError:
                self._emit("session.unreadable", {"session": record.handle})
                return None
            if live is None:
                live = LiveSession(ticket, record.key, self.limits.renew_ahead)
                live.idle_expires_at = record.idle_expires_at
                self._by_key[record.key] = live
            live.adopt(session, record.version)
        live.idle_expires_at = max(live.idle_expires_at, record.idle_expires_at)
        live.checked_until = min(now + self.limits.recheck, record.expires_at) if believed else 0.0
        live.vouched_until = max(now, live.checked_until)
        return live

    async def _touch(self, live: LiveSession) -> None:
        try:
            await self._store.touch(live.key, live.idle_expires_at)
        except SessionStoreUnavailable:
            live.touch_at = 0.0  # with the next use again, or who was active would be found idle
            raise

    def _remember(self, cookie: bytes, live: LiveSession) -> None:
        self._by_cookie[cookie] = live
        self._by_cookie.move_to_end(cookie)
        if len(self._by_cookie) > self.limits.cache_size:
            self._by_cookie.popitem(last=False)

    def _doubt_all(self) -> None:
        # Not forgotten: when it was last used, and when its renewal may be tried again, is still true.
        now = self._clock()
        for live in self._by_cookie.values():
            live.checked_until = 0.0
            live.vouched_until = min(live.vouched_until, now)

    def _let_go(self, key: bytes) -> None:
        live = self._by_key.get(key)
        if live is not None:
            self._drop(live)  # the push will find it no longer, so what it would do is done here
            self.background.start(self._after_end(live), "after-end")

    def _ask_again(self) -> None:
        # More sessions may have ended than the store's log of changes holds, and pages that watch ask for nothing.
        if watched := [live for live in self.known() if live.watchers]:
            self.background.start(self._recheck(watched), "recheck-watched")

    async def _recheck(self, watched: list[LiveSession]) -> None:
        for live in watched:
            with suppress(SessionExpired):  # its pages have been told
                await self.reload(live, self._clock())

    def _drop(self, live: LiveSession) -> None:
        if self._by_key.get(live.key) is live:
            del self._by_key[live.key]
        if not live.ended:
            live.ended = True
            live.checked_until = 0.0  # makes `peek` refuse it wherever it is still listed
            live.tell(News.ENDED)

    def _on_change(self, change: Change) -> None:
        live = self._by_key.get(change.key)
        if live is None:
            return
        match change.kind:
            case ChangeKind.ENDED:
                self.invalidations += 1
                self._drop(live)
                self.background.start(self._after_end(live), "after-end")
            case ChangeKind.REPLACED if change.version > live.version:
                self.invalidations += 1
                self.background.start(self._catch_up(live), "catch-up")
            case _:
                return

    async def _catch_up(self, live: LiveSession) -> None:
        try:
            await self.reload(live, self._clock())
        except BaseException:
            live.checked_until = 0.0
            raise

    async def _after_end(self, live: LiveSession) -> None:
        record = await self._store.load(live.key, self._clock())
        if isinstance(record, Ended):
            self._revoke_leftover(record, live.ticket)

    def _revoke_leftover(self, record: Ended, ticket: Ticket) -> None:
        if record.sealed is not None:
            self.background.start(self.leftovers.revoke(record.key, record.sealed, ticket), "revoke-leftover")
