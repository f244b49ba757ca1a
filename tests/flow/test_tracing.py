"""Spans of what a worker does, by the library's exporter in memory. Access tokens live 300 seconds here."""

import json
from collections.abc import Sequence
from dataclasses import replace
from inspect import iscoroutinefunction
from ipaddress import IPv4Network
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bff.assembly.tracing_store import OPERATIONS
from bff.config.settings import ApiSettings, LogSettings, Settings, TracingSettings
from bff.errors import UpstreamUnreachable
from bff.observe import tracing
from bff.session.records import Store
from tests.fake_upstream import Given
from tests.flow.test_sockets import Dialer, Socket
from tests.internet import World, eventually, make_settings
from tests.leaks import leaks
from tests.neg_op import Reply

EXPIRED = 310  # seconds
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "_build_exporter", lambda _options: exporter)
    return exporter


def context_of(span: ReadableSpan) -> str:
    """What whoever is called by a span is told (W3C Trace Context §3.2)."""
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def traced_settings(*, access: bool = False, trusted: tuple[IPv4Network, ...] = (), **options: Any) -> Settings:
    settings = make_settings()
    routes = (*settings.api, ApiSettings("/socket", "http://upstream.test:8000/s", websocket=True))
    return replace(
        settings,
        api=routes,
        log=LogSettings(access=access),
        server=replace(settings.server, trusted_proxies=trusted),
        tracing=TracingSettings(enabled=True, **options),
    )


@pytest.fixture
async def world(exporter: InMemorySpanExporter):
    async with World(settings=traced_settings()) as world:
        yield world


def spans(world: World, exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """Every span that has ended since the last look."""
    world.bffs[0].observers.traces._tracing._processor.force_flush()
    found = list(exporter.get_finished_spans())
    exporter.clear()
    return found


def tree(found: Sequence[ReadableSpan]) -> dict[str, list[str]]:
    """The names of the parts of each span, by its name."""
    names = {span.context.span_id: span.name for span in found}
    parts: dict[str, list[str]] = {}
    for span in found:
        above = names.get(span.parent.span_id, "") if span.parent is not None else ""
        parts.setdefault(above, []).append(span.name)
    return {name: sorted(inner) for name, inner in parts.items()}


def one(found: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (span,) = [span for span in found if span.name == name]
    return span


async def signed_in(world: World, exporter: InMemorySpanExporter):
    browser = world.browser()
    await browser.log_in()
    spans(world, exporter)
    return browser


async def test_call_is_a_span_with_the_upstreams_part_in_it(world, exporter):
    """With the names of the semantic conventions, and without path, query or address."""
    browser = await signed_in(world, exporter)
    await browser.get("/api/tasks")
    assert {"": ["GET /api"], "GET /api": ["GET", "load sessions"]} == tree(spans(world, exporter))
    answer = await browser.get("/api/people/alice?q=secret")

    found = spans(world, exporter)
    assert {"": ["GET /api"], "GET /api": ["GET"]} == tree(found)  # the session is warm by now
    assert {
        "http.request.method": "GET",
        "http.route": "/api",
        "http.response.status_code": 200,
        "url.scheme": "https",
        "server.address": "app.test",
        "server.port": 443,
        "network.protocol.version": "1.1",
        "bff.request_id": answer.header("x-request-id"),
    } == dict(one(found, "GET /api").attributes)
    assert {
        "http.request.method": "GET",
        "server.address": "upstream.test",
        "server.port": 80,
        "bff.route": "/api",
        "http.response.status_code": 200,
    } == dict(one(found, "GET").attributes)


async def test_upstream_is_told_the_span_that_called_it(world, exporter):
    """W3C Trace Context: its spans become parts of ours."""
    browser = await signed_in(world, exporter)
    await browser.get("/api/tasks")

    called = one(spans(world, exporter), "GET")
    sent = world.upstream.seen[-1]
    assert [context_of(called)] == sent.header("traceparent")
    assert [] == sent.header("tracestate")


async def test_login_shows_the_issuer_and_the_store(world, exporter):
    """And the issuer is told which trace it is part of."""
    browser = world.browser()
    await browser.log_in()

    found = spans(world, exporter)
    parts = tree(found)
    assert ["GET /bff/callback", "GET /bff/login"] == parts[""]
    assert {"POST authorization_code", "create sessions", "remember sessions"} <= set(parts["GET /bff/callback"])
    grant = one(found, "POST authorization_code")
    assert {
        "http.request.method": "POST",
        "server.address": "op.test",
        "bff.operation": "authorization_code",
        "http.response.status_code": 200,
    } == dict(grant.attributes)
    created = one(found, "create sessions")
    assert {"db.system.name": "memory", "db.operation.name": "create"} == dict(created.attributes)
    (asked,) = world.op.requests("token")
    assert context_of(grant) == asked.headers["traceparent"]


async def test_renewal_that_a_call_waits_for_is_part_of_it(world, exporter):
    """With the grant in it, and how it went."""
    browser = await signed_in(world, exporter)
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status

    found = spans(world, exporter)
    parts = tree(found)
    assert ["POST refresh_token"] == parts["renew tokens"]
    assert "renew tokens" in parts["GET /api"]
    assert {"bff.renewal.outcome": "done"} == dict(one(found, "renew tokens").attributes)


async def test_failures_are_told_by_their_code(world, exporter):
    """No message of an exception: it may hold anything."""
    browser = await signed_in(world, exporter)
    world.upstream.script(UpstreamUnreachable())
    assert 502 == (await browser.get("/api/tasks")).status
    failed = spans(world, exporter)
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)
    assert 503 == (await browser.get("/api/tasks")).status
    unrenewed = spans(world, exporter)

    assert ("502", "upstream_unreachable") == tuple(
        one(failed, name).attributes["error.type"] for name in ("GET /api", "GET")
    )
    assert ["503", "issuer_unavailable", "503"] == [
        one(unrenewed, name).attributes["error.type"] for name in ("POST refresh_token", "renew tokens", "GET /api")
    ]
    assert "failed" == one(unrenewed, "renew tokens").attributes["bff.renewal.outcome"]
    assert [] == [event for span in (*failed, *unrenewed) for event in span.events]
    assert {None} == {span.status.description for span in (*failed, *unrenewed)}


async def test_strangers_trace_is_linked_and_not_continued(world, exporter):
    """A browser may neither join somebody's trace nor decide what is written (W3C Trace Context §7.1)."""
    browser = await signed_in(world, exporter)
    await browser.get("/api/tasks", headers={"traceparent": THEIRS, "tracestate": "a=b"})

    span = one(spans(world, exporter), "GET /api")
    assert span.parent is None
    assert ["0af7651916cd43dd8448eb211c80319c"] == [f"{link.context.trace_id:032x}" for link in span.links]
    sent = world.upstream.seen[-1]
    assert f"{span.context.trace_id:032x}" == sent.header("traceparent")[0].split("-")[1]
    assert [] == sent.header("tracestate")


@pytest.mark.parametrize(
    "options",
    [{"trusted": (IPv4Network("192.0.2.0/24"),)}, {"continue_browsers": True}],
    ids=["a trusted proxy", "anybody"],
)
async def test_trace_of_a_caller_that_is_trusted_goes_on(exporter, options):
    """With its state, and with its decision whether to write it."""
    async with World(settings=traced_settings(**options)) as world:
        browser = await signed_in(world, exporter)
        await browser.get("/api/tasks", headers={"traceparent": THEIRS, "tracestate": "a=b"})
        span = one(spans(world, exporter), "GET /api")
        sent = world.upstream.seen[-1]
        await browser.get("/api/tasks", headers={"traceparent": THEIRS[:-2] + "00"})
        unwritten, passed = spans(world, exporter), world.upstream.seen[-1]

    assert ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331") == (
        f"{span.parent.trace_id:032x}",
        f"{span.parent.span_id:016x}",
    )
    assert (["a=b"], THEIRS[3:35]) == (sent.header("tracestate"), sent.header("traceparent")[0][3:35])
    assert ([], THEIRS[3:35], "00") == (
        unwritten,
        passed.header("traceparent")[0][3:35],
        passed.header("traceparent")[0][-2:],
    )


@pytest.mark.parametrize(
    "traceparent",
    ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", THEIRS + "x" * 600, "ff" + THEIRS[2:]],
)
async def test_context_that_is_none_is_as_good_as_no_context(exporter, traceparent):
    """W3C Trace Context §3.2.2: what cannot be read begins a new trace, and refuses nothing."""
    async with World(settings=traced_settings(continue_browsers=True)) as world:
        browser = await signed_in(world, exporter)
        answer = await browser.get("/api/tasks", headers={"traceparent": traceparent})
        span = one(spans(world, exporter), "GET /api")

    assert (200, None, ()) == (answer.status, span.parent, tuple(span.links))


async def test_sample_decides_about_what_begins_here(exporter):
    """At 0 nothing is written, and upstreams are told so."""
    async with World(settings=traced_settings(sample=0.0)) as world:
        browser = await signed_in(world, exporter)
        await browser.get("/api/tasks")
        assert [] == spans(world, exporter)
        (told,) = world.upstream.seen[-1].header("traceparent")
        assert 0 == int(told[-2:], 16) & 1


async def test_websocket_is_a_span_as_long_as_it_is_open(world, exporter):
    """Its upstream is told of it too."""
    browser = await signed_in(world, exporter)
    dialer = world.bffs[0].sockets._dialer = Dialer()  # type: ignore[assignment]
    socket = Socket(browser, "/socket/x")
    await eventually(lambda: socket.sent)
    assert [] == [span for span in spans(world, exporter) if span.parent is None]
    socket.leave()
    await socket.over()

    span = one(spans(world, exporter), "GET")
    assert 101 == span.attributes["http.response.status_code"]
    (told,) = [value for name, value in dialer.opened[0].headers if name == "traceparent"]
    assert context_of(span) == told


async def test_lines_of_the_log_name_their_trace(exporter):
    """So that one leads to the other."""
    async with World(settings=traced_settings(access=True)) as world:
        browser = await signed_in(world, exporter)
        world.events.clear()
        await browser.get("/admin/x")
        span = one(spans(world, exporter), "GET /admin")
        told = {name: fields["trace_id"] for name, fields in world.events if "trace_id" in fields}

    assert {"access.denied", "request.done"} == set(told)
    assert {f"{span.context.trace_id:032x}"} == set(told.values())


async def test_spans_hold_no_secret_and_no_person(world, exporter):
    """Whatever is in headers, cookies, tokens, paths and answers (OWASP ASVS 16.2.5)."""
    world.op.id_token = {"name": "Zenobia Quillfeather", "email": "zenobia@quillfeather.example"}
    browser = world.browser()
    await browser.log_in()
    world.upstream.script(Given(status=500, chunks=[b"no such person: Quillfeather"]))
    await browser.get("/api/people/quillfeather?token=abcdefgh-query", headers={"X-Private": "private-header"})
    world.clock.advance(EXPIRED)
    await browser.get("/api/x")
    await browser.get("/bff/logout?sid=wrong-handle-here", csrf=False)
    told = "\n".join(span.to_json() for span in spans(world, exporter))

    desk = world.op._desk
    secrets = {
        "a token": {*desk._access_tokens, *desk._refresh_tokens, *desk._spent},
        "a cookie": set(browser.cookies.values()),
        "a secret": {
            world.op.client_secret,
            *(request.form.get("code", "") for request in world.op.requests("token")),
        },
        "a person": {"Quillfeather", "zenobia@", "quillfeather"},
        "the rest": {"abcdefgh-query", "private-header"},
    }
    assert [] == leaks(secrets, {"spans": told.encode()})
    assert json.loads(told.split("\n}\n")[0] + "\n}")["resource"]["attributes"]["service.name"] == "bff"


async def test_switched_off_nothing_is_wrapped():
    """Neither the library nor any of our layers is on the way of a request."""
    async with World() as world:
        bff = world.bffs[0]
        assert bff.observers.traces is None
        assert bff.api._forward._upstream is world.upstream
        assert [bff.metrics] == bff.observers._measures


def test_every_operation_of_a_store_is_traced():
    """One that were forgotten would not be there at all, and only where traces are on."""
    protocols = [protocol for protocol in Store.__mro__ if protocol.__module__ == Store.__module__]
    members = [item for protocol in protocols for item in vars(protocol).items()]
    asynchronous = {name for name, member in members if iscoroutinefunction(member)}

    assert asynchronous - {"open", "close"} == set(OPERATIONS)


def test_name_comes_from_the_configuration_then_the_environment(monkeypatch, exporter):
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES as users of OpenTelemetry expect."""

    def resource(**options: str):
        traced = tracing.Tracing(tracing.TracingOptions(version="1.2.3", **options), exporter)
        traced.close()
        return {
            name: traced._provider.resource.attributes.get(name)
            for name in ("service.name", "service.version", "a")
        }

    assert {"service.name": "bff", "service.version": "1.2.3", "a": None} == resource()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-environment")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "a=b")
    assert {"service.name": "from-environment", "service.version": "1.2.3", "a": "b"} == resource()
    assert "configured" == resource(service_name="configured")["service.name"]
