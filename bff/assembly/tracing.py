"""Traces of a worker, put around its parts. Imported only where `[tracing]` is on: off, nothing is."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager

from bff.assembly.tracing_calls import TracedUpstream, trace_refresh, trace_transport
from bff.assembly.tracing_requests import TracedRequests
from bff.assembly.tracing_store import trace_store
from bff.config.settings import Settings
from bff.events import Emit
from bff.observe.tracing import Tracing, TracingOptions, current_trace_id
from bff.oidc.transport import IssuerTransport
from bff.proxy.upstream import Upstream
from bff.session.records import Store
from bff.session.renewal import Refresh

ENDPOINTS = ("/login", "/callback", "/user", "/logout", "/events", "/backchannel-logout")


class Traces:
    """One worker's traces.

    Attributes:
        requests: spans requests, as `Measure`.
    """

    def __init__(self, settings: Settings, tracing: Tracing) -> None:
        self._tracing = tracing
        self._store_url = settings.session.store.reveal()
        self.requests = TracedRequests(tracing, settings, ENDPOINTS)

    def store(self, store: Store) -> Store:
        """Return the store, traced."""
        return trace_store(store, self._store_url, self._tracing)

    def transport(self, transport: IssuerTransport) -> IssuerTransport:
        """Span what is asked of the issuer."""
        return trace_transport(transport, self._tracing)

    def upstream(self, upstream: Upstream) -> Upstream:
        """Return the upstream, traced."""
        return TracedUpstream(upstream, self._tracing)

    def refresh(self, refresh: Refresh) -> Refresh:
        """Return the refresh grant, traced."""
        return trace_refresh(refresh, self._tracing)

    def context(self) -> Mapping[str, str]:
        """Return the context of what this task is part of, for another process (W3C Trace Context)."""
        return self._tracing.context()

    def joined(self, context: Mapping[str, str]) -> AbstractContextManager[None]:
        """Have what happens in here be part of it there."""
        return self._tracing.joined(context)

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        await asyncio.to_thread(self._tracing.close)


def build_traces(settings: Settings, version: str) -> Traces:
    """Return what the settings ask for."""
    tracing = settings.tracing
    options = TracingOptions(
        version=version,
        endpoint=tracing.endpoint,
        headers={name: secret.reveal() for name, secret in tracing.headers.items()},
        service_name=tracing.service_name,
        sample=tracing.sample,
    )
    return Traces(settings, Tracing(options))


def naming_traces(emit: Emit) -> Emit:
    """Return what tells the same, with the trace that it is part of."""

    def told(name: str, fields: Mapping[str, object]) -> None:
        trace_id = current_trace_id()
        emit(name, fields if trace_id is None else {**fields, "trace_id": trace_id})

    return told
