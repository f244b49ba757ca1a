"""Spans by OpenTelemetry, sent to a collector by a thread of its own. The only module that knows the library.

Attributes hold methods, routes, our and our partners' hosts, status and error codes: no path, no query, no address,
nobody's name, and no id but a request's. Exceptions are told by their code, never by their message.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from threading import Thread

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()
_TIMEOUT = 5.0  # seconds for one batch; a collector that is slow is waited for by its own thread alone
_FAREWELL = 3.0  # seconds in which a worker that stops sends what is left
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others are told as one
Attributes = Mapping[str, str | int]


class Kind(Enum):
    """Which side of a call a span is on."""

    SERVER = SpanKind.SERVER
    CLIENT = SpanKind.CLIENT
    INTERNAL = SpanKind.INTERNAL


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """Where spans go. None: what the environment says (`OTEL_…`)."""

    version: str
    endpoint: str | None = None
    headers: Mapping[str, str] | None = None
    service_name: str | None = None
    sample: float = 1.0


class Tracing:
    """Begins spans. Nothing here waits, and nothing here fails a request."""

    def __init__(self, options: TracingOptions, exporter: SpanExporter | None = None) -> None:
        """`exporter` takes the place of the collector's."""
        named = {} if options.service_name is None else {"service.name": options.service_name}
        resource = Resource({"service.name": "bff", "service.version": options.version})
        self._provider = TracerProvider(
            # What the environment says comes in between: it wins over our defaults, and loses to the configuration.
            resource=resource.merge(_without_default_name(Resource.create())).merge(Resource(named)),
            sampler=ParentBased(TraceIdRatioBased(options.sample)),
            shutdown_on_exit=False,
        )
        self._processor = BatchSpanProcessor(exporter or _build_exporter(options))
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("bff", options.version)

    @contextmanager
    def serving(
        self, name: str, attributes: Attributes, arrived: Mapping[str, str], *, continues: bool
    ) -> Iterator["Spanned"]:
        """Span a request that came in; what happens meanwhile in this task becomes part of it.

        Args:
            name: the span's.
            attributes: what is known at once.
            arrived: `traceparent` and `tracestate` as they came, if they did.
            continues: go on with that trace; else it is only linked.
        """
        theirs = _W3C.extract(arrived) if arrived else otel_context.Context()
        linked = trace.get_current_span(theirs).get_span_context()
        span = self._tracer.start_span(
            name,
            context=theirs if continues else otel_context.Context(),
            kind=SpanKind.SERVER,
            attributes=attributes,
            links=[Link(linked)] if linked.is_valid and not continues else [],
        )
        token = otel_context.attach(trace.set_span_in_context(span))
        try:
            yield Spanned(span)
        finally:
            otel_context.detach(token)
            span.end()

    def begin(self, name: str, kind: Kind, attributes: Attributes) -> "Spanned | None":
        """Begin a part of what is going on in this task; None where nobody traces that. Its caller ends it."""
        if not trace.get_current_span().get_span_context().is_valid:
            return None
        return Spanned(self._tracer.start_span(name, kind=kind.value, attributes=attributes))

    @contextmanager
    def part(self, name: str, kind: Kind, attributes: Attributes) -> Iterator["Spanned | None"]:
        """Do the same for a block, whose own parts become this one's."""
        spanned = self.begin(name, kind, attributes)
        if spanned is None:
            yield None
            return
        token = otel_context.attach(trace.set_span_in_context(spanned.span))
        try:
            yield spanned
        except BaseException as error:
            spanned.fail(getattr(error, "code", type(error).__name__))
            raise
        finally:
            otel_context.detach(token)
            spanned.end()

    def context(self) -> Mapping[str, str]:
        """Return `traceparent` and `tracestate` of what this task is part of; nothing where nobody traces that."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier

    @contextmanager
    def joined(self, context: Mapping[str, str]) -> Iterator[None]:
        """Have what happens in a block be part of what goes on in another process of ours."""
        token = otel_context.attach(_W3C.extract(context))
        try:
            yield
        finally:
            otel_context.detach(token)

    def close(self) -> None:
        """Send what is left, for a few seconds at most. Blocks."""
        # On a thread that nobody waits for at the end: the library itself waits for half a minute.
        sending = Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(_FAREWELL)


class Spanned:
    """One span under way."""

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        self.span = span

    def note(self, name: str, value: str | int) -> None:
        """Say something more of it."""
        self.span.set_attribute(name, value)

    def fail(self, code: str) -> None:
        """Say that it went wrong, by a stable code."""
        self.span.set_attribute("error.type", code)
        self.span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """It is over."""
        self.span.end()

    def headers(self) -> dict[str, str]:
        """Return `traceparent`, and `tracestate` where there is one, for whoever is called (W3C Trace Context)."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(self.span))
        return carrier


def current_trace_id() -> str | None:
    """Return the trace that this task is part of, in hexadecimal."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def _build_exporter(options: TracingOptions) -> SpanExporter:
    endpoint = f"{options.endpoint}/v1/traces" if options.endpoint is not None else None
    return OTLPSpanExporter(endpoint=endpoint, headers=dict(options.headers or {}) or None, timeout=_TIMEOUT)


def _without_default_name(resource: Resource) -> Resource:
    """Take away the name that the library makes up where the environment has none."""
    kept = dict(resource.attributes)
    if str(kept.get("service.name", "")).startswith("unknown_service"):
        del kept["service.name"]
    return Resource(kept)
