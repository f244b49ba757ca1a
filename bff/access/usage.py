"""Who is seen, noted beside the requests: in this worker's memory first, in the registry about once a minute.

Nothing here ever fails a request or a login. While the store is away, what was noted waits for it, up to a bound.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec.structs import replace

from bff.access.openings import ReviewedRoute, claims_asked_for, claims_kept
from bff.access.review_records import MOST_ORIGINS, MOST_USES, Seen, Use, bounded, encode, merge
from bff.access.review_registry import Registry
from bff.access.roles import RoleOrigin
from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.oidc.grant import Grant
from bff.session.live import LiveSession
from bff.session.principal import Principal

INTERVAL = 60.0  # seconds between two writes of what was noted
TELL_ROLES_EVERY = 6 * 3600.0  # seconds
MOST = 100_000  # subjects that wait to be written
_MOST_ROLES = 10_000
_SLICE = 200  # subjects worked on before others get their turn
_AT_CLOSE = 5.0  # seconds
NO_RULE = "-"

Origins = Callable[[Grant], Iterable[RoleOrigin]]


class Usage:
    """One worker's notes."""

    def __init__(
        self,
        registry: Registry,
        routes: Sequence[ReviewedRoute],
        origins: Origins,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._registry = registry
        self._claims = claims_asked_for(routes)
        self._words = {(route.path, rule.position): rule.text for route in routes for rule in route.policy.rules}
        self._origins = origins
        self._clock = clock
        self._emit = emit
        self._noted: list[tuple[Principal, str, float, dict[tuple[str, str, int], float]]] = []
        self._waiting: dict[tuple[str, str], Seen] = {}
        self._told: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._has_begun = self._is_full = self._is_away = False

    # ── noting: no I/O ──────────────────────────────────────────────────────────────────────────────────

    def note(self, live: LiveSession, route: str, method: str, rule: int, now: float) -> None:
        """Note a call that was let through by a rule (-1: the route has none). On every request's path."""
        uses = live.uses
        count = len(uses)
        if not count and not self._begin(live):
            return
        if count < MOST_USES:  # anybody may send any method
            uses[route, method, rule] = now

    def told(self, grant: Grant, principal: Principal) -> None:
        """Note what the tokens of a login or a renewal say."""
        now = self._clock()
        origins = [origin for origin in self._origins(grant) if origin.via in {"claim", "renamed"}][:MOST_ORIGINS]
        seen = self._seen(principal, grant.tokens.scope, now)
        told = tuple((each.role, each.via, each.of, each.source) for each in origins)
        self._wait(replace(seen, origins=told, first_seen_at=now))

    def logged_in(self, principal: Principal, now: float) -> None:
        """Note a login that came to its end."""
        self._wait(Seen(principal.issuer, principal.subject, first_seen_at=now, last_login_at=now))

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Write what was noted, again and again, until cancelled."""
        while True:
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - a worker that stopped writing would note in vain for ever
                self._emit("background.crashed", {"task": "write-registry", "error": type(error).__name__})
            await sleep(INTERVAL)

    async def flush(self) -> bool:
        """Write what was noted. False when the store is away: it is kept, and written later."""
        async with self._turn:
            try:
                await self._collect()
                await self._write()
            except SessionStoreUnavailable as error:
                if not self._is_away:
                    self._emit("registry.unavailable", {"detail": error.detail, "subjects": len(self._waiting)})
                self._is_away = True
                return False
            self._is_away = False
            return True

    async def close(self) -> None:
        """Write what is left, if the store takes it in time."""
        try:
            async with asyncio.timeout(_AT_CLOSE):
                written = await self.flush()
        except TimeoutError:
            written = False
        if not written and (lost := len(self._waiting) + len(self._noted)):
            self._emit("registry.lost", {"subjects": lost})

    async def _collect(self) -> None:
        """Take over what requests noted."""
        while self._noted:
            noted = self._noted[:_SLICE]
            del self._noted[:_SLICE]
            for principal, scope, told_at, uses in noted:
                found = {self._use(*use): at for use, at in uses.items()}
                uses.clear()
                times = found.values()
                seen = self._seen(principal, scope, told_at)
                self._wait(replace(seen, first_seen_at=min(times), last_use_at=max(times), uses=found))
            await asyncio.sleep(0)

    async def _write(self) -> None:
        now = self._clock()
        if not self._has_begun:
            await self._registry.begin(now)
            self._has_begun = True
        late: list[Seen] = []
        while self._waiting:
            names = [name for name, _ in zip(self._waiting, range(_SLICE), strict=False)]
            batch = [self._waiting.pop(name) for name in names]
            try:
                late += await self._registry.merge(batch, now)
                await self._tell_roles({role for seen in batch for role in seen.roles}, now)
            except BaseException:  # a cancellation too: nothing that was noted may be lost
                for seen in [*batch, *late]:
                    self._wait(seen)
                raise
        for seen in late:
            self._wait(seen)
        self._is_full = False

    async def _tell_roles(self, roles: set[str], now: float) -> None:
        new = {role for role in roles if now >= self._told.get(role, 0.0) + TELL_ROLES_EVERY}
        if (
            len(self._told) + len(new) > _MOST_ROLES
        ):  # names of groups by the thousand; each is told once a day or so
            self._told.clear()
        if new:
            await self._registry.tell_roles(new, now)
            self._told |= dict.fromkeys(new, now)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, live: LiveSession) -> bool:
        """Have what a session is used for collected next time. False when too many wait already."""
        if len(self._noted) >= MOST:
            self._tell_full()
            return False
        tokens = live.tokens
        # Who began before there was a registry is known by their session until their tokens are renewed.
        self._noted.append((live.principal, tokens.scope, tokens.issued_at, live.uses))
        return True

    def _seen(self, principal: Principal, scope: str, told_at: float) -> Seen:
        claims = principal.claims
        name = claims.get("name") or claims.get("preferred_username")
        return Seen(
            principal.issuer,
            principal.subject,
            told_at=told_at,
            name=name if isinstance(name, str) else "",
            roles=tuple(sorted(principal.roles)),
            scope=scope,
            claims=bounded(claims_kept(claims, self._claims)),
        )

    def _wait(self, seen: Seen) -> None:
        try:
            encode(seen)
        except (
            ValueError
        ):  # half a surrogate pair, say: nobody can sign in with that, and it must not stop the rest
            self._emit("registry.failed", {"error": "cannot_be_written"})
            return
        name = (seen.issuer, seen.subject)
        known = self._waiting.get(name)
        if known is not None:
            self._waiting[name] = merge(known, seen)
        elif len(self._waiting) < MOST:
            self._waiting[name] = seen
        else:
            self._tell_full()

    def _tell_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            self._emit("registry.full", {"subjects": MOST})

    def _use(self, route: str, method: str, rule: int) -> str:
        return Use(route, method, name_rule(self._words.get((route, rule)))).key


def name_rule(text: str | None) -> str:
    """Return a short name of a rule by its words: its position may be another one tomorrow."""
    return NO_RULE if text is None else hashlib.sha256(text.encode()).hexdigest()[:12]
