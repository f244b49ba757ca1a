"""Sessions that outlive the browser, for those who ask for it at login."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bff.config.settings import Secret
from tests.internet import COOKIE, KEYS, World, make_settings

HOUR, DAY = 3600, 86400


@asynccontextmanager
async def remembering(workers=1):
    settings = make_settings(remember_idle_timeout=7 * DAY, remember_absolute_timeout=30 * DAY)
    settings = replace(settings, tokens=replace(settings.tokens, max_session_lifetime=30 * DAY))
    async with World(settings=settings, workers=workers) as world:
        yield world


def session_cookie(response):
    """The Set-Cookie line of the session."""
    (line,) = [line for line in response.set_cookies if line.startswith(COOKIE + "=")]
    return line


async def test_session_that_is_remembered_has_its_own_limits_and_a_lasting_cookie():
    """The cookie has Max-Age, with every attribute of its prefix, and the idle limit is the longer one."""
    async with remembering() as world:
        browser = world.browser()

        line = session_cookie(await browser.log_in(remember="true"))

        assert f"; Max-Age={30 * DAY}" in line
        assert line.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict")
        ends = (await browser.user())["session"]
        assert (30 * DAY, 7 * DAY) == (ends["expires_in"], ends["idle_expires_in"])
        world.clock.advance(6 * DAY)
        assert 200 == (await browser.get("/api/tasks")).status
        world.clock.advance(7 * DAY + 60)
        assert "session_expired" == (await browser.get("/api/tasks")).code


@pytest.mark.parametrize("parameters", [{}, {"remember": "false"}], ids=["unasked", "refused"])
async def test_session_that_nobody_asked_to_remember_ends_with_the_browser(parameters):
    """Without the wish, the cookie has no Max-Age and the usual limits hold."""
    async with remembering() as world:
        browser = world.browser()

        line = session_cookie(await browser.log_in(**parameters))

        assert "Max-Age" not in line
        assert 12 * HOUR == (await browser.user())["session"]["expires_in"]
        world.clock.advance(HOUR + 61)
        assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_wish_has_no_effect_where_nobody_is_remembered(world):
    """It is off unless configured: the page need not know."""
    browser = world.browser()

    line = session_cookie(await browser.log_in(remember="true"))

    assert "Max-Age" not in line
    assert HOUR == (await browser.user())["session"]["idle_expires_in"]


async def test_anything_but_true_and_false_is_refused(world):
    """A page with a mistake in it is told."""
    refused = await world.browser().get("/bff/login?remember=yes", csrf=False)

    assert (400, "bad_request") == (refused.status, refused.code)


@pytest.mark.parametrize(
    ("wish", "kept"), [({}, True), ({"remember": "false"}, False)], ids=["unsaid", "taken back"]
)
async def test_step_up_keeps_the_choice_unless_it_says_otherwise(wish, kept):
    """A second login in the same browser goes on as the first one was: the step-up of a page says nothing of it."""
    async with remembering() as world:
        browser = world.browser()
        await browser.log_in(remember="true")

        line = session_cookie(await browser.log_in(max_age="0", **wish))

        assert kept is ("Max-Age" in line)


async def test_renewal_keeps_the_choice():
    """Tokens come and go; who is remembered stays so, on every worker."""
    async with remembering(workers=2) as world:
        browser = world.browser()
        await browser.log_in(remember="true")
        for _ in range(3):
            world.clock.advance(DAY)
            assert 200 == (await browser.get("/api/tasks")).status

        assert 3 == world.refreshes()
        ends = (await browser.at(1).user())["session"]
        assert (27 * DAY, 7 * DAY) == (ends["expires_in"], ends["idle_expires_in"])


async def test_resealed_cookie_lasts_as_long_as_the_session():
    """A key rotation writes the cookie anew; what is left of its Max-Age stays."""

    async with remembering() as world:
        browser = world.browser()
        await browser.log_in(remember="true")
        world.clock.advance(DAY)
        keys = replace(world.settings.keys, secrets=(Secret(KEYS[1]), Secret(KEYS[0])))
        await world.start_worker(keys=keys)

        line = session_cookie(await browser.at(1).get("/bff/user"))

        assert f"; Max-Age={29 * DAY}" in line


@pytest.mark.parametrize(
    ("site", "counts"),
    [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False), (None, False)],
)
async def test_wish_of_another_site_does_not_count(site, counts):
    """A link elsewhere may begin a login, and makes nobody's session outlive their browser (Fetch Metadata)."""
    async with remembering() as world:
        browser = world.browser()
        said = {} if site is None else {"sec-fetch-site": site}
        headers = {**said, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        begun = await browser.get("/bff/login?remember=true", headers=headers, csrf=False)

        line = session_cookie(await browser.finish_login(begun.header("location")))

        assert counts is ("Max-Age" in line)
