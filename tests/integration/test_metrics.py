"""`/metrics` of a real server with two workers, scraped while it is used."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bff.observe.metrics_catalog import CATALOG
from tests.product import Bff, Browser
from tests.promql import asked_for, queries
from tests.scripted_upstream import Exchange, serve_upstream
from tests.socket_upstream import SocketUpstream
from tests.sockets import socket_of
from tests.world import World, eventually

pytestmark = pytest.mark.integration

TABLES = """
[[api]]
path = "/api"
upstream = "{echo}"

[[api]]
path = "/down"
upstream = "http://127.0.0.1:9"
token = "none"
"""
CALLS = 40
HEADERS = {"X-CSRF": "1"}
Series = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
async def measured(world: World, issuer, echo) -> AsyncIterator[Bff]:
    """The product with two workers."""
    with world.build(issuer, port=world.port(), workers=2, apis=TABLES.format(echo=echo.url)) as bff:
        yield bff


@pytest.fixture(scope="module")
def used(world: World) -> Iterator[Bff]:
    """The same, for tests that do not begin with nothing."""
    apis = TABLES.format(echo=world.echo.url)
    with world.build(world.issuer, port=world.port(), workers=2, apis=apis) as bff:
        yield bff


async def scrape(bff: Bff) -> str:
    """What Prometheus would get, on a connection of its own: any worker may answer it."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
        response = await client.get(f"{bff.management_url}/metrics")
    assert 200 == response.status_code
    return response.text


async def numbers(bff: Bff) -> Mapping[Series, float]:
    text = await scrape(bff)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


async def call(bff: Bff, path: str, times: int) -> list[int]:
    """Calls on connections of their own, so that the kernel spreads them over the workers."""

    async def one() -> int:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
            return (await client.get(f"http://127.0.0.1:{bff.port}{path}", headers=_host(bff))).status_code

    return [await one() for _ in range(times)]


def _host(bff: Bff) -> dict[str, str]:
    return {**HEADERS, "host": f"localhost:{bff.port}"}


async def test_any_worker_tells_what_all_have_counted(measured: Bff) -> None:
    """Requests, logins, sessions, store, issuer and refusals; the same whoever is asked."""
    async with Browser(measured) as browser:
        await browser.log_in("alice")
        for _ in range(CALLS):
            assert 200 == (await browser.get("/api/thing")).status_code
        assert [502] == await call(measured, "/down/x", 1)
        assert [401] * 10 == await call(measured, "/api/thing", 10)
        expected = {
            series("bff_http_requests_total", route="/api", method="GET", status="2xx"): CALLS,
            series("bff_http_requests_total", route="/api", method="GET", status="4xx"): 10,
            series("bff_http_requests_total", route="/down", method="GET", status="5xx"): 1,
            series("bff_http_request_duration_seconds_count", route="/api"): CALLS + 10,
            series("bff_http_own_duration_seconds_count", route="/api"): CALLS + 10,
            series("bff_http_upstream_duration_seconds_count", route="/api"): CALLS,
            series("bff_http_requests_total", route="/bff/callback", method="GET", status="3xx"): 1,
            series("bff_rejected_requests_total", code="session_required"): 10,
            series("bff_rejected_requests_total", code="upstream_unreachable"): 1,
            series("bff_upstream_errors_total", route="/down", code="upstream_unreachable"): 1,
            series("bff_upstream_connections_limit", route="/down", upstream="http://127.0.0.1:9"): 2048,
            series("bff_logins_total"): 1,
            series("bff_sessions_created_total"): 1,
            series("bff_sessions_live"): 1,
            series("bff_issuer_request_duration_seconds_count", operation="authorization_code"): 1,
            series("bff_store_request_duration_seconds_count", operation="create"): 1,
            series("bff_workers"): 2,
            series("bff_store_push_workers"): 2,
            series("bff_worker_starts_total"): 2,
            series("bff_keys"): 1,
        }

        async def all_told() -> bool:
            each = [await numbers(measured) for _ in range(4)]
            return all(expected == {name: found.get(name) for name in expected} for found in each)

        await eventually(all_told)
        found = await numbers(measured)
        hits, misses = (found[series(f"bff_session_cache_{name}_total")] for name in ("hits", "misses"))
        assert CALLS <= hits + misses
        await browser.post("/bff/logout")

    async def session_ended() -> bool:
        found = await numbers(measured)
        return 1 == found.get(series("bff_sessions_ended_total", reason="logout"))

    await eventually(session_ended)


async def test_no_counter_falls_when_a_worker_dies(measured: Bff) -> None:
    """What it counted stays, and its successor counts on; what it held is no longer told."""
    requests = series("bff_http_requests_total", route="/api", method="GET", status="4xx")
    await call(measured, "/api/thing", 30)
    await eventually(lambda: _told(measured, requests, 30))

    for pid in measured.worker_pids():
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: _told(measured, series("bff_workers"), 2), within=30)
        assert 30 == (await numbers(measured))[requests]

    await call(measured, "/api/thing", 5)
    await eventually(lambda: _told(measured, requests, 35))


async def _told(bff: Bff, name: Series, value: float) -> bool:
    try:
        return all([value == (await numbers(bff)).get(name) for _ in range(3)])
    except httpx.TransportError:  # the worker that was asked has just been killed
        return False


async def test_what_is_exported_is_what_is_documented_and_asked_for(used: Bff) -> None:
    """Every metric of the catalogue, with its labels and no others; so every query of ours finds its series."""
    async with Browser(used) as browser:
        await browser.log_in("alice")
        await browser.get("/api/thing")
        text = await scrape(used)
    exported = {family.name: family for family in text_string_to_metric_families(text)}

    assert {name.removesuffix("_total") for name in CATALOG} == set(exported)
    for family in CATALOG.values():
        for sample in exported[family.name.removesuffix("_total")].samples:
            assert {*family.labels} == {*sample.labels} - {"le"}
    known = {family.removesuffix("_total") for family in CATALOG}
    for query in queries().values():
        for name in asked_for(query):
            assert {name, name.removesuffix("_total"), name.rpartition("_")[0]} & known


STREAMS = """
[[api]]
path = "/events"
upstream = "{events}"

[[api]]
path = "/ws"
upstream = "{sockets}"
websocket = true
"""
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
)


async def endless(exchange: Exchange) -> None:
    """One event, and then nothing."""
    await exchange.send(EVENTS)
    await exchange.hung_up()


async def test_what_stays_open_is_counted_for_as_long_as_it_does(world: World, issuer) -> None:
    """WebSockets, an API's streams and pages that listen to their session, each kind of its own."""
    with SocketUpstream() as sockets:
        async with serve_upstream(endless) as upstream:
            apis = STREAMS.format(events=upstream.url, sockets=sockets.url)
            built = await asyncio.to_thread(world.build, issuer, port=world.port(), workers=2, apis=apis)
            async with built as bff, Browser(bff) as browser:
                await browser.log_in("alice")
                await eventually(lambda: _open(bff, websocket=0, events=0, answer=0, page=0))
                async with (
                    socket_of(browser, "/ws/echo"),
                    socket_of(browser, "/ws/echo"),
                    browser.stream("GET", "/events/x") as stream,
                    browser.stream("GET", "/bff/events") as page,
                ):
                    assert [200, 200] == [stream.status_code, page.status_code]
                    await eventually(lambda: _open(bff, websocket=2, events=1, answer=0, page=1))
                await eventually(lambda: _open(bff, websocket=0, events=0, answer=0, page=0))


async def _open(bff: Bff, **expected: int) -> bool:
    found = await numbers(bff)
    return all(found.get(series("bff_open_streams", kind=kind)) == count for kind, count in expected.items())


async def test_nothing_personal_and_nothing_secret_is_exported(used: Bff) -> None:
    """Neither who signed in, nor what was asked for, nor what a browser made up; and nothing at all in public."""
    async with Browser(used) as browser:
        await browser.log_in("alice")
        user = await browser.user()
        await browser.get("/api/private-path?private=query")
        await browser.request("MADEUP", "/api/thing")
        cookie = browser.session_cookie
        text = await scrape(used)

    assert [404] == await call(used, "/metrics", 1)
    assert user is not None
    for secret in ("alice", user["sub"], user["session"]["id"], "private", "MADEUP", str(cookie)):
        assert secret not in text
