"""A person signs in: through the real issuer's form, in one tab or many."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.product import Bff, Browser
from tests.servers import Issuer

pytestmark = pytest.mark.integration


async def test_login_brings_a_person_back_to_where_they_were(bff: Bff):
    """The whole flow ends at return_to, signed in, and the API is told who calls (browser-based apps §6.1)."""
    async with Browser(bff) as browser:
        landed = await browser.log_in("alice", return_to="/tasks?open=1#two")

        assert "/tasks?open=1#two" == landed.headers["location"]
        user = await browser.user()
        assert user is not None
        assert ("alice", "Alice Arden", ["admin", "reader"]) == (user["sub"], user["name"], user["roles"])
        assert "alice" == (await browser.get("/api/whoami")).json()["subject"]


async def test_login_without_a_wish_ends_at_the_start_page(bff: Bff):
    """No return_to means the application's own start."""
    async with Browser(bff) as browser:
        login = await browser.navigate("/bff/login")
        callback = await browser.navigate(await browser.sign_in(login.headers["location"]), cross_site=True)

        assert "/" == callback.headers["location"]


async def test_authorization_request_is_a_code_request_with_pkce(bff: Bff):
    """Response type code, S256, state, nonce and the configured redirect URI: nothing else is possible.

    RFC 9700 §2.1.1, OIDC Core §3.1.2.1, RFC 7636 §4.3.
    """
    async with Browser(bff) as browser:
        query = parse_qs(urlsplit(await browser.begin_login()).query)

    assert {
        "response_type": ["code"],
        "code_challenge_method": ["S256"],
        "client_id": ["demo-bff"],
        "redirect_uri": [f"{bff.url}/bff/callback"],
        "scope": ["openid profile email offline_access"],
    } == {name: query[name] for name in query if name not in {"state", "nonce", "code_challenge"}}
    assert all(re.fullmatch(r"[\w-]{43}", query[name][0]) for name in ("state", "nonce", "code_challenge"))


async def test_page_may_choose_prompt_and_hint_and_nothing_else(bff: Bff):
    """The login endpoint passes an allow-list on; a link cannot change client, scope or address.

    OIDC Core §3.1.2.1.
    """
    async with Browser(bff) as browser:
        location = await browser.begin_login(
            prompt="login",
            login_hint="bob",
            ui_locales="de",
            redirect_uri="https://evil.example/",
            client_id="other",
            scope="admin",
            request="e30.e30.",
            response_type="token",
            response_mode="fragment",
        )
    query = parse_qs(urlsplit(location).query)

    assert (["login"], ["bob"], ["de"]) == (query["prompt"], query["login_hint"], query["ui_locales"])
    assert "request" not in query
    assert "response_mode" not in query
    assert (["code"], ["demo-bff"], [f"{bff.url}/bff/callback"]) == (
        query["response_type"],
        query["client_id"],
        query["redirect_uri"],
    )
    assert "admin" not in query["scope"][0]


async def test_three_tabs_log_in_at_the_same_time(bff: Bff, issuer: Issuer):
    """Attempts that are under way in one browser do not disturb each other, in whatever order they end."""
    async with Browser(bff) as browser:
        started = [await browser.begin_login(f"/tab/{number}") for number in range(3)]
        callbacks = [await browser.sign_in(url) for url in started]
        landed = [await browser.navigate(callbacks[number], cross_site=True) for number in (1, 2, 0)]

        assert ["/tab/1", "/tab/2", "/tab/0"] == [answer.headers.get("location") for answer in landed]
        assert 3 == await issuer.count("authorization_code")
        assert await browser.user() is not None
        assert ["__Host-bff"] == list(browser.cookies)


async def test_attempts_in_one_browser_are_bounded_and_the_oldest_goes_first(bff: Bff):
    """A hundred logins begun leave a handful of cookies, the newest ones (RFC 6265bis §6.1)."""
    async with Browser(bff) as browser:
        oldest = await browser.begin_login("/oldest")
        for _ in range(98):
            await browser.begin_login()
        newest = await browser.begin_login("/newest")

        attempts = [name for name in browser.cookies if name.startswith("__Host-bff-login-")]
        assert len(attempts) == len(browser.cookies) <= 5
        assert sum(len(name) + len(value) for name, value in browser.cookies.items()) < 6 * 1024
        expired = await browser.navigate(await browser.sign_in(oldest), cross_site=True)
        assert 400 == expired.status_code
        finished = await browser.navigate(await browser.sign_in(newest), cross_site=True)
        assert "/newest" == finished.headers["location"]


async def test_every_login_gets_a_new_id_and_the_old_one_dies(bff: Bff):
    """Signing in again ends the session that was there, although its Strict cookie stays at home on the way back.

    RFC 6265bis §8.4, OWASP ASVS 7.2.4.
    """
    async with Browser(bff) as browser:
        await browser.log_in()
        first = browser.twin()
        await browser.log_in()

        assert first.session_cookie != browser.session_cookie
        assert 401 == (await first.get("/api/whoami")).status_code
        assert 200 == (await browser.get("/api/whoami")).status_code


async def test_back_button_after_login_leads_to_the_app(bff: Bff, issuer: Issuer):
    """A used callback URL, opened by somebody who is signed in, is no error and costs no token request."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login("/somewhere"))
        await browser.navigate(callback, cross_site=True)
        again = await browser.navigate(callback)

        assert (303, "/") == (again.status_code, again.headers["location"])
        assert 1 == await issuer.count("authorization_code")
        assert 200 == (await browser.get("/api/whoami")).status_code


async def test_silent_login_that_cannot_be_silent_returns_to_the_app_once(bff: Bff):
    """prompt=none without a session at the issuer ends where it began, signed out, without a loop.

    OIDC Core §3.1.2.6.
    """
    async with Browser(bff) as browser:
        location = await browser.begin_login("/silent?tried=1", prompt="none")
        answer = await browser.issuer.get(location)
        callback = answer.headers["location"]
        assert "login_required" in callback
        landed = await browser.navigate(callback, cross_site=True)

        assert (303, "/silent?tried=1") == (landed.status_code, landed.headers["location"])
        assert await browser.user() is None
        assert {} == browser.cookies


async def test_silent_login_succeeds_when_the_issuer_knows_the_browser(bff: Bff):
    """prompt=none needs no form when the issuer's session is alive."""
    async with Browser(bff) as browser:
        await browser.log_in()
        browser.cookies.clear()
        answer = await browser.issuer.get(await browser.begin_login("/silent", prompt="none"))
        landed = await browser.navigate(answer.headers["location"], cross_site=True)

        assert "/silent" == landed.headers["location"]
        assert await browser.user() is not None


async def test_two_people_in_two_browsers_stay_apart(bff: Bff):
    """Interleaved logins and calls of two users never show one the other."""
    async with Browser(bff) as one, Browser(bff) as other:
        await asyncio.gather(one.log_in("alice"), other.log_in("bob"))
        calls = [browser.get("/api/whoami") for _ in range(20) for browser in (one, other)]
        answers = await asyncio.gather(*calls)

        assert ["alice", "bob"] * 20 == [answer.json()["subject"] for answer in answers]


async def test_cancelling_at_the_issuer_shows_a_page_with_a_way_on(bff: Bff):
    """access_denied becomes a calm page that offers another try at the same place (RFC 6749 §4.1.2.1)."""
    async with Browser(bff) as browser:
        page = await browser.issuer.get(await browser.begin_login("/kept"), follow_redirects=True)
        answer = await browser.issuer.post(page.url, data={"cancel": "1"}, follow_redirects=False)
        for _ in range(3):
            if answer.headers["location"].startswith(bff.url):
                break
            answer = await browser.issuer.get(answer.headers["location"])
        failed = await browser.navigate(answer.headers["location"], cross_site=True)

        assert 400 == failed.status_code
        assert failed.headers["content-type"].startswith("text/html")
        assert "provider_access_denied" in failed.text
        assert "/bff/login?return_to=/kept" in failed.text
        assert {} == browser.cookies
