"""The store is away, and warm sessions go on for a while."""

import time

import pytest

from tests.product import Bff, Browser
from tests.world import AT_ONCE, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def graceful(world: World) -> Bff:
    """A grace that no test outlasts."""
    session = 'store_timeout = "500ms"\nstore_grace = "25m"'
    return world.start(
        world.issuer, api=world.api, port=world.port(), store=f"{world.private_valkey.url}/6", session=session
    )


@pytest.mark.parametrize("outage", ["stop", "pause"])
async def test_warm_session_goes_on_and_a_logout_is_not_claimed(world: World, graceful: Bff, outage: str):
    """Calls of a session in memory are served; a cold one and a logout are 503; afterwards the logout is done."""
    valkey = world.private_valkey
    async with Browser(graceful) as warm, Browser(graceful) as cold:
        await warm.log_in("alice")
        await cold.log_in("bob")
        assert 200 == (await warm.get("/api/whoami")).status_code
        valkey.pause() if outage == "pause" else valkey.stop()
        try:

            async def is_away() -> bool:
                return 503 == (await cold.get("/api/whoami")).status_code

            await eventually(is_away, "the outage")
            begun = time.monotonic()
            answers = [(await warm.get("/api/whoami")).status_code for _ in range(20)]
            assert [200] * 20 == answers
            assert time.monotonic() - begun < AT_ONCE

            refused = await warm.post("/bff/logout")
            assert (503, "session_store_unavailable") == (refused.status_code, refused.json()["code"])
            assert warm.session_cookie is not None
        finally:
            valkey.resume() if outage == "pause" else valkey.start()

        async def logged_out() -> bool:
            return 200 == (await warm.post("/bff/logout")).status_code

        await eventually(logged_out, "the logout")
        assert await warm.user() is None

        async def back() -> bool:
            return 200 == (await cold.get("/api/whoami")).status_code

        await eventually(back, "the recovery")
