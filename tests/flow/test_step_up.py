"""What a rule asks of a login, and what the page is told when a login does not do."""

from dataclasses import replace

import pytest

from bff.config.settings import AllowSettings, ApiSettings, TokenKind
from tests.internet import World, make_settings

UPSTREAM = "http://upstream.test"


@pytest.fixture
async def world():
    """Routes that ask for more than to be signed in."""
    routes = (
        ApiSettings("/gold", UPSTREAM, allow=(AllowSettings(acr=("gold", "platinum")),)),
        ApiSettings("/fresh", UPSTREAM, allow=(AllowSettings(max_age=60.0, amr=("otp",)),)),
        ApiSettings("/either", UPSTREAM, token=TokenKind.USER_OPTIONAL, allow=(AllowSettings(roles=("x",)),)),
    )
    async with World(settings=replace(make_settings(), api=routes)) as world:
        yield world


async def test_page_is_told_which_login_would_do(world):
    """RFC 9470 §3: 401 with what the login endpoint takes, and after that login the call passes."""
    browser = world.browser()
    await browser.log_in()

    gold, fresh = await browser.get("/gold"), await browser.get("/fresh")

    assert [("step_up_required", "gold platinum", None, None), ("step_up_required", None, 60, "otp")] == [
        (answer.code, *(answer.document.get(name) for name in ("acr_values", "max_age", "amr_values")))
        for answer in (gold, fresh)
    ]
    assert [] == world.upstream.seen
    await browser.log_in(acr_values="gold")
    assert 200 == (await browser.get("/gold")).status
    assert ["step_up_required"] * 2 == [event["reason"] for event in world.told("access.denied")]


async def test_session_of_the_stronger_login_is_a_new_one(world):
    """ASVS 7.2.4: a change of privilege changes the session's id, and ends the old one."""
    browser = world.browser()
    await browser.log_in()
    before = (await browser.user())["session"]["id"]

    await browser.log_in(acr_values="gold")

    assert before != (await browser.user())["session"]["id"]
    assert 1 == len(await world.store.inner.find(now=world.clock()))


async def test_visitor_of_a_route_with_an_optional_user_is_asked_to_sign_in(world):
    """Where a rule needs a user and nobody is signed in, signing in is what helps."""
    answer = await world.browser().get("/either")

    assert (401, "session_required") == (answer.status, answer.code)
