"""Spans of running processes, at a collector that speaks OTLP over HTTP; and one that is away, broken or stuck."""

import json
import signal
from collections.abc import Iterator

import pytest

from tests.chaos.test_renewal_crashes import expired
from tests.chaos.test_renewal_kills import all_started
from tests.collector import Collector
from tests.leaks import leaks
from tests.processes import free_port
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PATIENCE = 60.0  # seconds
TOKEN = "token-of-the-collector-0123456789"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def traced(world: World, neg: NegIssuer, endpoint: str, monkeypatch: pytest.MonkeyPatch, **options: object) -> Bff:
    """A product whose spans go out soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("COLLECTOR_TOKEN", TOKEN)
    headers = 'headers = { authorization = { env = "COLLECTOR_TOKEN" } }'
    extra = f'[tracing]\nenabled = true\nendpoint = "{endpoint}"\n{headers}\n'
    return world.build(neg, extra=extra, **options)


async def day(neg: NegIssuer, browser: Browser) -> None:
    """A login and a few calls, all of which must work."""
    await browser.navigate(neg.op.login(await browser.begin_login("/x")), cross_site=True)
    for _ in range(5):
        assert 200 == (await browser.get("/echo/x?q=private-query")).status_code


async def test_collector_gets_the_whole_way_of_a_call(world, neg, echo, collector, monkeypatch):
    """Front door, store, issuer and upstream of two workers, in traces that upstreams can join, and no secret."""
    with traced(world, neg, collector.url, monkeypatch, workers=2, log="access = true") as bff:
        async with Browser(bff) as browser:
            await day(neg, browser)
            wanted = {"GET /bff/login", "GET /bff/callback", "POST authorization_code", "create sessions"}
            await eventually(lambda: wanted | {"GET"} <= collector.names(), "the spans", within=PATIENCE)
            await eventually(lambda: 5 == collector.count("GET /echo"), "the calls", within=PATIENCE)
            cookie = browser.session_cookie or ""
            output = bff.output()

    told = {span.trace_id.hex() for span in collector.spans if span.name == "GET /echo"}
    upstreams = {request.all("traceparent")[0].decode().split("-")[1] for request in echo.requests}
    assert upstreams == told
    lines = [json.loads(line) for line in output.splitlines() if '"request.done"' in line]
    assert told <= {line["trace_id"] for line in lines}
    assert ({"bff"}, {TOKEN}) == (collector.services, {headers["authorization"] for headers in collector.headers})
    desk = neg.op._desk
    secrets = {
        "a token": {*desk._access_tokens, *desk._refresh_tokens},
        "a cookie": {cookie},
        "a secret": {neg.client_secret, TOKEN, "private-query"},
    }
    assert [] == leaks(secrets, {"spans": b"".join(collector.bodies), "log": output.encode()})


async def test_renewal_by_another_process_is_part_of_the_request_that_waits_for_it(
    world, neg, echo, collector, monkeypatch
):
    """In the traces, and in the audit log (OWASP ASVS 16.2.1): by the request's id and the browser's address."""
    with traced(world, neg, collector.url, monkeypatch, workers=2, session='renew_ahead = "0s"') as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            await all_started(bff)
            answer = await browser.get("/echo/x")
            wanted = {"GET /echo", "renew tokens", "POST refresh_token"}
            await eventually(lambda: wanted <= collector.names(), "the spans", within=PATIENCE)
            await eventually(lambda: bff.audited("renewal.done"), "the audit line", within=PATIENCE)
            (line,) = bff.audited("renewal.done")
            assert 0 == bff.output().count("renewal.process_away")

    (trace,) = {span.trace_id for span in collector.spans if span.name == "GET /echo"}
    assert {"renew tokens", "POST refresh_token"} < {
        span.name for span in collector.spans if span.trace_id == trace
    }
    assert (answer.headers["x-request-id"], "127.0.0.1") == (line["request_id"], line["address"])


@pytest.mark.parametrize("fault", ["away", "broken", "stuck"])
async def test_failing_collector_touches_no_request(world, neg, echo, collector, monkeypatch, fault):
    """Calls are answered, the log says so, and the server stops in time."""
    endpoint = f"http://127.0.0.1:{free_port()}" if fault == "away" else collector.url
    if fault == "broken":
        collector.status = 500
    elif fault == "stuck":
        collector.hold.clear()
    with traced(world, neg, endpoint, monkeypatch) as bff:
        async with Browser(bff) as browser:
            await day(neg, browser)
            if fault != "away":
                await eventually(lambda: collector.asked, "the first batch", within=PATIENCE)
            await day(neg, browser)
        bff.process.signal(signal.SIGTERM)
        assert 0 == bff.process.wait_for_exit(PATIENCE)
        output = bff.output()

    assert "Traceback" not in output
    assert [] == [secret for secret in (TOKEN, neg.client_secret) if secret in output]
