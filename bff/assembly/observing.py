"""Who looks on: metrics, the access log, traces. Whoever is switched off is not in the way."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from pathlib import Path

from bff.assembly.access_log import AccessLog
from bff.assembly.metrics import Measuring
from bff.assembly.parts import Parts
from bff.config.settings import Settings
from bff.crypto.key_ring import KeyRing
from bff.events import Emit
from bff.observe.access_lines import build_access_writer
from bff.observe.logs import emit_to_log
from bff.oidc.transport import IssuerTransport
from bff.proxy.asgi import Asgi
from bff.proxy.call import Carry
from bff.proxy.upstream import Upstream
from bff.session.records import Store
from bff.session.renewal import Refresh
from bff.session.renewal_apart import Apart, renew_apart
from bff.web.front_door import Measure


class Observers:
    """Puts all of them around a worker's parts. As `Measure`, metrics are innermost and traces outermost.

    Attributes:
        log: takes events, with the trace that they are part of.
        metrics: the worker's.
    """

    def __init__(self, settings: Settings, parts: Parts, version: str) -> None:
        log: Emit = parts.emit or emit_to_log
        lines: Emit | None = None
        if settings.log.access:
            lines = parts.emit or build_access_writer(settings.log.format.value)
        self.traces = None
        if settings.tracing.enabled:
            # Here, for the library is an extra, and whoever does not trace need not wait for it.
            from bff.assembly.tracing import build_traces, naming_traces  # noqa: PLC0415

            self.traces = build_traces(settings, version)
            log, lines = naming_traces(log), naming_traces(lines) if lines is not None else None
        self.log = log
        self.metrics = Measuring(settings, parts, version, log)
        measures: list[Measure | None] = [self.metrics, AccessLog(lines) if lines is not None else None]
        if self.traces is not None:
            measures.append(self.traces.requests)
        self._measures = [each for each in measures if each is not None]

    # ── around the parts ────────────────────────────────────────────────────────────────────────────────

    def store(self, store: Store) -> Store:
        """Return the store, observed."""
        measured = self.metrics.store(store)
        return measured if self.traces is None else self.traces.store(measured)

    def transport(self, transport: IssuerTransport) -> IssuerTransport:
        """Listen to what is asked of the issuer."""
        measured = self.metrics.transport(transport)
        return measured if self.traces is None else self.traces.transport(measured)

    def upstream(self, upstream: Upstream) -> Upstream:
        """Return the upstream, observed."""
        return upstream if self.traces is None else self.traces.upstream(upstream)

    def renew_apart(self, address: Path | None, ring: KeyRing, clock: Callable[[], float]) -> Apart | None:
        """Return what has another process renew, as part of what is going on here; None where nobody else does."""
        if address is None:
            return None
        return renew_apart(address, ring, clock, dict if self.traces is None else self.traces.context)

    def joined(self, context: Mapping[str, str]) -> AbstractContextManager[None]:
        """Have what happens in here be part of what goes on in another process."""
        return nullcontext() if self.traces is None else self.traces.joined(context)

    def refresh(self, refresh: Refresh) -> Refresh:
        """Return the refresh grant, observed."""
        measured = self.metrics.refresh(refresh)
        return measured if self.traces is None else self.traces.refresh(measured)

    async def close(self) -> None:
        """Leave the last numbers and spans."""
        self.metrics.close()
        if self.traces is not None:
            await self.traces.close()

    # ── as `Measure` ────────────────────────────────────────────────────────────────────────────────────

    def carried(self, carry: Carry) -> Carry:
        """See `Measure.carried`."""
        return reduce(lambda inner, each: each.carried(inner), self._measures, carry)

    def served(self, serve: Asgi) -> Asgi:
        """See `Measure.served`."""
        return reduce(lambda inner, each: each.served(inner), self._measures, serve)

    def opened(self, serve: Asgi) -> Asgi:
        """See `Measure.opened`."""
        return reduce(lambda inner, each: each.opened(inner), self._measures, serve)
