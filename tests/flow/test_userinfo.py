"""Claims that only the userinfo endpoint knows."""

from dataclasses import replace

from tests.internet import World, make_settings
from tests.neg_op import Reply


async def test_userinfo_is_asked_at_login_and_at_each_renewal():
    """OIDC Core §5.3: what only userinfo says is not lost when the tokens are renewed, and follows its changes."""
    settings = make_settings()
    async with World(settings=replace(settings, oidc=replace(settings.oidc, userinfo=True))) as world:
        world.op.access_token_lifetime = 600
        world.op.userinfo["preferred_username"] = "al"
        browser = world.browser()
        await browser.log_in()
        assert "al" == (await browser.user())["preferred_username"]

        world.op.userinfo["preferred_username"] = "ally"
        world.clock.advance(1000)
        await browser.get("/api/tasks")
        assert "ally" == (await browser.user())["preferred_username"]

        world.op.script("userinfo", Reply(503))
        world.clock.advance(1000)
        await browser.get("/api/tasks")
        assert "ally" == (await browser.user())["preferred_username"], "a fault keeps what was known"
