"""The store of sessions is away: nobody is logged out, and nothing needs a restart."""

import time

import httpx
import pytest

from tests.product import Bff, Browser
from tests.world import AT_ONCE, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def on_valkey(world: World) -> Bff:
    """The product on a Valkey of its own, which can be stopped."""
    options = {"store": world.private_valkey.url, "session": 'store_timeout = "500ms"'}
    return world.start(world.issuer, api=world.api, port=world.port(), **options)


@pytest.mark.parametrize("outage", ["stop", "pause"])
async def test_store_that_is_away_is_a_503_and_sessions_come_back_with_it(
    world: World, on_valkey: Bff, outage: str
):
    """With the documented code and Retry-After, soon; ready says so; afterwards everybody is still signed in."""
    valkey, bff = world.private_valkey, on_valkey
    async with Browser(bff) as browser, httpx.AsyncClient(verify=False) as http:
        await browser.log_in()
        assert 200 == (await browser.get("/api/whoami")).status_code
        valkey.pause() if outage == "pause" else valkey.stop()
        try:

            async def refused() -> bool:
                return 503 == (await browser.get("/api/whoami")).status_code

            await eventually(refused, "the refusal")
            begun = time.monotonic()
            answers = [await browser.get(path) for path in ("/api/whoami", "/bff/user")]
            assert time.monotonic() - begun < AT_ONCE
            assert [(503, "session_store_unavailable")] * 2 == [
                (answer.status_code, answer.json()["code"]) for answer in answers
            ]
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
            assert browser.session_cookie is not None
            assert 200 == (await http.get(f"{bff.management_url}/health/live")).status_code
            assert 503 == (await http.get(f"{bff.management_url}/health/ready")).status_code
            unneeded = await browser.get("/anonymous/x")
            assert 200 == unneeded.status_code
        finally:
            valkey.resume() if outage == "pause" else valkey.start()

        async def back() -> bool:
            return 200 == (await browser.get("/api/whoami")).status_code

        await eventually(back, "the recovery")
        assert await browser.user() is not None

        async def ready() -> bool:
            return 200 == (await http.get(f"{bff.management_url}/health/ready")).status_code

        await eventually(ready, "readiness")


async def test_logout_during_an_outage_says_that_it_did_not_happen(world: World, on_valkey: Bff):
    """503, cookie kept: the person can try again, and must not believe that they are out."""
    valkey = world.private_valkey
    async with Browser(on_valkey) as browser:
        await browser.log_in()
        valkey.stop()
        try:
            refused = await browser.post("/bff/logout")
            assert (503, "session_store_unavailable") == (refused.status_code, refused.json()["code"])
            assert browser.session_cookie is not None
        finally:
            valkey.start()

        async def out() -> bool:
            return 200 == (await browser.post("/bff/logout")).status_code

        await eventually(out, "the logout")
        assert await browser.user() is None


async def test_login_during_an_outage_shows_a_page(world: World, on_valkey: Bff):
    """And works afterwards, with the same attempt if the code is still good, or a new one."""
    valkey = world.private_valkey
    async with Browser(on_valkey) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        valkey.stop()
        try:
            failed = await browser.navigate(callback, cross_site=True)
            assert 503 == failed.status_code
            assert failed.headers["content-type"].startswith("text/html")
            assert browser.session_cookie is None
        finally:
            valkey.start()

        async def signed_in() -> bool:
            answer = await browser.navigate(await browser.sign_in(await browser.begin_login()), cross_site=True)
            return 303 == answer.status_code

        await eventually(signed_in, "the login")
        assert 200 == (await browser.get("/api/whoami")).status_code
