"""Spans of what we call: upstreams, the issuer, and the renewal that asks it. The context goes along."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from bff.config.addresses import DEFAULT_PORTS
from bff.errors import BffError, GrantRejected, TokenRejected
from bff.observe.tracing import METHODS, Kind, Tracing
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import Exchange, IssuerTransport
from bff.proxy.routes import Route
from bff.proxy.upstream import Body, Headers, Upstream, UpstreamResponse
from bff.session.renewal import Refresh


class TracedUpstream:
    """Implements `Upstream`: a span from the request to the end of the answer, whose context goes along."""

    def __init__(self, upstream: Upstream, tracing: Tracing) -> None:
        self._upstream = upstream
        self._tracing = tracing

    @asynccontextmanager
    async def open(
        self, route: Route, method: str, target: str, headers: Headers, body: Body
    ) -> AsyncIterator[UpstreamResponse]:
        """See `Upstream.open`."""
        parts = urlsplit(route.upstream)
        attributes: dict[str, str | int] = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "server.address": parts.hostname or "",
            "bff.route": route.path,
        }
        if parts.scheme in DEFAULT_PORTS:
            attributes["server.port"] = parts.port or DEFAULT_PORTS[parts.scheme]
        spanned = self._tracing.begin(str(attributes["http.request.method"]), Kind.CLIENT, attributes)
        if spanned is None:
            async with self._upstream.open(route, method, target, headers, body) as response:
                yield response
            return
        kept = [pair for pair in headers if pair[0] not in {"traceparent", "tracestate"}]
        try:
            async with self._upstream.open(
                route, method, target, [*kept, *spanned.headers().items()], body
            ) as response:
                spanned.note("http.response.status_code", response.status)
                if response.status >= 400:
                    spanned.fail(str(response.status))
                yield response
        except BaseException as error:
            spanned.fail(getattr(error, "code", type(error).__name__))
            raise
        finally:
            spanned.end()

    def start(self) -> None:
        """See `Upstream.start`."""
        self._upstream.start()

    async def close(self) -> None:
        """See `Upstream.close`."""
        await self._upstream.close()


def trace_transport(transport: IssuerTransport, tracing: Tracing) -> IssuerTransport:
    """Span each exchange with the issuer, and hand the context on to it."""

    @asynccontextmanager
    async def around(exchange: Exchange) -> AsyncIterator[Mapping[str, str]]:
        parts = urlsplit(exchange.url)
        attributes = {
            "http.request.method": exchange.method,
            "server.address": parts.hostname or "",
            "bff.operation": exchange.operation,
        }
        with tracing.part(f"{exchange.method} {exchange.operation}", Kind.CLIENT, attributes) as spanned:
            yield spanned.headers() if spanned is not None else {}
            if spanned is not None:
                spanned.note("http.response.status_code", exchange.status)
                if exchange.status >= 400:
                    spanned.fail(str(exchange.status))

    transport.around = around
    return transport


def trace_refresh(refresh: Refresh, tracing: Tracing) -> Refresh:
    """Span the renewal of a session's tokens: the grant, and what is asked about it."""

    async def traced(tokens: TokenSet, claims: Mapping[str, Any]) -> Grant:
        with tracing.part("renew tokens", Kind.INTERNAL, {}) as spanned:
            try:
                grant = await refresh(tokens, claims)
            except BffError as error:
                if spanned is not None:
                    refused = isinstance(error, GrantRejected | TokenRejected)
                    spanned.note("bff.renewal.outcome", "refused" if refused else "failed")
                raise
            if spanned is not None:
                spanned.note("bff.renewal.outcome", "done")
            return grant

    return traced
