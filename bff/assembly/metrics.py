"""The metrics of a worker, put around its parts. Switched off, every part stays as it is."""

import asyncio
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from litestar import Router

from bff.access.auditing import AuditLog
from bff.assembly.keys import KeyWatch
from bff.assembly.metrics_calls import MeasuredRequests, Serve
from bff.assembly.metrics_store import MeasuredStore
from bff.assembly.metrics_zeros import begin_at_nought
from bff.assembly.parts import Parts
from bff.config.settings import Settings
from bff.crypto.certificates import earliest_end
from bff.crypto.key_ring import KeyRing
from bff.errors import GrantRejected, SessionStoreUnavailable, TokenRejected
from bff.events import Emit, ignore
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Metrics, Number, Reading, Snapshot, merged
from bff.observe.metrics_events import counting_events
from bff.observe.metrics_slots import Slot
from bff.observe.metrics_text import render
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import IssuerTransport
from bff.proxy.api import ApiProxy
from bff.proxy.call import Carry
from bff.proxy.failures import Failures
from bff.proxy.routes import Route
from bff.proxy.streams import OpenCalls
from bff.proxy.timing import Meter, Unmeasured
from bff.proxy.upstream import Upstream
from bff.proxy.upstreams import Upstreams
from bff.session.changes import ChangeFeed
from bff.session.records import Store
from bff.session.renewal import Refresh
from bff.session.sessions import Sessions
from bff.web.management import build_metrics_router

FLUSH_EVERY = 1.0  # seconds; what other workers counted since then is missing from an answer
_ENDPOINTS = ("/login", "/callback", "/user", "/logout", "/events", "/backchannel-logout")


@dataclass(frozen=True, slots=True)
class MeasuredParts:
    """What keeps numbers of its own, to be read when somebody asks."""

    store: Store
    sessions: Sessions
    feed: ChangeFeed
    upstream: Upstream
    api: ApiProxy
    failures: Failures
    audit: AuditLog
    ring: KeyRing
    keys: KeyWatch | None
    routes: Sequence[Route]
    opened: OpenCalls


class Measuring:
    """One worker's metrics.

    Attributes:
        record: counts events.
    """

    def __init__(self, settings: Settings, parts: Parts, version: str, emit: Emit) -> None:
        folder = parts.metrics_folder  # where the workers of this run meet; None: there is but this one
        self._is_on = settings.metrics.enabled
        self._public = settings.metrics.public
        self._clock = parts.clock
        self._serves = parts.serves
        self._emit = emit
        self._metrics = metrics = Metrics()
        self._slot = Slot(folder) if folder is not None and self._is_on else None
        self._requests = MeasuredRequests(metrics, settings.server.prefix, _ENDPOINTS) if self._is_on else None
        self._store: Store | None = None
        self._keys_fetched_at = 0.0
        self._count_event = counting_events(metrics)
        self._labels = (version, platform.python_version())
        self._is_failing = False
        self.record: Emit = self._record if self._is_on else ignore
        if parts.serves:
            metrics.count(catalog.WORKER_STARTS)
        metrics.levels.append(self._own_levels)

    # ── around the parts ────────────────────────────────────────────────────────────────────────────────

    def store(self, store: Store) -> Store:
        """Return the store, measured."""
        return MeasuredStore(store, self._metrics) if self._is_on else store

    def transport(self, transport: IssuerTransport) -> IssuerTransport:
        """Listen to what is asked of the issuer."""
        if self._is_on:
            transport.on_exchange = self._note_exchange
        return transport

    def refresh(self, refresh: Refresh) -> Refresh:
        """Return the refresh grant, measured."""
        if not self._is_on:
            return refresh

        async def measured(tokens: TokenSet, claims: Mapping[str, Any]) -> Grant:
            trigger = "ahead" if self._clock() < tokens.expires_at else "expired"
            began, outcome = perf_counter(), "failed"
            try:
                grant = await refresh(tokens, claims)
                outcome = "done"
            except (GrantRejected, TokenRejected):
                outcome = "refused"
                raise
            finally:
                self._metrics.observe(catalog.RENEWAL_SECONDS, perf_counter() - began)
                self._metrics.count(catalog.RENEWALS, trigger, outcome)
            return grant

        return measured

    @property
    def meter(self) -> Meter:
        """What takes the timings of requests to routes."""
        return self._requests or Unmeasured()

    def carried(self, carry: Carry) -> Carry:
        """Return what serves API routes as it is: it tells the meter itself."""
        return carry

    def served(self, serve: Serve) -> Serve:
        """Return what serves everything else, measured."""
        return self._requests.served(serve) if self._requests is not None else serve

    def opened(self, serve: Serve) -> Serve:
        """Return what opens WebSockets as it is: its time is not how fast it was served."""
        return serve

    def read_from(self, parts: MeasuredParts) -> None:
        """Read these whenever the numbers are asked for."""
        self._store = parts.store
        if self._requests is not None:
            begin_at_nought(self._metrics, _addresses(parts))
            self._requests.begin_at_nought(route.path for route in parts.routes)
        certificates = list(_certificates(parts.routes))  # they stay what they are until a restart
        self._metrics.levels.append(lambda: certificates)
        self._metrics.counted_elsewhere.append(lambda: _counted(parts))
        self._metrics.levels.append(lambda: _levels_of_keys(parts))
        if self._serves:
            self._metrics.levels.append(lambda: _levels(parts))

    # ── the answer ──────────────────────────────────────────────────────────────────────────────────────

    def routers(self, *, public: bool) -> list[Router]:
        """Return `/metrics` for the management listener, or for the public one where that is wanted."""
        if not self._is_on or (public and not self._public):
            return []
        return [build_metrics_router(self.scrape)]

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """Return the whole server's numbers as text, and its media type."""
        own = self._write()
        live = await self._live_sessions()
        return await asyncio.to_thread(self._render, own, live, accept)

    async def watch(self) -> None:
        """Leave this worker's numbers for the others, until cancelled."""
        if self._slot is None:
            return
        try:
            while True:
                self._write()
                await asyncio.sleep(FLUSH_EVERY)
        finally:
            self._write()

    def close(self) -> None:
        """Leave the last numbers, and the slot to the next worker."""
        if self._slot is not None:
            self._write()
            self._slot.close()
            self._slot = None

    def _render(self, own: Snapshot, live: Snapshot, accept: str) -> tuple[bytes, str]:
        slot = self._slot
        others = slot.others() if slot is not None else []
        return render(merged([own, live, *others]), accept)

    def _write(self) -> Snapshot:
        """Return the numbers of this slot, after having left them for the others."""
        snapshot = self._metrics.snapshot()
        if self._slot is None:
            return merged([snapshot])
        snapshot = merged([self._slot.inherited, snapshot])
        try:
            self._slot.write(snapshot)
        except OSError as error:
            if not self._is_failing:  # told once, not every second
                self._emit("metrics.unwritten", {"error": type(error).__name__})
            self._is_failing = True
        else:
            self._is_failing = False
        return snapshot

    async def _live_sessions(self) -> Snapshot:
        if self._store is None:
            return Snapshot()
        try:
            live = await self._store.count(self._clock())
        except SessionStoreUnavailable:
            return Snapshot()  # no number rather than a wrong one
        return Snapshot(gauges=(Number(catalog.SESSIONS_LIVE.name, (), live),))

    # ── what is counted here ────────────────────────────────────────────────────────────────────────────

    def _record(self, name: str, fields: Mapping[str, object]) -> None:
        if name == "jwks_fetched":
            self._keys_fetched_at = self._clock()
        self._count_event(name, fields)

    def _note_exchange(self, operation: str, seconds: float, status: int) -> None:
        self._metrics.observe(catalog.ISSUER_SECONDS, seconds, operation)
        if not 200 <= status < 300:
            reason = "unanswered" if status == 0 else f"{status // 100}xx"
            self._metrics.count(catalog.ISSUER_ERRORS, operation, reason)

    def _own_levels(self) -> Iterator[Reading]:
        if self._serves:
            yield catalog.WORKERS, (), 1
        yield catalog.BUILD, self._labels, 1
        if self._keys_fetched_at:
            yield catalog.ISSUER_KEYS_AT, (), self._keys_fetched_at


def _counted(parts: MeasuredParts) -> Iterator[Reading]:
    yield catalog.CACHE_HITS, (), parts.sessions.hits
    yield catalog.CACHE_MISSES, (), parts.sessions.misses
    yield catalog.INVALIDATIONS, (), parts.sessions.invalidations
    yield catalog.AUDIT_LOST, (), parts.audit.dropped
    for code, count in parts.api.refused.items():
        yield catalog.REJECTED, (code,), count
    for labels, count in parts.failures.counts.items():
        yield catalog.UPSTREAM_ERRORS, labels, count


def _addresses(parts: MeasuredParts) -> Iterator[tuple[str, list[str]]]:
    """Yield each route with the names of those addresses that can be left out for a while."""
    for route in parts.routes:
        several = route.addresses if len(route.addresses) > 1 else ()
        yield route.path, [address.name for address in several]


def _certificates(routes: Sequence[Route]) -> Iterator[Reading]:
    for route in routes:
        tls = route.service.tls
        for use, pem in (("authority", tls.authorities), ("client", tls.identity)):
            ends_at = earliest_end(pem) if pem is not None else None
            if ends_at is not None:
                yield catalog.CERTIFICATE_ENDS_AT, (route.path, use), ends_at


def _levels_of_keys(parts: MeasuredParts) -> Iterator[Reading]:
    yield catalog.KEYS, (), len(parts.ring.key_ids)
    if parts.keys is not None and parts.keys.written_at:
        yield catalog.KEY_WRITTEN_AT, (), parts.keys.written_at


def _levels(parts: MeasuredParts) -> Iterator[Reading]:
    yield catalog.PUSHED_WORKERS, (), float(parts.feed.trusted)
    kinds = parts.opened.kinds()
    for kind in ("websocket", "events", "answer"):
        yield catalog.OPEN_STREAMS, (kind,), kinds[kind]
    if isinstance(parts.upstream, Upstreams):
        for route, upstream, pool in parts.upstream.pools():
            yield catalog.POOL_USED, (route, upstream), pool.lent
            yield catalog.POOL_WAITING, (route, upstream), pool.waiting
            yield catalog.POOL_LIMIT, (route, upstream), pool.most
