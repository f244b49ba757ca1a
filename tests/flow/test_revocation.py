"""Tokens of a session that ends without its cookie are taken back by whoever can open it."""

from tests.internet import World, eventually


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
