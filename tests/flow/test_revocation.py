"""Tokens of a session that ends without its cookie are taken back by whoever can open it."""

from dataclasses import replace

from tests.internet import World, eventually, make_settings
from tests.neg_op import Reply

EXPIRED = 400.0  # seconds, more than an access token lives


def unrevoked(world: World) -> set[str]:
    """Every refresh token that the issuer gave and has not taken back."""
    return {token for token in world.op._desk._refresh_tokens if not world.op.is_revoked(token)}


async def test_back_channel_logout_revokes_at_the_worker_that_got_it(world):
    """The worker that ends a session it has in memory revokes its tokens, though its own push finds it gone."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")

    assert 200 == (await world.back_channel_logout()).status

    await eventually(lambda: set() == unrevoked(world))
    await eventually(lambda: 1 == len(world.told("tokens.revoked")))


async def test_new_login_revokes_the_tokens_of_the_session_that_it_replaces(world):
    """A second login in the same browser leaves no refresh token of the first one behind (OWASP ASVS 7.2.4)."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    before = unrevoked(world)

    await browser.log_in()

    await eventually(lambda: before.isdisjoint(unrevoked(world)))
    assert 200 == (await browser.get("/api/tasks")).status


async def test_session_ended_without_its_cookie_is_revoked_once(two_workers):
    """Two workers have it in memory, and both hear of its end: one of them revokes."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")

    await world.back_channel_logout()

    await eventually(lambda: set() == unrevoked(world))
    for bff in world.bffs:
        await eventually(lambda bff=bff: not bff._background._tasks)
    assert 1 == len(world.told("tokens.revoked"))


async def test_refresh_token_of_a_rejected_renewal_is_revoked(world):
    """What the issuer granted in the place of the old one is no use to us, and must be none to a thief."""
    browser = world.browser()
    await browser.log_in()
    world.op.access_token["aud"] = "https://elsewhere.test"
    world.clock.advance(EXPIRED)

    assert "token_rejected" == (await browser.get("/api/tasks")).document["reason"]

    await eventually(lambda: set() == unrevoked(world))


async def test_tokens_of_a_login_that_breaks_a_rule_are_revoked(world):
    """An ID token that is refused leaves no refresh token behind."""
    world.op.id_token["aud"] = "somebody-else"

    browser = world.browser()
    answer = await browser.finish_login(await browser.begin_login())

    assert 502 == answer.status
    await eventually(lambda: unrevoked(world) == set() and bool(world.op.count("revoke")))


async def test_tokens_of_a_login_that_cannot_be_kept_are_revoked(world):
    """A store that is away at the end of a login costs the login, and leaves no refresh token behind."""
    browser = world.browser()
    location = await browser.begin_login()
    world.store.fail("create")

    assert 503 == (await browser.finish_login(location)).status

    await eventually(lambda: unrevoked(world) == set() and bool(world.op.count("revoke")))


async def test_tokens_of_a_login_without_its_userinfo_are_revoked():
    """Likewise where userinfo does not answer."""
    settings = make_settings()
    async with World(settings=replace(settings, oidc=replace(settings.oidc, userinfo=True))) as world:
        browser = world.browser()
        location = await browser.begin_login()
        world.op.script("userinfo", Reply(500))

        assert 503 == (await browser.finish_login(location)).status

        await eventually(lambda: unrevoked(world) == set() and bool(world.op.count("revoke")))
