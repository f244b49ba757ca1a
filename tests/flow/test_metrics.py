"""What is measured of one worker, and where it is told. Access tokens live 300 seconds here."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bff.config.settings import MetricsSettings
from bff.observe.metrics_catalog import CATALOG
from bff.proxy.api import ApiProxy
from tests.administered import managed
from tests.internet import World, make_settings
from tests.neg_op import Reply
from tests.world import eventually

DUE, EXPIRED = 250, 310  # seconds


async def numbers(world: World) -> dict[str, float]:
    """Everything that is not zero, by its name with its labels."""
    answer = await managed(world, "GET", "/metrics", token=None)
    assert 200 == answer.status
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if sample.value and not sample.name.endswith("_bucket")
    }


async def signed_in(world: World):
    browser = world.browser()
    await browser.log_in()
    return browser


async def test_renewal_ahead_is_told_from_one_that_requests_wait_for(world):
    """By whether the token was still good when the issuer was asked."""
    browser = await signed_in(world)
    world.clock.advance(DUE)
    await browser.get("/api/tasks")
    await eventually(lambda: world.told("renewal.done"))
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status

    found = await numbers(world)

    assert 1 == found["bff_renewals_total outcome=done trigger=ahead"]
    assert 1 == found["bff_renewals_total outcome=done trigger=expired"]
    assert 2 == found["bff_renewal_duration_seconds_count"]
    assert 1 == found["bff_renewal_wait_duration_seconds_count"]
    assert 2 == found["bff_issuer_request_duration_seconds_count operation=refresh_token"]


async def counters(world: World) -> dict[tuple[str, ...], float]:
    """Every series of every counter."""
    answer = await managed(world, "GET", "/metrics", token=None)
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if sample.name.endswith("_total")
    }


async def test_counters_are_there_before_anything_happens(world):
    """At nought. Only what has no address that could be left out has none to count."""
    begun = await counters(world)
    happened = {series for series, value in begun.items() if value}

    known = {name for name, family in CATALOG.items() if family.kind == "counter"}
    assert known - {"bff_upstream_ejections_total"} == {name for name, *_ in begun}
    assert {("bff_worker_starts_total",)} == happened


async def test_first_time_of_anything_is_one_more_than_nought(world):
    """Refusals, a login, renewals that fail, a store that is away: no counter appears at one."""
    begun = await counters(world)
    browser = await signed_in(world)
    await world.browser().get("/api/tasks")
    await browser.get("/bff/callback?state=x&error=access_denied")
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)
    assert 503 == (await browser.get("/api/tasks")).status
    world.store.down = True
    await world.browser().get("/bff/user")
    world.store.down = False
    counted = {series for series, value in (await counters(world)).items() if value}

    assert set() == counted - set(begun)
    assert {
        ("bff_rejected_requests_total", "code=session_required"),
        ("bff_http_requests_total", "method=GET", "route=/api", "status=5xx"),
        ("bff_issuer_errors_total", "operation=refresh_token", "reason=5xx"),
        ("bff_renewals_total", "outcome=failed", "trigger=expired"),
        ("bff_renewal_failures_total", "reason=issuer_unavailable"),
    } <= counted


async def test_failing_issuer_is_seen_in_every_number_that_it_touches(world):
    """The exchange, the renewal and the answer to the request."""
    browser = await signed_in(world)
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)
    assert 503 == (await browser.get("/api/tasks")).status

    found = await numbers(world)

    assert 1 == found["bff_issuer_errors_total operation=refresh_token reason=5xx"]
    assert 1 == found["bff_renewals_total outcome=failed trigger=expired"]
    assert 1 == found["bff_renewal_failures_total reason=issuer_unavailable"]
    assert 1 == found["bff_rejected_requests_total code=issuer_unavailable"]
    assert 1 == found["bff_http_requests_total method=GET route=/api status=5xx"]


async def test_failing_store_is_counted_and_hides_no_other_number(world):
    """How many sessions live cannot be known then, and is not told."""
    await signed_in(world)
    assert 1 == (await numbers(world))["bff_sessions_live"]
    world.store.down = True

    found = await numbers(world)

    assert "bff_sessions_live" not in found
    assert 1 == found["bff_logins_total"]
    assert 1 <= (await numbers(world))["bff_store_errors_total operation=count"]


async def test_cache_is_measured_where_it_is_asked(world):
    """The first request of a session reads the store, the next ones do not; a logout elsewhere is pushed."""
    browser = await signed_in(world)
    for _ in range(5):
        await browser.get("/api/tasks")

    found = await numbers(world)

    assert (1, 4) == (found["bff_session_cache_misses_total"], found["bff_session_cache_hits_total"])

    await world.back_channel_logout()
    found = await numbers(world)
    assert 1 == found["bff_sessions_ended_total reason=backchannel_logout"]


async def test_made_up_methods_and_paths_share_a_label(world):
    """Nobody fills the memory of the server, or of who scrapes it."""
    browser = world.browser()
    for number in range(20):
        await browser.request(f"MADE{number}", "/api/tasks")
        await browser.get(f"/bff/nothing-{number}")
        await browser.get(f"/nothing-{number}")

    found = await numbers(world)

    assert 20 == found["bff_http_requests_total method=other route=/api status=4xx"]
    assert 20 == found["bff_http_requests_total method=GET route=/bff/* status=4xx"]
    assert 20 == found["bff_http_requests_total method=GET route=(app) status=4xx"]
    assert 60 == sum(value for name, value in found.items() if name.startswith("bff_rejected_requests_total"))


async def test_failed_logins_have_a_reason():
    """Of ours, whatever a browser sends in the issuer's name."""
    async with World() as world:
        await world.browser().get("/bff/callback?state=made-up&code=made-up")

        assert 1 == (await numbers(world))["bff_login_failures_total reason=no_attempt"]


async def test_switched_off_nothing_is_measured_and_nothing_wrapped():
    """No route, and the very objects that would be there without metrics."""
    async with World(settings=replace(make_settings(), metrics=MetricsSettings(enabled=False))) as world:
        (bff,), (door,) = world.bffs, world.apps

        assert 404 == (await managed(world, "GET", "/metrics", token=None)).status
        assert bff.store is world.store
        assert isinstance(door._carry, ApiProxy)
        assert door._other == door._serve


@pytest.mark.parametrize(("public", "status"), [(False, 404), (True, 200)])
async def test_one_listener_for_all_tells_the_public_only_if_asked_to(public, status):
    """Health may be public there; how the server is used is not, unless the configuration says so."""
    settings = make_settings()
    shared = replace(settings.server, management_listen="same")
    async with World(settings=replace(settings, server=shared, metrics=MetricsSettings(public=public))) as world:
        browser = world.browser()

        assert 200 == (await browser.get("/health/live")).status
        assert status == (await browser.get("/metrics")).status
