"""The dashboard and the alert rules, asked of a real Prometheus that watches a server under load."""

import asyncio
import contextlib
import json
import math
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.forging import self_signed_certificate
from tests.product import Bff, Browser
from tests.prometheus import Prometheus, check_rules
from tests.promql import ALERTS, DASHBOARD, alert_rules, dashboard_queries, operands
from tests.world import World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# The issuer's tokens live for three seconds: renewals come by themselves. Nothing listens where /down leads.
ROUTES = """
[[api]]
path = "/api"
upstream = "{echo}"
allow = [{{ methods = ["GET"] }}]

[[api]]
path = "/down"
upstreams = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
token = "none"

[[api]]
path = "/tls"
upstream = "https://127.0.0.1:9"
tls = {{ ca_file = "{authority}" }}
"""
PATIENCE = 60.0  # seconds; on a machine with nothing else to do it takes a tenth


async def use(bff: Bff) -> None:
    """Somebody signs in, works for some seconds, is refused something, and signs out; again and again."""
    while True:
        async with Browser(bff) as browser:
            await browser.log_in("alice")
            for _ in range(12):
                await browser.get("/api/thing")
                await browser.post("/api/thing")
                await browser.get("/down/x")
                await asyncio.sleep(0.3)  # as long as people take, and Prometheus to see it
            await browser.post("/bff/logout")


@pytest.fixture(scope="module")
def servers(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bff, Prometheus]]:
    """bff, and Prometheus, which has seen it before anything happened."""
    authority, _ = self_signed_certificate(tmp_path_factory.mktemp("authority"))
    apis = ROUTES.format(echo=world.echo.url, authority=authority)
    session = 'renew_ahead = "1s"'
    with (
        world.build(world.brief_issuer, port=world.port(), workers=2, apis=apis, session=session) as bff,
        Prometheus([bff.management_url], ALERTS) as prometheus,
    ):
        asyncio.run(eventually(lambda: prometheus.values("bff_workers == 2"), "a first scrape", PATIENCE))
        yield bff, prometheus


@pytest.fixture
async def watched(servers: tuple[Bff, Prometheus]) -> AsyncIterator[Prometheus]:
    """Prometheus, while the server is in use."""
    bff, prometheus = servers
    using = asyncio.create_task(use(bff))
    try:
        yield prometheus
        assert not using.done() or using.result()
    finally:
        using.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await using


async def test_every_panel_shows_something_and_every_alert_could_be_raised(watched: Prometheus) -> None:
    """Every query is understood and finds its series; what an alert compares is there to be compared."""
    asked = {f"dashboard: {name}": query for name, query in dashboard_queries().items()}
    for name, rule in alert_rules().items():
        asked |= {f"alert: {name} {number}": part for number, part in enumerate(operands(rule["expr"]))}
    assert len(asked) > 60

    missing = set(asked)

    async def all_there() -> bool:
        for name in sorted(missing):
            if any(math.isfinite(value) for value in await watched.values(asked[name])):
                missing.discard(name)
        return not missing

    with contextlib.suppress(AssertionError):
        await eventually(all_there, "every query", PATIENCE)
    assert set() == missing


async def test_rules_are_taken_and_tell_what_is_wrong(watched: Prometheus) -> None:
    """All are evaluated without a fault. They tell of a route that is down, and not of a store that is well."""
    expected = set(alert_rules())

    async def evaluated() -> bool:
        groups = (await watched.ask("rules"))["groups"]
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert expected == set(rules)
        assert [] == [rule["lastError"] for rule in rules.values() if rule["health"] == "err"]
        return all(rule["health"] == "ok" for rule in rules.values()) and bool(
            rules["BffManyServerErrors"]["alerts"]
        )

    await eventually(evaluated, "the alert about server errors", PATIENCE)
    states = {alert["labels"]["alertname"] for alert in (await watched.ask("alerts"))["alerts"]}

    assert "BffManyServerErrors" in states
    assert set() == states & {"BffStoreFailing", "BffAuditLinesLost", "BffKeyOld", "BffWorkersDie"}


async def test_variables_of_the_dashboard_have_values(watched: Prometheus) -> None:
    """Whoever opens it finds the servers to choose from."""
    variables = json.loads(DASHBOARD.read_text(encoding="utf-8"))["templating"]["list"]
    queries = [each["query"] for each in variables if each["type"] == "query"]
    asked = [query["query"] if isinstance(query, dict) else query for query in queries]

    assert asked
    for query in asked:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert found is not None, query
        assert await watched.values(f"count by ({found[2]}) ({found[1]})")


def test_promtool_takes_the_rules() -> None:
    """What Prometheus itself checks of a file before it loads it."""
    assert f"SUCCESS: {len(alert_rules())} rules found" in check_rules(ALERTS)
