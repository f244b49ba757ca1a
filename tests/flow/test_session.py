"""A session from login to logout, with every part in one process."""

from tests.internet import COOKIE


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
