"""How many sessions, for how long, and from where: in the running product, on two workers and a real store."""

import asyncio
import json

import pytest

from tests.product import Bff, Browser
from tests.world import World, eventually

pytestmark = pytest.mark.integration
DAY = 86400
SESSION = """
max_per_user = 1
binding = "enforce"
binding_traits = ["user_agent"]
remember_idle_timeout = "7d"
remember_absolute_timeout = "30d"
"""


@pytest.fixture(scope="module")
def governed(world: World) -> Bff:
    """One session a user, bound to the browser, remembered where asked for."""
    return world.start(
        world.issuer,
        api=world.api,
        port=world.port(),
        workers=2,
        store=f"{world.valkey.url}/5",
        session=SESSION,
        tokens='max_session_lifetime = "30d"',
    )


async def let_in(browser: Browser, login: str, **parameters: str) -> bool:
    """Sign in; False when that ends with the page that says that there are too many sessions."""
    callback = await browser.sign_in(await browser.begin_login(**parameters), login)
    response = await browser.navigate(callback, cross_site=True)
    if response.status_code == 303:
        return True
    assert 403 == response.status_code, response.text
    assert "too_many_sessions" in response.text
    return False


async def test_later_login_ends_the_earlier_session_on_every_worker(governed: Bff):
    """The first browser is refused with the reason, its watching page is told, and an audit line says so."""
    async with Browser(governed) as first, Browser(governed) as second:
        await first.log_in("alice")
        handle = (await first.user())["session"]["id"]
        async with first.stream("GET", "/bff/events") as events:
            assert 200 == events.status_code
            await second.log_in("alice")

            async with asyncio.timeout(30):
                async for line in events.aiter_lines():
                    if line == "event: session-ended":
                        break
        for _ in range(6):  # whichever worker is met
            refused = await first.get("/api/whoami")
            assert ("session_expired", "too_many_sessions") == (refused.json()["code"], refused.json()["reason"])
        assert 200 == (await second.get("/api/whoami")).status_code

        async def told() -> bool:
            lines = [json.loads(line) for line in governed.audit.read_text().splitlines()]
            return any(line["event"] == "session.displaced" and line["session"] == handle for line in lines)

        await eventually(told, "the audit line")


async def test_parallel_logins_leave_one_session(governed: Bff):
    """Six browsers of one user come back from the issuer at once: one of them is signed in afterwards."""
    browsers = [Browser(governed) for _ in range(6)]
    try:
        callbacks = [await browser.sign_in(await browser.begin_login(), "bob") for browser in browsers]
        await asyncio.gather(
            *(
                browser.navigate(callback, cross_site=True)
                for browser, callback in zip(browsers, callbacks, strict=True)
            )
        )

        async def one_is_left() -> bool:
            return 1 == sum([await browser.user() is not None for browser in browsers])

        await eventually(one_is_left, "one session")
    finally:
        for browser in browsers:
            await browser.__aexit__(None, None, None)


async def test_copied_cookie_is_refused_in_another_browser(governed: Bff):
    """With the code of its own, on every worker; the user goes on, and cannot be signed out by it."""
    async with Browser(governed) as browser:
        assert await let_in(browser, "alice")
        thief = browser.twin()
        elsewhere = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"}
        for _ in range(6):
            assert "session_elsewhere" == (await thief.get("/api/whoami", headers=elsewhere)).json()["code"]
        assert 401 == (await thief.post("/bff/logout", headers=elsewhere)).status_code

        assert 200 == (await browser.get("/api/whoami")).status_code


async def test_remembered_session_has_a_lasting_cookie(governed: Bff):
    """The cookie of who asked for it has Max-Age, and the session its own limits."""
    async with Browser(governed) as browser:
        assert await let_in(browser, "alice", remember="true")
        (line,) = [
            line for line in browser.answers[-1].headers.get_list("set-cookie") if line.startswith("__Host-bff=")
        ]
        assert f"; Max-Age={30 * DAY}" in line
        ends = (await browser.user())["session"]
        assert 30 * DAY - 60 <= ends["expires_in"] <= 30 * DAY
        assert 7 * DAY - 60 <= ends["idle_expires_in"] <= 7 * DAY
