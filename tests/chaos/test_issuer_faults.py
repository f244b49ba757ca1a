"""The issuer is away, slow or confused: nobody is logged out for it."""

import asyncio
import time

import httpx
import pytest

from tests.neg_op import Reply
from tests.processes import reserve_port
from tests.product import Bff, Browser, redirect_uris
from tests.servers import Issuer, start_issuer
from tests.world import AT_ONCE, NegIssuer, World, eventually, until

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


async def neg_log_in(neg: NegIssuer, browser: Browser, *, lifetime: int = 300) -> None:
    """Logs in with an access token that lives so long; later ones live longer."""
    neg.op.access_token_lifetime = lifetime
    callback = neg.op.login(await browser.begin_login())
    assert 303 == (await browser.navigate(callback, cross_site=True)).status_code
    neg.op.access_token_lifetime = 300


async def expired(neg: NegIssuer, browser: Browser) -> None:
    await neg_log_in(neg, browser, lifetime=1)
    await until(time.time() + 1.1)


FAULTS = {
    "503": Reply(503),
    "500": Reply(500, b"oops"),
    "429": Reply(429, headers={"retry-after": "1"}),
    "cut": ConnectionError("cut"),
    "half a body": Reply(200, b'{"access_token": "x"', headers={"content-length": "500"}),
    "html": Reply(200, b"<html>maintenance</html>", headers={"content-type": "text/html"}),
    "nothing": Reply(200, b""),
    "proxy page": Reply(502, b"<html>Bad gateway</html>", headers={"content-type": "text/html"}),
    "temporarily": Reply(400, b'{"error": "temporarily_unavailable"}'),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_of_the_token_endpoint_ends_no_session(neg_bff: Bff, neg: NegIssuer, fault: str):
    """With an expired token the API waits with 503 and Retry-After, the page stays signed in, and it heals.

    Only invalid_grant and its kin are final (RFC 6749 §5.2).
    """
    async with Browser(neg_bff) as browser:
        await expired(neg, browser)
        neg.op.script("token", FAULTS[fault])
        waiting = await browser.get("/echo/x")

        assert (503, "issuer_unavailable") == (waiting.status_code, waiting.json()["code"])
        assert 1 <= int(waiting.headers["retry-after"]) <= 5
        assert await browser.user() is not None

        async def recovered() -> bool:
            return 200 == (await browser.get("/echo/x")).status_code

        await eventually(recovered, "the recovery")
        assert neg.op.count("token", grant_type="refresh_token") <= 4


async def test_many_waiting_requests_ask_a_dead_issuer_once(neg_bff: Bff, neg: NegIssuer):
    """Back-off: a hundred calls during the outage are no storm (RFC 9110 §15.6.4)."""
    async with Browser(neg_bff) as browser:
        await expired(neg, browser)
        neg.op.always("token", Reply(503))
        answers = await asyncio.gather(*(browser.get("/echo/x") for _ in range(100)))

        assert [503] * 100 == [answer.status_code for answer in answers]
        assert neg.op.count("token", grant_type="refresh_token") <= 2


async def test_token_that_is_still_good_is_used_while_the_issuer_is_away(neg_bff: Bff, neg: NegIssuer):
    """An outage is not noticed before the token has expired."""
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg, browser)
        neg.op.down = True

        assert [200] * 5 == [(await browser.get("/echo/x")).status_code for _ in range(5)]
        assert await browser.user() is not None


async def test_due_token_is_used_while_its_renewal_fails(world: World, neg: NegIssuer):
    """In the margin before expiry the failing renewal stays in the background."""
    with world.build(neg, session='renew_ahead = "1h"') as bff:
        async with Browser(bff) as browser:
            await neg_log_in(neg, browser, lifetime=16)  # at half of it a renewal is due at the latest
            neg.op.always("token", Reply(503))

            async def tried() -> bool:
                assert 200 == (await browser.get("/echo/x")).status_code
                return 1 <= neg.op.count("token", grant_type="refresh_token")

            await eventually(tried, "the renewal that fails")
            answers = [(await browser.get("/echo/x")).status_code for _ in range(5)]

    assert [200] * 5 == answers


@pytest.mark.parametrize("error", ["invalid_grant", "unauthorized_client"])
async def test_final_refusal_ends_the_session(neg_bff: Bff, neg: NegIssuer, error: str):
    """The page and the API agree at once (RFC 6749 §5.2)."""
    async with Browser(neg_bff) as browser:
        await expired(neg, browser)
        neg.op.script("token", Reply(400, f'{{"error": "{error}"}}'.encode()))
        answers = [await browser.get("/echo/x"), await browser.get("/bff/user")]

        if error == "invalid_grant":
            assert ["session_expired"] * 2 == [answer.json()["code"] for answer in answers]
        else:  # our own registration is broken: nobody's session is at fault
            assert answers[0].status_code in {401, 503}


async def test_slow_issuer_holds_nobody_for_ever(world: World, neg: NegIssuer):
    """The issuer's timeout is the configuration's; then 503, and the session lives."""
    with world.build(neg, session='renew_ahead = "0s"', oidc='timeout = "1s"') as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            gate = neg.op.hold("token")
            begun = time.monotonic()
            waiting = await browser.get("/echo/x")
            assert 503 == waiting.status_code
            assert time.monotonic() - begun < AT_ONCE
            neg.op._gates.clear()
            neg.open(gate)
            assert await browser.user() is not None


async def test_server_starts_without_its_issuer_and_recovers_by_itself(world: World):
    """The app and health are served, the login says 503 on a page, and works as soon as the issuer is there."""
    port = reserve_port()
    with start_issuer(**redirect_uris(port)) as issuer:
        issuer.stop()
        with world.build(issuer, port=port, spa=str(world.app)) as bff:
            async with Browser(bff) as browser:
                assert "<title>App</title>" in (await browser.navigate("/")).text
                async with httpx.AsyncClient(verify=False) as http:
                    live = await http.get(f"{bff.management_url}/health/live")
                    ready = await http.get(f"{bff.management_url}/health/ready")
                assert (200, 200, "degraded") == (live.status_code, ready.status_code, ready.json()["status"])
                page = await browser.navigate("/bff/login?return_to=/kept")
                assert 503 == page.status_code
                assert page.headers["content-type"].startswith("text/html")
                assert "issuer_unavailable" in page.text
                assert "retry-after" in page.headers
                assert {} == browser.cookies
                assert 401 == (await browser.get("/echo/x")).status_code

                issuer.start()

                async def back() -> bool:
                    return 303 == (await browser.navigate("/bff/login")).status_code

                await eventually(back, "the recovery")
                await browser.log_in()
                assert 200 == (await browser.get("/echo/x")).status_code


async def test_issuer_that_goes_away_during_a_login_leaves_a_page_and_a_second_chance(bff: Bff, issuer: Issuer):
    """503 with a page, no session, and the next try works."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        await issuer.fault("token", "status:503")
        failed = await browser.navigate(callback, cross_site=True)

        assert 503 == failed.status_code
        assert failed.headers["content-type"].startswith("text/html")
        assert await browser.user() is None
        await browser.log_in()
        assert await browser.user() is not None


async def test_keys_that_the_issuer_changes_are_followed(bff: Bff, issuer: Issuer):
    """A login signed with a key that was not there a moment ago works (OIDC Core §10.1.1)."""
    await issuer.rotate_keys()
    async with Browser(bff) as browser:
        await browser.log_in()

        assert 200 == (await browser.get("/api/whoami")).status_code
