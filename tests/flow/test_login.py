"""Logins: several at once, repeated, overtaken, replaced, failed."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.internet import COOKIE, PATIENCE, World, eventually, make_settings, settle
from tests.neg_op import Reply, json_reply


async def live_records(world):
    return await world.store.inner.find(now=world.clock())


async def test_several_tabs_log_in_at_once(world):
    """RFC 9700 §2.1.1: each attempt has its own state, nonce and verifier, and finds its own cookie."""
    browser = world.browser()
    urls = [await browser.begin_login(return_to=f"/tab/{number}") for number in range(3)]

    landed = [(await browser.finish_login(url)).header("location") for url in (urls[1], urls[2], urls[0])]

    assert ["/tab/1", "/tab/2", "/tab/0"] == landed
    for name in ("state", "nonce", "code_challenge"):
        assert 3 == len({parse_qs(urlsplit(url).query)[name][0] for url in urls})
    assert {COOKIE} == set(browser.cookies)


async def test_abandoned_attempts_do_not_pile_up(world):
    """A browser holds five attempts at most; the oldest go first."""
    browser = world.browser()
    urls = []
    for _ in range(9):
        urls.append(await browser.begin_login())
        world.clock.advance(1)

    assert 5 == len(browser.cookies)
    assert 400 == (await browser.finish_login(urls[0])).status
    assert 303 == (await browser.finish_login(urls[-1])).status


async def test_callback_is_good_once(world):
    """RFC 9700 §4.2.4: the same answer a second time logs nobody in and asks the issuer nothing."""
    browser = world.browser()
    url = await browser.begin_login()
    jar = dict(browser.cookies)
    callback = urlsplit(world.op.login(url))
    target = f"{callback.path}?{callback.query}"
    first = await browser.get(target, csrf=False, cross_site=True)
    thief = world.browser()
    thief.cookies = jar

    second = await thief.get(target, csrf=False, cross_site=True)

    assert (303, 400) == (first.status, second.status)
    assert ("login_failed", [{"reason": "already_used"}]) == (second.code, world.told("login.failed"))
    assert 1 == world.op.count("token")
    assert COOKIE not in thief.cookies


async def test_callback_twice_at_the_same_time_logs_in_once(two_workers):
    """A double click at two workers: one of them redeems the code, the other says that it was used."""
    world = two_workers
    browser = world.browser()
    callback = urlsplit(world.op.login(await browser.begin_login()))
    target = f"{callback.path}?{callback.query}"

    answers = await asyncio.gather(
        *(browser.at(worker).get(target, csrf=False, cross_site=True) for worker in (0, 1, 0, 1))
    )

    assert [303, 400, 400, 400] == sorted(answer.status for answer in answers)
    assert (1, 1) == (world.op.count("token"), len(await live_records(world)))


async def test_callback_in_a_browser_that_did_not_begin_it_is_refused(world):
    """RFC 9700 §4.7: an attacker's callback URL logs the victim's browser into nothing."""
    attacker, victim = world.browser(), world.browser()
    url = await attacker.begin_login()

    answer = await victim.finish_login(url)

    assert (400, "login_failed", {}) == (answer.status, answer.code, victim.cookies)
    assert 0 == world.op.count("token")


async def test_back_button_to_the_callback_of_a_signed_in_user_goes_home(world):
    """A stale callback with a live session shows no error: it leads to the start page."""
    browser = world.browser()
    url = await browser.begin_login()
    callback = urlsplit(world.op.login(url))
    target = f"{callback.path}?{callback.query}"
    await browser.get(target, csrf=False, cross_site=True)

    again = await browser.get(target, csrf=False)

    assert (303, "/") == (again.status, again.header("location"))
    assert "alice" == (await browser.user())["sub"]


async def test_session_that_a_login_replaces_is_ended_and_its_tokens_revoked(world):
    """ASVS 7.2.4: a new login has a new id, and the old session is not left behind."""
    browser = world.browser()
    await browser.log_in()
    old = browser.cookies[COOKIE]
    await browser.get("/api/tasks")
    first = {*world.op._desk._refresh_tokens}

    await browser.log_in()
    await settle()

    assert old != browser.cookies[COOKIE]
    assert 1 == len(await live_records(world))
    stale = world.browser()
    stale.cookies[COOKIE] = old
    answer = await stale.get("/api/tasks")
    assert ("session_expired", "replaced") == (answer.code, answer.document["reason"])
    await eventually(lambda: all(world.op.is_revoked(token) for token in first))


async def test_tokens_of_a_session_that_nobody_holds_are_revoked_when_its_cookie_is_seen(two_workers):
    """Ended by its key alone, a session leaves a sealed tombstone: whoever can open it revokes, once."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    (record,) = await live_records(world)
    await world.bffs[0].sessions.end_key(record.key, "admin", world.clock())
    await settle()
    assert 0 == world.op.count("revoke")

    answers = await asyncio.gather(*(browser.at(number % 2).get("/api/tasks") for number in range(10)))
    await eventually(lambda: world.told("tokens.revoked"))
    await settle()

    assert [("session_expired", "admin")] * 10 == [(answer.code, answer.document["reason"]) for answer in answers]
    assert (1, 1) == (
        world.op.count("revoke", token_type_hint="refresh_token"),
        world.op.count("revoke", token_type_hint="access_token"),
    )


async def test_silent_login_that_the_issuer_declines_comes_back_without_an_error(world):
    """OIDC Core §3.1.2.6: `login_required` is an answer to prompt=none, not an error, and starts no loop."""
    world.op.sub = ""
    browser = world.browser()

    landed = await browser.finish_login(await browser.begin_login(prompt="none", return_to="/here"))

    assert (303, "/here", {}) == (landed.status, landed.header("location"), browser.cookies)


async def test_login_that_the_issuer_declines_shows_why_and_ends_the_attempt(world):
    """Without prompt=none the same answer is a page with a way to try again."""
    world.op.callback.update(error="access_denied", code="")
    browser = world.browser()
    url = await browser.begin_login(return_to="/there")
    callback = urlsplit(world.op.login(url))

    answer = await browser.get(
        f"{callback.path}?{callback.query}", csrf=False, cross_site=True, headers={"accept": "text/html"}
    )

    assert (400, {}) == (answer.status, browser.cookies)
    page = answer.body.decode()
    assert "provider_access_denied" in page
    assert 'href="/bff/login?return_to=/there"' in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (json_reply({"error": "invalid_grant"}, 400), 502, "grant_rejected"),
        (json_reply({"access_token": "x", "token_type": "mac"}), 502, "token_rejected"),
        (Reply(503), 503, "issuer_unavailable"),
    ],
)
async def test_code_that_cannot_be_redeemed_begins_no_session(world, reply, status, code):
    """Each failure at the token endpoint has its own code; none leaves a session or a cookie."""
    world.op.script("token", reply)
    browser = world.browser()

    answer = await browser.finish_login(await browser.begin_login())

    assert (status, code) == (answer.status, answer.code)
    assert COOKIE not in browser.cookies
    assert [] == await live_records(world)
    assert [{"reason": code}] == world.told("login.failed")


@pytest.mark.parametrize("step", ["remember", "create", "recall"])
async def test_store_that_fails_during_a_login_is_a_503_and_sets_no_session(world, step):
    """A login that cannot be written begins nothing that the browser could use."""
    browser = world.browser()
    url = await browser.begin_login()
    world.store.fail(step)

    answer = await browser.finish_login(url)

    assert (503, "session_store_unavailable") == (answer.status, answer.code)
    assert COOKIE not in browser.cookies


async def test_callback_that_reaches_a_worker_before_its_metadata_waits_for_them(world):
    """A worker that has just started learns about the issuer first, and then finishes the login."""
    browser = world.browser()
    url = await browser.begin_login()
    relying_party = world.bffs[0].relying_party
    relying_party._discovery.metadata = None

    assert 303 == (await browser.finish_login(url)).status


# ── a back-channel logout that meets a login ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("point", ["token", "create", "create done", "recall"])
async def test_back_channel_logout_overtakes_a_login(two_workers, point):
    """OIDC Back-Channel Logout §2.7: a login that was under way when the logout came leaves no session."""
    world = two_workers
    browser = world.browser()
    url = await browser.begin_login()
    if point == "token":
        held = world.op.hold("token")
        let_go, reached = held.set, lambda: eventually(lambda: 1 == world.op.count("token"))
    else:
        gate = world.store.hold(point.split()[0], done=point.endswith("done"))
        let_go, reached = gate.open, gate.reached.wait
    landing = asyncio.ensure_future(browser.finish_login(url))
    await asyncio.wait_for(reached(), PATIENCE)
    if point == "token":
        world.clock.advance(-1)  # the issuer signs the ID token when it lets go
    done = await world.back_channel_logout(worker=1)
    world.clock.advance(1 if point == "token" else 0)
    if point == "token":
        world.op.id_token["iat"] = int(world.clock()) - 2
    let_go()
    await landing
    await settle()

    assert 200 == done.status
    assert [] == await live_records(world)
    assert {"session_expired" if COOKIE in browser.cookies else "session_required"} == {
        (await browser.get("/api/tasks")).code
    }


async def test_login_after_a_back_channel_logout_is_a_new_one(world):
    """Whoever signs in again a moment later stays signed in."""
    browser = world.browser()
    await browser.log_in()
    await world.back_channel_logout()
    world.clock.advance(6)

    await browser.log_in()

    assert "alice" == (await browser.user())["sub"]


# ── the session's own times and keys ─────────────────────────────────────────────────────────────────────


async def test_idle_session_ends_within_a_minute_before_its_time():
    """Uses are written once a minute, so a session may end that much early, and never late."""
    async with World(settings=make_settings(idle_timeout=1200.0)) as world:
        world.op.access_token_lifetime = 3600
        browser = world.browser()
        await browser.log_in()
        for _ in range(30):
            world.clock.advance(59)
            assert 200 == (await browser.get("/api/tasks")).status
            await settle()
        world.clock.advance(1200 - 60)
        assert 200 == (await browser.get("/api/tasks")).status
        await settle()
        world.clock.advance(1201)

        assert ("session_expired", "expired") == (
            (answer := await browser.get("/api/tasks")).code,
            answer.document["reason"],
        )


async def test_asking_who_is_signed_in_without_sliding_keeps_nobody_in():
    """`/bff/user?slide=false` is a question, not a use."""
    async with World(settings=make_settings(idle_timeout=600.0)) as world:
        world.op.access_token_lifetime = 3600
        browser = world.browser()
        await browser.log_in()
        for _ in range(9):
            world.clock.advance(60)
            answer = await browser.get("/bff/user?slide=false")
            assert 200 == answer.status
        assert 60 == answer.document["session"]["idle_expires_in"]
        world.clock.advance(61)

        assert "session_expired" == (await browser.get("/bff/user?slide=false")).code


async def test_session_ends_at_its_absolute_end_however_busy_it_is():
    """ASVS 7.3.2: use does not prolong a session beyond its absolute end, not even one that is warm."""
    async with World(settings=make_settings(absolute_timeout=900.0)) as world:
        world.op.access_token_lifetime = 3600
        browser = world.browser()
        await browser.log_in()
        for _ in range(89):
            world.clock.advance(10)
            assert 200 == (await browser.get("/api/tasks")).status
        world.clock.advance(10)

        assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_rotated_key_logs_nobody_out_and_the_cookie_is_sealed_anew():
    """A worker with a new key in front opens what the old one sealed, and hands out a cookie of the new one."""
    from bff.config.settings import KeysSettings, Secret
    from tests.internet import KEYS

    async with World() as world:
        browser = world.browser()
        await browser.log_in()
        old = browser.cookies[COOKIE]
        await world.start_worker(keys=KeysSettings((Secret(KEYS[1]), Secret(KEYS[0]))))
        await world.start_worker(keys=KeysSettings((Secret(KEYS[1]),)))

        assert 200 == (await browser.at(1).get("/api/tasks")).status
        assert old == browser.cookies[COOKIE]
        await browser.at(1).get("/bff/user?slide=false")
        assert old == browser.cookies[COOKIE]
        assert "alice" == (await browser.at(1).user())["sub"]
        new = browser.cookies[COOKIE]
        assert old != new
        await browser.at(1).user()
        assert new == browser.cookies[COOKIE]
        world.clock.advance(296)
        assert 200 == (await browser.at(1).get("/api/tasks")).status  # the record is sealed anew as well
        assert 200 == (await browser.at(2).get("/api/tasks")).status
        browser.cookies[COOKIE] = old
        assert "session_required" == (await browser.at(2).get("/api/tasks")).code


async def test_record_that_cannot_be_opened_is_signed_out_and_told(world):
    """A record sealed with a key that is gone is as good as none: no 500, and operators hear of it."""
    from bff.config.settings import KeysSettings, Secret
    from tests.internet import KEYS

    browser = world.browser()
    await browser.log_in()
    await world.start_worker(keys=KeysSettings((Secret(KEYS[1]), Secret(KEYS[0]))))
    (record,) = await live_records(world)
    world.store.inner._sessions.rows[record.key] = type(record)(
        **{**{name: getattr(record, name) for name in record.__slots__}, "sealed": b"\x01" + b"x" * 60}
    )

    answer = await browser.at(1).get("/api/tasks")

    assert "session_required" == answer.code
    assert 1 == len(world.told("session.unreadable"))


async def test_back_channel_logout_ends_every_session_of_the_subject(two_workers):
    """OIDC Back-Channel Logout §2.7: without `sid` all of the person's sessions end, at every worker."""
    world = two_workers
    browsers = [world.browser(number % 2) for number in range(6)]
    for browser in browsers:
        await browser.log_in()
        await browser.get("/api/tasks")
    world.op.sub = "bob"
    other = world.browser()
    await other.log_in()
    world.op.sub = "alice"
    token = {"jti": "one"}

    first = await world.back_channel_logout(**token)
    await settle()
    again = await world.back_channel_logout(**token)

    assert [200, 200] == [first.status, again.status]
    assert ["session_expired"] * 6 == [(await browser.get("/api/tasks")).code for browser in browsers]
    assert "bob" == (await other.user())["sub"]
    assert 6 == len(world.told("logout.backchannel"))
    await eventually(lambda: 6 == len(world.told("tokens.revoked")))


async def test_back_channel_logout_that_the_store_interrupts_can_be_sent_again(world):
    """The issuer's second try does what the first one could not."""
    browser = world.browser()
    await browser.log_in()
    world.store.fail("end")

    first = await world.back_channel_logout(jti="one")
    second = await world.back_channel_logout(jti="one")

    assert [503, 200] == [first.status, second.status]
    assert "session_expired" == (await browser.get("/api/tasks")).code
