"""Who is seen: noted beside the requests, written in the background, merged across workers."""

from dataclasses import replace

import pytest

from bff.access.review_rows import Filters
from bff.config.settings import AllowSettings, ApiSettings, RolesSettings
from tests.internet import World, make_settings


def guarded():
    """One route with rules, and roles that imply others."""
    return replace(
        make_settings(),
        roles=RolesSettings(implies={"admin": ("reader",)}),
        api=(
            ApiSettings(
                "/api",
                "http://upstream.test/v1",
                allow=(
                    AllowSettings(methods=("GET",), roles=("reader",)),
                    AllowSettings(methods=("DELETE",), roles=("admin",)),
                ),
            ),
        ),
    )


async def rows(world: World, worker: int = 0, **filters):
    """Every subject, as a worker's review has it."""
    review = world.bffs[worker].reviewing.review
    return [row async for row in review.rows(Filters(**filters), world.clock)]


async def flush(world: World) -> None:
    for bff in world.bffs:
        assert await bff.reviewing.usage.flush()


async def test_a_login_and_its_uses_on_two_workers_are_one_subject():
    """With roles, where each comes from, what they open, and when what was last."""
    async with World(guarded(), workers=2) as world:
        world.op.id_token["roles"] = ["admin"]
        world.op.id_token["name"] = "Alice A."
        browser = world.browser()
        await browser.log_in()
        login_at = world.clock.now
        world.clock.advance(10)
        assert 200 == (await browser.get("/api/x")).status
        world.clock.advance(10)
        assert 200 == (await browser.at(1).request("DELETE", "/api/x")).status
        await flush(world)

        (row,) = await rows(world, 1)

    assert ("Alice A.", ("admin", "reader")) == (row.seen.name, row.roles)
    assert ["claim roles in the ID token", "implied by admin"] == [str(origin) for origin in row.origins]
    assert [("/api", ("GET",), 1), ("/api", ("DELETE",), 2)] == [(o.route, o.methods, o.rule) for o in row.opens]
    assert (login_at, login_at) == (row.seen.first_seen_at, row.seen.last_login_at)
    assert login_at + 20 == row.seen.last_use_at
    assert 1 == row.live_sessions
    assert () == row.findings


async def test_a_role_that_no_use_needed_is_told():
    """Alice is admin, and only reads."""
    async with World(guarded()) as world:
        world.op.id_token["roles"] = ["admin", "reader", "idle"]
        browser = world.browser()
        await browser.log_in()
        await browser.get("/api/x")
        await flush(world)

        (row,) = await rows(world)

    # Admin would have brought reader along, and reader alone was enough: neither was needed by itself.
    assert {"role_never_needed:admin", "role_never_needed:reader", "role_never_needed:idle"} < set(row.findings)
    assert "role_opens_nothing:idle" in row.findings


async def test_a_store_that_is_away_fails_no_request_and_loses_no_note():
    """What was noted is written when it is back; that it could not be is told once."""
    async with World(guarded()) as world:
        world.op.id_token["roles"] = ["reader"]
        browser = world.browser()
        await browser.log_in()
        await flush(world)
        world.clock.advance(5)
        assert 200 == (await browser.get("/api/x")).status
        world.store.down = True
        usage = world.bffs[0].reviewing.usage
        assert not await usage.flush()
        assert not await usage.flush()
        assert 200 == (await browser.get("/api/x")).status
        world.store.down = False
        await flush(world)

        (row,) = await rows(world)

    assert world.clock.now == row.seen.last_use_at
    assert 1 == [name for name, _ in world.events].count("registry.unavailable")


async def test_what_was_noted_is_written_when_the_worker_stops():
    """The last minute is not lost."""
    async with World(guarded(), workers=2) as world:
        world.op.id_token["roles"] = ["reader"]
        browser = world.browser()
        await browser.log_in()
        await browser.get("/api/x")
        await world.bffs[0].reviewing.stop()

        (row,) = await rows(world, 1)

    assert world.clock.now == row.seen.last_use_at


async def test_a_denied_call_is_no_use():
    """Only what a rule let through counts."""
    async with World(guarded()) as world:
        world.op.id_token["roles"] = ["reader"]
        browser = world.browser()
        await browser.log_in()
        assert 403 == (await browser.request("DELETE", "/api/x")).status
        await flush(world)

        (row,) = await rows(world)

    assert (0.0, {}) == (row.seen.last_use_at, row.seen.uses)


async def test_a_renewal_tells_roles_anew_and_is_no_login():
    """A role that the issuer takes away is gone from the review with the next renewal."""
    async with World(guarded()) as world:
        world.op.id_token["roles"] = ["admin"]
        browser = world.browser()
        await browser.log_in()
        login_at = world.clock.now
        world.op.id_token["roles"] = ["reader"]
        world.clock.advance(world.op.access_token_lifetime + 1)
        assert 200 == (await browser.get("/api/x")).status
        await flush(world)

        (row,) = await rows(world)

    assert (("reader",), login_at) == (row.roles, row.seen.last_login_at)


async def test_methods_that_a_client_makes_up_cost_no_memory():
    """Whoever is signed in may send any method; what is noted of them is bounded."""
    settings = replace(guarded(), api=(ApiSettings("/api", "http://upstream.test/v1"),))
    async with World(settings) as world:
        browser = world.browser()
        await browser.log_in()
        for number in range(300):
            await browser.request(f"M{'A' * (number % 20)}{chr(65 + number // 20)}", "/api")
        await flush(world)

        (row,) = await rows(world)

    assert 200 >= len(row.seen.uses)


@pytest.mark.parametrize("odd", [None, 7, "a b", ["x", 3, None, {}], {"x": True, "y": 1}, [[["x"]]], "x" * 10_000])
async def test_no_shape_of_a_role_claim_keeps_anybody_out_of_the_review(odd):
    """Whatever the issuer sends, the subject is seen."""
    async with World(guarded()) as world:
        world.op.id_token["roles"] = odd
        world.op.id_token["name"] = odd
        browser = world.browser()
        await browser.log_in()
        await flush(world)

        (row,) = await rows(world)

    assert world.op.sub == row.seen.subject


async def test_a_mapping_that_cannot_tell_origins_keeps_nobody_out():
    """The operator's own mapping may fail where the review asks it; the login goes on, and it is told."""
    async with World(guarded()) as world:
        usage = world.bffs[0].reviewing.usage
        usage._origins = lambda grant: 1 / 0
        browser = world.browser()
        await browser.log_in()

        assert await browser.user() is not None
        assert ("registry.failed", {"error": "ZeroDivisionError"}) in world.events
