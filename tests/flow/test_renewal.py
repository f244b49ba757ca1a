"""When tokens are renewed, how often, and what a request sees of it. Access tokens live 300 seconds here."""

import asyncio

import pytest

from bff.oidc.transport import IssuerTransport
from tests.internet import World, eventually, make_settings, settle
from tests.neg_op import REMOVED, NegOp, Reply, json_reply

FRESH, DUE, EXPIRED = 200, 250, 296  # seconds after the login


async def bearer(world, browser, target="/api/tasks"):
    """Call the API and return the token that it saw."""
    answer = await browser.get(target)
    assert 200 == answer.status, answer
    return world.upstream.seen[-1].header("authorization")


async def test_fresh_token_is_used_as_it_is(world):
    """Nobody asks the issuer while the token has more than a minute left."""
    browser = world.browser()
    await browser.log_in()
    first = await bearer(world, browser)

    world.clock.advance(FRESH)

    assert first == await bearer(world, browser)
    await settle()
    assert 0 == world.refreshes()


async def test_due_token_is_used_and_renewed_behind_the_request(world):
    """A request in the last minute of a token goes up with it at once; the next one has the new token."""
    browser = world.browser()
    await browser.log_in()
    first = await bearer(world, browser)
    held = world.op.hold("token")
    world.clock.advance(DUE)

    assert first == await bearer(world, browser)
    await eventually(lambda: 1 == world.refreshes())
    assert first == await bearer(world, browser)
    held.set()
    await eventually(lambda: world.told("renewal.done"))

    assert first != await bearer(world, browser)
    assert 1 == world.refreshes()


async def test_expired_token_is_never_sent(world):
    """A request that finds an expired token waits for the new one."""
    browser = world.browser()
    await browser.log_in()
    first = await bearer(world, browser)
    world.clock.advance(EXPIRED)

    assert first != await bearer(world, browser)
    assert 1 == world.refreshes()


@pytest.mark.parametrize("age", [DUE, EXPIRED])
async def test_a_hundred_parallel_requests_cause_one_refresh(world, age):
    """RFC 9700 §4.14.2: with rotation a second use of a refresh token would end the session."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(age)

    answers = await asyncio.gather(*(browser.get(f"/api/tasks/{number}") for number in range(100)))
    await eventually(lambda: world.told("renewal.done"))

    assert [200] * 100 == [answer.status for answer in answers]
    assert 1 == world.refreshes()
    if age == EXPIRED:
        assert 1 == len({sent.header("authorization")[0] for sent in world.upstream.seen})


async def test_two_users_never_share_a_renewal(world):
    """Each session gets its own tokens, however their requests interleave."""
    alice, bob = world.browser(), world.browser()
    await alice.log_in()
    world.op.sub = "bob"
    await bob.log_in()
    world.clock.advance(EXPIRED)

    await asyncio.gather(*(browser.get("/api/tasks") for browser in [alice, bob] * 10))

    assert 2 == world.refreshes()
    assert 2 == len({sent.header("authorization")[0] for sent in world.upstream.seen})
    assert ["alice", "bob"] == [(await alice.user())["sub"], (await bob.user())["sub"]]


async def test_session_stays_through_many_expiries(world):
    """OAuth 2.0 for Browser-Based Applications §6.1.2.2: each renewal uses the refresh token of the one before."""
    browser = world.browser()
    await browser.log_in()

    tokens = set()
    for _ in range(20):
        world.clock.advance(EXPIRED)
        tokens.update(await bearer(world, browser))

    assert (20, 20) == (world.refreshes(), len(tokens))
    used = [seen.form["refresh_token"] for seen in world.op.requests("token", grant_type="refresh_token")]
    assert 20 == len(set(used))


async def test_refresh_token_is_kept_when_the_issuer_does_not_rotate():
    """RFC 6749 §6: no new refresh token means that the old one stays."""
    async with World(op=NegOp(rotate_refresh_tokens=False)) as world:
        browser = world.browser()
        await browser.log_in()
        for _ in range(3):
            world.clock.advance(EXPIRED)
            await bearer(world, browser)

        used = [seen.form["refresh_token"] for seen in world.op.requests("token", grant_type="refresh_token")]
        assert (3, 1) == (len(used), len(set(used)))


async def test_session_without_a_refresh_token_ends_with_its_token(world):
    """Without a refresh token the access token is used to its end, and then the session is over."""
    world.op.token_response["refresh_token"] = REMOVED
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(DUE)
    await bearer(world, browser)

    world.clock.advance(EXPIRED - DUE)
    answers = [await browser.get("/api/tasks"), await browser.get("/api/tasks"), await browser.get("/bff/user")]

    assert ["session_expired"] * 3 == [answer.code for answer in answers]
    assert ["tokens_expired"] * 3 == [answer.document["reason"] for answer in answers]
    assert 0 == world.refreshes()


async def test_user_endpoint_renews_as_the_api_does(world):
    """`/bff/user` and the API agree: what one finds expired, it renews for both."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)

    assert "alice" == (await browser.user())["sub"]
    await bearer(world, browser)

    assert 1 == world.refreshes()


async def test_renewals_of_sessions_that_began_together_are_spread():
    """A fifth of the time ahead is jitter, the same on every worker, so that one login rush is one renewal rush."""
    async with World(workers=2) as world:
        browsers = [world.browser() for _ in range(40)]
        for browser in browsers:
            await browser.log_in()
        starts = {}
        for second in range(225, 242):
            world.clock.now += second - (world.clock.now - 1_800_000_000.0)
            for number, browser in enumerate(browsers):
                before = world.refreshes()
                await browser.at(second % 2).get("/api/tasks")
                await settle()
                if world.refreshes() > before:
                    starts.setdefault(number, []).append(second)

        assert [1] * 40 == [len(found) for found in starts.values()]
        seconds = {found[0] for found in starts.values()}
        assert 4 < len(seconds)
        assert seconds <= set(range(228, 241))


async def test_roles_taken_away_at_the_issuer_bite_at_the_renewal(world):
    """Roles are read again at every renewal; the request that waited for it is decided by the new ones."""
    world.op.id_token["roles"] = ["admin"]
    browser = world.browser()
    await browser.log_in()
    assert 200 == (await browser.get("/admin/users")).status

    world.op.id_token["roles"] = []
    world.clock.advance(EXPIRED)
    answer = await browser.get("/admin/users")

    assert ("access_denied", "role_missing") == (answer.code, answer.document["reason"])
    assert [] == (await browser.user())["roles"]


# ── faults of the issuer ─────────────────────────────────────────────────────────────────────────────────

TRANSIENT = {
    "no connection": ConnectionError("reset"),
    "500": Reply(500),
    "502 with a page": Reply(502, b"<html>", media_type="text/html"),
    "503": Reply(503, headers={"retry-after": "3"}),
    "429": json_reply({"error": "slow_down"}, 429),
    "408": Reply(408),
    "temporarily_unavailable": json_reply({"error": "temporarily_unavailable"}, 400),
    "invalid_client": json_reply({"error": "invalid_client"}, 401),
    "200 without JSON": Reply(200, b"<html>", media_type="text/html"),
    "200 without a token": json_reply({}),
}


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_transient_fault_leaves_a_usable_token_in_use(world, fault):
    """While the token is good, a renewal that fails is nobody's business but the next try's."""
    browser = world.browser()
    await browser.log_in()
    first = await bearer(world, browser)
    world.op.always("token", _fault(fault))
    world.clock.advance(DUE)

    assert first == await bearer(world, browser)
    await eventually(lambda: world.told("renewal.postponed"))
    assert first == await bearer(world, browser)

    world.op.always("token", None)
    world.clock.advance(20)
    await bearer(world, browser)
    await eventually(lambda: world.told("renewal.done"))
    assert first != await bearer(world, browser)


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_transient_fault_with_an_expired_token_is_503_and_never_a_logout(world, fault):
    """A request that needs a new token while the issuer is away is told when to come again, and nobody is out."""
    browser = world.browser()
    await browser.log_in()
    world.op.always("token", _fault(fault))
    world.clock.advance(EXPIRED)

    answer = await browser.get("/api/tasks")

    assert (503, "issuer_unavailable") == (answer.status, answer.code)
    assert 1 <= int(answer.header("retry-after")) <= 30
    assert "alice" == (await browser.user())["sub"]
    world.op.always("token", None)
    world.clock.advance(40)
    await bearer(world, browser)


def _fault(name):
    fault = TRANSIENT[name]
    if isinstance(fault, ConnectionError):
        import httpx

        return httpx.ReadError("reset")
    return fault


async def test_failed_renewal_is_not_repeated_by_every_request(world):
    """After a failure requests are answered at once, and the issuer is asked again only after the back-off."""
    browser = world.browser()
    await browser.log_in()
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)

    answers = [await browser.get("/api/tasks") for _ in range(20)]

    assert [503] * 20 == [answer.status for answer in answers]
    assert 1 == world.refreshes()


async def test_back_off_doubles_to_half_a_minute(world):
    """Each failure doubles the pause, with a quarter of jitter, up to 30 seconds; a success resets it."""
    browser = world.browser()
    await browser.log_in()
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)

    pauses = []
    for _ in range(8):
        await browser.get("/api/tasks")
        pauses.append(world.told("renewal.postponed")[-1]["retry_in"])
        world.clock.advance(40)

    nominal = [1, 2, 4, 8, 16, 30, 30, 30]
    assert [True] * 8 == [0.74 * is_ <= got <= 1.26 * is_ for is_, got in zip(nominal, pauses, strict=True)]
    world.op.always("token", None)
    await bearer(world, browser)
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)
    await browser.get("/api/tasks")
    assert world.told("renewal.postponed")[-1]["retry_in"] <= 1.3


async def test_back_off_listens_to_retry_after(world):
    """RFC 9110 §10.2.3: an issuer that asks for more time gets it, half a minute at most."""
    browser = world.browser()
    await browser.log_in()
    world.op.script("token", Reply(503, headers={"retry-after": "20"}), Reply(503, headers={"retry-after": "250"}))
    world.clock.advance(EXPIRED)

    await browser.get("/api/tasks")
    first = world.told("renewal.postponed")[-1]["retry_in"]
    world.clock.advance(21)
    await browser.get("/api/tasks")
    second = world.told("renewal.postponed")[-1]["retry_in"]

    assert (20.0, 30.0) == (first, second)


async def test_issuer_may_be_away_for_longer_than_anybody_counts(world):
    """A back-off after thousands of failures is still half a minute, not an overflow."""
    browser = world.browser()
    await browser.log_in()
    world.op.down = True
    world.clock.advance(EXPIRED)
    await browser.get("/api/tasks")
    (live,) = world.bffs[0].sessions._by_key.values()
    live.failures = 5000
    world.clock.advance(40)

    answer = await browser.get("/api/tasks")

    assert 503 == answer.status


async def test_refused_refresh_token_ends_the_session(world):
    """invalid_grant is the issuer's word that it is over: the API and `/bff/user` say so in the same second."""
    browser = world.browser()
    await browser.log_in()
    world.op.always("token", json_reply({"error": "invalid_grant"}, 400))
    world.clock.advance(EXPIRED)

    answers = [await browser.get("/api/tasks"), await browser.get("/bff/user"), await browser.get("/api/tasks")]

    assert [(401, "session_expired", "renewal_refused")] * 3 == [
        (answer.status, answer.code, answer.document["reason"]) for answer in answers
    ]
    assert 1 == world.refreshes()
    (event,) = world.told("renewal.refused")
    assert ("renewal_refused", "invalid_grant") == (event["reason"], event["cause"])


async def test_every_request_that_waited_hears_that_the_session_is_over(world):
    """All of them get the same answer; none of them asks the issuer again."""
    browser = world.browser()
    await browser.log_in()
    world.op.always("token", json_reply({"error": "invalid_grant"}, 400))
    world.clock.advance(EXPIRED)

    answers = await asyncio.gather(*(browser.get("/api/tasks") for _ in range(30)))

    assert [(401, "session_expired", "renewal_refused")] * 30 == [
        (answer.status, answer.code, answer.document["reason"]) for answer in answers
    ]
    assert (1, 1) == (world.refreshes(), len(world.told("renewal.refused")))


async def test_token_that_breaks_a_rule_at_renewal_ends_the_session(world):
    """A renewed access token for another audience is not used, and the session does not go on with it."""
    browser = world.browser()
    await browser.log_in()
    world.op.access_token["aud"] = "https://elsewhere.test"
    world.clock.advance(EXPIRED)

    answer = await browser.get("/api/tasks")

    assert ("session_expired", "token_rejected") == (answer.code, answer.document["reason"])
    assert [] == world.upstream.seen


async def test_browser_that_goes_away_does_not_stop_the_renewal(world):
    """A request that is cancelled while it waits leaves the renewal to those who still wait for it."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    leaving = asyncio.ensure_future(browser.get("/api/tasks"))
    staying = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == world.refreshes())

    leaving.cancel()
    held.set()

    assert 200 == (await staying).status
    assert 1 == world.refreshes()
    assert leaving.cancelled()


async def test_renewal_that_nobody_waits_for_any_more_is_still_written(world):
    """When the last request has gone, the rotated token is stored all the same."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    leaving = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == world.refreshes())
    leaving.cancel()
    held.set()
    await eventually(lambda: world.told("renewal.done"))

    assert 200 == (await browser.get("/api/tasks")).status
    assert 1 == world.refreshes()


async def test_shutdown_waits_for_a_renewal_under_way():
    """A worker that stops finishes what would otherwise be lost: the answer of the issuer is written first."""
    world = World(settings=make_settings())
    async with world:
        browser = world.browser()
        await browser.log_in()
        held = world.op.hold("token")
        world.clock.advance(DUE)
        await browser.get("/api/tasks")
        await eventually(lambda: 1 == world.refreshes())
        stopping = asyncio.ensure_future(world.bffs[0].stop())
        await settle()
        held.set()
        await stopping
        world.bffs.clear()

        assert 1 == len(world.told("renewal.done"))
        (record,) = await world.store.inner.find(now=world.clock())
        assert 2 == record.version


async def test_mistake_of_ours_in_a_renewal_is_not_repeated_with_every_request(world, monkeypatch):
    """It backs off as from a fault of the issuer's: each further try could spend another refresh token."""
    browser = world.browser()
    await browser.log_in()
    tries = []

    async def stumble(*_):
        tries.append(world.clock())
        raise KeyError("a mistake")

    monkeypatch.setattr(world.bffs[0].renewer, "_refresh", stumble)
    world.clock.advance(EXPIRED)
    answers = [(await browser.get("/api/tasks")).status for _ in range(4)]
    world.clock.advance(2)
    monkeypatch.undo()

    assert [500, 503, 503, 503] == answers
    assert 1 == len(tries)
    assert 200 == (await browser.get("/api/tasks")).status


def test_transport_has_no_retries_of_its_own():
    """A token request is never sent twice by the client underneath."""
    assert 0 == getattr(IssuerTransport()._client._transport, "_pool", None)._retries
