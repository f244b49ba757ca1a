"""Tokens are renewed once for each expiry, whatever the number of requests, workers and machines."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.servers import Issuer
from tests.world import BRIEF, NegIssuer, World, eventually, until

pytestmark = pytest.mark.integration

ALONE = "renewal_process = false"  # the workers renew, and have to agree on who does
UNUSABLE = 0.5  # seconds before its expiry from which a token is not sent any more, at most


async def log_in_and_let_expire(issuer: Issuer, *browsers: Browser, logins: Sequence[str] = ("alice",)) -> None:
    """Logs in and waits until the access tokens have expired; the next ones live longer than any test.

    So what is counted afterwards is one renewal each, however long a busy machine takes.
    """
    for browser, login in zip(browsers, logins, strict=True):
        await browser.log_in(login)
    tokens = [(await browser.get("/api/whoami")).json()["token"] for browser in browsers]
    await issuer.reset()  # a token may have expired on the way here
    await issuer.set_lifetime(300)
    await until(max(token["expires_at"] for token in tokens) + 0.1)


class Expired:
    """Sessions whose access tokens have expired: several are begun together, so that they are waited for once."""

    BEGUN = ("alice",) * 7 + ("bob",)

    def __init__(self) -> None:
        self._sessions: list[tuple[str, Browser]] = []

    async def take(self, issuer: Issuer, browser: Browser, login: str = "alice") -> None:
        """Puts one of them into the browser; what is renewed afterwards lives longer than any test."""
        if login not in [name for name, _ in self._sessions]:
            await self._begin(issuer, browser.bff)
        await issuer.reset()
        await issuer.set_lifetime(300)
        found = next(number for number, (name, _) in enumerate(self._sessions) if login == name)
        browser.take_cookies_of(self._sessions.pop(found)[1])

    def clear(self) -> None:
        """Forgets them, since their grants are none any more."""
        self._sessions.clear()

    async def _begin(self, issuer: Issuer, bff: Bff) -> None:
        async with AsyncExitStack() as stack:
            browsers = [await stack.enter_async_context(Browser(bff)) for _ in self.BEGUN]
            await log_in_and_let_expire(issuer, *browsers, logins=self.BEGUN)
        self._sessions += zip(self.BEGUN, browsers, strict=True)


@pytest.fixture(scope="module")
def expired() -> Expired:
    return Expired()


@pytest.fixture
def brief_issuer(world: World, brief: Bff) -> Issuer:
    return world.brief_issuer


async def test_fifty_parallel_requests_on_four_workers_refresh_once(
    brief: Bff, brief_issuer: Issuer, expired: Expired
):
    """With rotation and detection of reuse at the issuer, a second use would be fatal (RFC 9700 §4.14.2)."""
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)
        await brief_issuer.fault("token", "delay:300", times=None)  # long enough for every worker to want it
        answers = await asyncio.gather(*(browser.get("/api/whoami") for _ in range(50)))

        assert [200] * 50 == [answer.status_code for answer in answers]
        counters = await brief_issuer.counters()
        assert (1, 0, 0) == (
            counters["refresh_token"],
            counters["refresh_token_errors"],
            counters["reuse_detected"],
        )


async def test_fifty_parallel_requests_on_two_machines_with_valkey_refresh_once(
    world: World, brief: Bff, brief_issuer: Issuer
):
    """The same when the workers share nothing but Valkey (RFC 9700 §4.14.2)."""
    options = {"session": 'renew_ahead = "0s"', "api": world.brief_api, "workers": 2, "server": ALONE}
    with (
        world.build(brief_issuer, port=world.port(), store=f"{world.valkey.url}/2", **options) as one,
        world.build(brief_issuer, beside=one, **options) as other,
    ):
        for bff in (one, other):
            await eventually(lambda bff=bff: 2 == bff.output().count("jwks_fetched"), "the start of all workers")
        async with Browser(one) as browser, Browser(other) as there:
            await log_in_and_let_expire(brief_issuer, browser)
            there.cookies.update(browser.cookies)
            await brief_issuer.fault("token", "delay:300", times=None)
            calls = [user.get("/api/whoami") for _ in range(25) for user in (browser, there)]
            answers = await asyncio.gather(*calls)

    assert [200] * 50 == [answer.status_code for answer in answers]
    counters = await brief_issuer.counters()
    assert (1, 0, 0) == (counters["refresh_token"], counters["refresh_token_errors"], counters["reuse_detected"])


async def test_requests_of_two_people_never_share_a_renewal(brief: Bff, brief_issuer: Issuer, expired: Expired):
    """Each gets their own tokens, however interleaved (RFC 9700 §4.14.2)."""
    async with Browser(brief) as one, Browser(brief) as other:
        await expired.take(brief_issuer, one)
        await expired.take(brief_issuer, other, "bob")
        answers = await asyncio.gather(*(user.get("/api/whoami") for _ in range(20) for user in (one, other)))

    assert ["alice", "bob"] * 20 == [answer.json()["subject"] for answer in answers]
    assert 2 == await brief_issuer.count("refresh_token")


async def test_session_lives_through_many_renewals(brief: Bff, brief_issuer: Issuer):
    """Each rotated refresh token is kept and used next, on whatever worker (RFC 6749 §6)."""
    async with Browser(brief) as browser:
        await browser.log_in()
        for _ in range(3):
            token = (await browser.get("/api/whoami")).json()["token"]
            await until(token["expires_at"] + 0.05)

        assert 200 == (await browser.get("/api/whoami")).status_code
        counters = await brief_issuer.counters()
        assert (True, 0) == (counters["refresh_token"] >= 3, counters["refresh_token_errors"])


async def test_answer_of_the_user_endpoint_renews_as_well(brief: Bff, brief_issuer: Issuer, expired: Expired):
    """So that the page and the API always agree."""
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)

        assert await browser.user() is not None
        assert 1 == await brief_issuer.count("refresh_token")


async def test_role_taken_away_at_the_issuer_bites_at_the_next_renewal(
    world: World, brief: Bff, brief_issuer: Issuer, expired: Expired
):
    """Roles are worked out anew with each token set."""
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)
        await brief_issuer.set_roles("alice", ["reader"])
        await browser.get("/api/whoami")

        assert ["reader"] == (await browser.user())["roles"]
        assert 403 == (await browser.delete("/guarded/x")).status_code


async def test_logout_during_a_renewal_wins_and_the_new_tokens_are_revoked(
    brief: Bff, brief_issuer: Issuer, expired: Expired
):
    """Nothing brings the session back, and nothing that was just issued stays alive (RFC 7009 §2)."""
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)
        thief = browser.twin()
        await brief_issuer.fault("token", "hold")
        waiting = asyncio.create_task(thief.get("/api/whoami"))

        async def asked() -> bool:
            return 1 == await brief_issuer.count("refresh_token")

        await eventually(asked, "the refresh grant")
        assert 200 == (await browser.post("/bff/logout")).status_code
        assert not waiting.done(), "the logout waits for no renewal"
        await brief_issuer.fault("token", "off")
        late = await waiting

        assert (401, "session_expired") == (late.status_code, late.json()["code"])
        assert 401 == (await thief.get("/api/whoami")).status_code

        async def revoked() -> bool:
            return 2 <= await brief_issuer.count("revocations")

        await eventually(revoked, "the revocation of old and new tokens")


async def test_browser_that_leaves_in_the_middle_loses_no_token(brief: Bff, brief_issuer: Issuer, expired: Expired):
    """A renewal belongs to nobody's request: it is finished and written (RFC 9700 §4.14.2)."""
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)
        await brief_issuer.set_lifetime(BRIEF)
        await brief_issuer.fault("token", "hold:500")
        leaving = asyncio.create_task(browser.get("/api/whoami"))

        async def asked() -> bool:
            return 1 == await brief_issuer.count("refresh_token")

        await eventually(asked, "the refresh grant")
        leaving.cancel()
        answer = await browser.get("/api/whoami")

        assert 200 == answer.status_code
        assert 0 == await brief_issuer.count("refresh_token_errors")
        await until(answer.json()["token"]["expires_at"] + 0.1)
        assert 200 == (await browser.get("/api/whoami")).status_code


async def test_token_is_renewed_in_the_background_before_it_expires(world: World, neg: NegIssuer, echo: Echo):
    """Nobody waits for the issuer: the answers go on while the renewal does, and the new token is used after it."""
    with world.build(neg, session='renew_ahead = "1h"') as bff:
        async with Browser(bff) as browser:
            neg.op.access_token_lifetime = 16  # at half of it a renewal is due at the latest
            await browser.navigate(neg.op.login(await browser.begin_login()), cross_site=True)
            neg.op.access_token_lifetime = 300
            gate = neg.op.hold("token")

            async def asked() -> bool:
                assert 200 == (await browser.get("/echo/x")).status_code
                return 1 == neg.op.count("token", grant_type="refresh_token")

            await eventually(asked, "the renewal")
            assert [200] * 5 == [(await browser.get("/echo/x")).status_code for _ in range(5)]
            (first,) = {received.all("authorization")[0] for received in echo.requests}
            neg.op._gates.clear()
            neg.open(gate)

            async def renewed() -> bool:
                assert 200 == (await browser.get("/echo/x")).status_code
                return first != echo.requests[-1].all("authorization")[0]

            await eventually(renewed, "the new token")
            assert 1 == neg.op.count("token", grant_type="refresh_token")


async def test_refused_renewal_ends_the_session_for_page_and_api_alike(
    brief: Bff, brief_issuer: Issuer, expired: Expired
):
    """invalid_grant is final: 401 session_expired with the reason everywhere, an audit line, never a redirect.

    RFC 6749 §5.2, browser-based apps §6.1.2.2.
    """
    async with Browser(brief) as browser:
        await expired.take(brief_issuer, browser)
        await brief_issuer.revoke_grants("alice")
        expired.clear()
        refused = await browser.get("/api/whoami")
        user = await browser.get("/bff/user")

        assert [(401, "session_expired", "renewal_refused")] * 2 == [
            (answer.status_code, answer.json()["code"], answer.json()["reason"]) for answer in (refused, user)
        ]
        assert "location" not in refused.headers
        await eventually(lambda: brief.audited("renewal.refused"), "the audit line")
        assert "alice" == brief.audited("renewal.refused")[-1]["subject"]
        assert "invalid_grant" == brief.audited("renewal.refused")[-1]["cause"]
