"""The API says 401 to a token that we believed good."""

import asyncio
from dataclasses import replace

from bff.config.settings import ApiSettings, TokenKind
from bff.errors import UpstreamTimeout
from tests.fake_upstream import Given
from tests.internet import World, eventually, make_settings
from tests.neg_op import Reply, json_reply

OLD_ENOUGH = 31.0  # seconds: a younger token is not renewed because of a 401


def refusal(challenge: bytes = b'Bearer error="invalid_token"') -> Given:
    return Given(401, [(b"www-authenticate", challenge)], [b"no"])


async def test_refused_token_is_renewed_once_and_the_call_repeated(world: World):
    """RFC 6750 §3.1: the browser sees the answer to the second try, which has the new token and all else alike."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(refusal(), Given(200, [], [b"fine"]))

    answer = await browser.request("POST", "/api/tasks?a=1", body=b"{}")

    first, second = world.upstream.seen
    assert (200, b"fine") == (answer.status, answer.body)
    assert 1 == world.refreshes()
    assert (first.method, first.url, first.body) == (second.method, second.url, second.body)
    assert 1 == len(second.header("authorization"))
    assert first.header("authorization") != second.header("authorization")
    assert [pair for pair in first.headers if pair[0] != "authorization"] == [
        pair for pair in second.headers if pair[0] != "authorization"
    ]
    assert 2 == world.upstream.left


async def test_refusals_of_many_calls_share_one_renewal(world: World):
    """Single flight over all calls of a session."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(*(refusal() for _ in range(10)))

    answers = await asyncio.gather(*(browser.get("/api/tasks") for _ in range(10)))

    assert [200] * 10 == [answer.status for answer in answers]
    assert 1 == world.refreshes()


async def test_api_that_refuses_every_token_cannot_make_us_hammer_the_issuer(world: World):
    """One renewal in half a minute, two tries a call at most, and the 401 reaches the page."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(*(refusal() for _ in range(11)))

    answers = [await browser.get("/api/tasks") for _ in range(10)]

    assert [(401, b"no")] * 10 == [(answer.status, answer.body) for answer in answers]
    assert 1 == world.refreshes()
    assert 11 == len(world.upstream.seen)


async def test_young_token_is_not_renewed(world: World):
    """Right after the login another token would be no better."""
    browser = world.browser()
    await browser.log_in()
    world.upstream.script(refusal())

    assert (401, 0) == ((await browser.get("/api/tasks")).status, world.refreshes())


async def test_refusal_that_is_not_about_the_token_is_passed_on(world: World):
    """RFC 6750 §3.1: another token does not mend an invalid request."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(refusal(b'Bearer error="invalid_request"'))

    assert (401, 0) == ((await browser.get("/api/tasks")).status, world.refreshes())


async def test_issuer_that_is_away_leaves_the_refusal_as_it_is(world: World):
    """No transient fault logs anybody out: the 401 of the API is passed on, and the session lives."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.op.always("token", Reply(503))
    world.upstream.script(refusal(), refusal())

    assert (401, b"no") == ((answer := await browser.get("/api/tasks")).status, answer.body)
    world.op.always("token", None)
    assert await browser.user() is not None


async def test_issuer_that_refuses_ends_the_session(world: World):
    """The token was revoked with everything else: the page learns it at once."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.op.script("token", json_reply({"error": "invalid_grant"}, status=400))
    world.upstream.script(refusal())

    answer = await browser.get("/api/tasks")

    assert ("session_expired", "renewal_refused") == (answer.code, answer.document["reason"])
    assert await browser.user() is None


async def test_upload_that_was_refused_is_not_repeated(world: World):
    """A body that was streamed is gone; the next call has the new token."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(refusal())

    answer = await browser.request("POST", "/api/tasks", body=b"x" * 100_000)

    assert (401, 1) == (answer.status, len(world.upstream.seen))
    await eventually(lambda: world.refreshes() == 1)
    old = world.upstream.seen[0].header("authorization")
    await browser.get("/api/tasks")
    assert old != world.upstream.seen[1].header("authorization")


async def test_second_try_that_fails_is_told(world: World):
    """What happens to it is what the browser hears."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    world.upstream.script(refusal(), UpstreamTimeout())

    assert "upstream_timeout" == (await browser.get("/api/tasks")).code


async def test_api_that_asks_for_a_stronger_login_becomes_step_up_required(world: World):
    """RFC 9470 §3 and §4: what login takes, for the page; no renewal, which could not help."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(OLD_ENOUGH)
    asked = b'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age=5'
    world.upstream.script(refusal(asked), refusal(asked))

    answer = await browser.get("/api/tasks")
    upload = await browser.request("POST", "/api/tasks", body=b"x" * 100_000)

    assert [("step_up_required", "gold silver", 5)] * 2 == [
        (each.code, each.document["acr_values"], each.document["max_age"]) for each in (answer, upload)
    ]
    assert (0, 2) == (world.refreshes(), world.upstream.left)


async def test_login_that_is_strong_enough_is_not_asked_for_again(world: World):
    """No loop: what another login cannot mend stays the API's own 401."""
    browser = world.browser()
    await browser.log_in(acr_values="gold")
    asked = b'Bearer error="insufficient_user_authentication", acr_values="gold"'
    world.upstream.script(refusal(asked))

    answer = await browser.get("/api/tasks")

    assert (401, b"no", 0) == (answer.status, answer.body, world.refreshes())


async def test_401_where_no_token_was_sent_is_passed_on():
    """There is none to renew."""
    route = ApiSettings("/open", "http://upstream.test", token=TokenKind.NONE)
    async with World(settings=replace(make_settings(), api=(route,))) as world:
        world.upstream.script(refusal())

        answer = await world.browser().get("/open/x")

        assert (401, b"no") == (answer.status, answer.body)


async def test_workers_share_what_one_of_them_renewed(two_workers: World):
    """A token's age is known to all: what one worker has just renewed, another does not renew again."""
    browser = two_workers.browser()
    await browser.log_in()
    await browser.at(1).get("/api/tasks")
    two_workers.clock.advance(OLD_ENOUGH)
    two_workers.upstream.script(refusal(), Given(), refusal())

    assert [200, 401] == [(await browser.at(worker).get("/api/tasks")).status for worker in (0, 1)]
    assert 1 == two_workers.refreshes()
