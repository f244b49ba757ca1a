"""A span for each request that comes in: begun anew for strangers, continued for callers that are trusted."""

from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from bff.config.addresses import DEFAULT_PORTS
from bff.config.settings import Settings
from bff.observe.tracing import METHODS, Spanned, Tracing
from bff.proxy.asgi import Asgi, Message, Receive, Scope, Send
from bff.proxy.call import Carry
from bff.proxy.forwarded import Forwarding
from bff.proxy.routes import Route

_CONTEXT = (b"traceparent", b"tracestate")
_MOST = 512  # characters of a context that are looked at (W3C Trace Context §3.3.1.5)


class TracedRequests:
    """Implements `Measure`: a span for each request, begun anew for strangers and continued for trusted callers."""

    def __init__(self, tracing: Tracing, settings: Settings, endpoints: Collection[str]) -> None:
        """Take the names below the prefix that are told on their own."""
        self._tracing = tracing
        self._forwarding = Forwarding(settings.public_url, settings.server.trusted_proxies)
        self._continues_all = settings.tracing.continue_browsers
        public = urlsplit(settings.public_url)
        self._fixed: dict[str, str | int] = {
            "url.scheme": public.scheme,
            "server.address": public.hostname or "",
            "server.port": public.port or DEFAULT_PORTS[public.scheme],
        }
        self._prefix = settings.server.prefix
        self._endpoints = {(self._prefix + name).encode("ascii"): self._prefix + name for name in endpoints}

    def carried(self, carry: Carry) -> Carry:
        """See `Measure.carried`."""

        async def traced(scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
            async with self._span(scope, route.path) as (within, spanned):
                await carry(within, receive, _Answer(send, spanned).send, route, rest)

        return traced

    def served(self, serve: Asgi) -> Asgi:
        """See `Measure.served`."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            async with self._span(scope, self._named(scope["raw_path"])) as (within, spanned):
                await serve(within, receive, _Answer(send, spanned).send)

        return traced

    def opened(self, serve: Asgi) -> Asgi:
        """See `Measure.opened`: the span lasts as long as the socket."""
        return self.served(serve)

    @asynccontextmanager
    async def _span(self, scope: Scope, route: str) -> AsyncIterator[tuple[Scope, Spanned]]:
        method = scope.get("method", "GET")
        method = method if method in METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            **self._fixed,
            "network.protocol.version": scope.get("http_version", "1.1"),
        }
        if route:
            attributes["http.route"] = route
        client = scope.get("client")
        continues = self._continues_all or self._forwarding.trusts(client[0] if client else "")
        arrived = _context_of(scope["headers"])
        name = f"{'HTTP' if method == '_OTHER' else method} {route}".rstrip()
        with self._tracing.serving(name, attributes, arrived, continues=continues) as spanned:
            kept = [pair for pair in scope["headers"] if pair[0] not in _CONTEXT]
            ours = [(name.encode("ascii"), value.encode("ascii")) for name, value in spanned.headers().items()]
            try:
                yield {**scope, "headers": [*kept, *ours]}, spanned
            except BaseException as error:
                spanned.fail(type(error).__name__)
                raise

    def _named(self, path: bytes) -> str:
        if (known := self._endpoints.get(path)) is not None:
            return known
        return f"{self._prefix}/*" if path.startswith(f"{self._prefix}/".encode("ascii")) else ""


class _Answer:
    """Tells of an answer: its status, and the id that it names."""

    __slots__ = ("_send", "_spanned")

    def __init__(self, send: Send, spanned: Spanned) -> None:
        self._send = send
        self._spanned = spanned

    def send(self, message: Message) -> Awaitable[None]:
        """Pass it on, and take note."""
        kind = message["type"]
        if kind in {"http.response.start", "websocket.http.response.start"}:
            self._note(message["status"], message["headers"])
        elif kind == "websocket.accept":
            self._note(101, message.get("headers", ()))
        return self._send(message)

    def _note(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._spanned.note("http.response.status_code", status)
        for name, value in headers:
            if name == b"x-request-id":
                self._spanned.note("bff.request_id", value.decode("ascii"))
        if status >= 500:
            self._spanned.fail(str(status))


def _context_of(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _CONTEXT and len(value) <= _MOST:
            text = value.decode("latin-1")
            key = name.decode("ascii")
            # Two `traceparent`s are none (W3C Trace Context §3.2); `tracestate` may come in several lines (§3.3.1).
            found[key] = f"{found[key]},{text}" if key in found else text
    return found
