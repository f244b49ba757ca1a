"""A session from login to logout, with every part in one process."""

import pytest

from tests.internet import COOKIE, World, make_settings

HOUR = 3600.0


async def test_user_logs_in_calls_the_api_and_logs_out(world):
    """One session from end to end: the API gets the bearer token, the browser never does."""
    browser = world.browser()

    landed = await browser.log_in(return_to="/orders/7?tab=notes")

    assert "/orders/7?tab=notes" == landed.header("location")
    assert {COOKIE} == set(browser.cookies)
    answer = await browser.get("/api/tasks?open=1")
    assert (200, b"{}") == (answer.status, answer.body)
    (sent,) = world.upstream.seen
    assert ("GET", "http://upstream.test/v1/tasks?open=1") == (sent.method, sent.url)
    assert [1, []] == [len(sent.header("authorization")), sent.header("cookie")]
    user = await browser.user()
    done = await browser.get(user["logout_url"], csrf=False)
    assert 303 == done.status
    assert {} == browser.cookies
    assert None is await browser.user()


@pytest.mark.parametrize("later", [True, False])
async def test_session_at_its_absolute_end_is_told_as_one_that_has_ended(later):
    """By a worker that knew it and by one that did not, long after too. A broken cookie is another thing."""
    limits = {"idle_timeout": 2 * HOUR, "absolute_timeout": 2 * HOUR}
    async with World(settings=make_settings(**limits), workers=2) as world:
        browser = world.browser()
        await browser.log_in()
        world.clock.advance(2 * HOUR + (1000 * HOUR if later else 0.0))
        answers = [await browser.get(path) for path in ("/api/tasks", "/bff/user") for _ in range(4)]

        assert {("session_expired", "expired")} == {(each.code, each.document["reason"]) for each in answers}
        browser.cookies[COOKIE] = browser.cookies[COOKIE][:-1]
        assert "session_required" == (await browser.get("/api/tasks")).code
