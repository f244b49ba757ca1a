"""Claims that only the userinfo endpoint knows."""

from dataclasses import replace

from tests.internet import World, make_settings
from tests.neg_op import REMOVED, Reply


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


async def test_userinfo_is_followed_where_renewals_bring_no_id_token():
    """What it said the last time does not win over what it says now: a role that is taken away is gone."""
    settings = make_settings()
    async with World(settings=replace(settings, oidc=replace(settings.oidc, userinfo=True))) as world:
        browser = world.browser()
        world.op.id_token_on_refresh = False
        world.op.userinfo["roles"] = ["admin", "reader"]
        await browser.log_in()
        assert ["admin", "reader"] == (await browser.user())["roles"]

        for roles, held in ((["reader"], ["reader"]), (REMOVED, [])):
            world.op.userinfo["roles"] = roles
            world.clock.advance(296)
            assert 200 == (await browser.get("/api/tasks")).status
            assert held == (await browser.user())["roles"]

        assert 3 == world.op.count("userinfo")
        assert "alice" == (await browser.user())["sub"]
