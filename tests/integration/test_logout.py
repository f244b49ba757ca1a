"""A session ends: by its user's wish, on every worker, and at the issuer too."""

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.echo import Echo, Gate
from tests.product import Bff, Browser
from tests.servers import Issuer
from tests.sign_in import sign_out
from tests.world import AT_ONCE, World, eventually

pytestmark = pytest.mark.integration


async def test_logout_by_navigation_ends_the_session_here_and_at_the_issuer(bff: Bff, issuer: Issuer):
    """With id_token_hint, client_id and the registered way back; the next login asks for the password again.

    OIDC RP-Initiated Logout §2.
    """
    async with Browser(bff) as browser:
        await browser.log_in()
        thief = browser.twin()
        leaving = await browser.navigate((await browser.user())["logout_url"])

        query = parse_qs(urlsplit(leaving.headers["location"]).query)
        assert 303 == leaving.status_code
        assert leaving.headers["location"].startswith(issuer.url)
        assert "demo-bff" == query["client_id"][0]
        assert f"{bff.url}/" == query["post_logout_redirect_uri"][0]
        assert query["id_token_hint"][0].startswith("eyJ")
        assert {} == browser.cookies
        assert 401 == (await thief.get("/api/whoami")).status_code
        assert f"{bff.url}/" == (await sign_out(browser.issuer, leaving.headers["location"])).split("?")[0]
        form = await browser.issuer.get(await browser.begin_login(), follow_redirects=True)
        assert 'name="password"' in form.text


async def test_logout_by_script_hands_out_the_way_to_the_issuer_and_no_token(bff: Bff, issuer: Issuer):
    """POST answers a path of ours; only following it leads on, with the hint that script never sees."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.post("/bff/logout")

        assert 200 == done.status_code
        assert "eyJ" not in done.text
        assert await browser.user() is None
        leaving = await browser.navigate(done.json()["logout_url"])
        assert leaving.headers["location"].startswith(issuer.url)
        assert "id_token_hint=eyJ" in leaving.headers["location"]


async def test_tokens_are_revoked_at_the_issuer(bff: Bff, issuer: Issuer):
    """The refresh token dies with the session, soon and in the background (RFC 7009 §2.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await browser.post("/bff/logout")

        async def revoked() -> bool:
            return 1 <= await issuer.count("revocations")

        await eventually(revoked, "the revocation")


@pytest.mark.parametrize("fault", ["delay:12000", "status:503", "drop"])
async def test_logout_does_not_wait_for_the_issuer(bff: Bff, issuer: Issuer, fault: str):
    """A slow, failing or absent revocation endpoint neither delays nor fails it (RFC 7009 §2.2.1)."""
    await issuer.fault("revocation", fault)
    async with Browser(bff) as browser:
        await browser.log_in()
        begun = time.monotonic()
        done = await browser.post("/bff/logout")

        assert 200 == done.status_code
        assert time.monotonic() - begun < 8, "the issuer's own time is ten seconds"
        assert await browser.user() is None


async def test_revocation_is_tried_again_after_a_503(bff: Bff, issuer: Issuer):
    """RFC 7009 §2.2.1."""
    await issuer.fault("revocation", "status:503", retry_after=1)
    async with Browser(bff) as browser:
        await browser.log_in()
        await browser.post("/bff/logout")

        async def revoked() -> bool:
            return 1 <= await issuer.count("revocations")

        await eventually(revoked, "the second try")


@pytest.mark.parametrize("query", ["", "?sid=", "?sid=0123456789abcdef01234567", "?sid=x&sid=y"])
async def test_logout_by_get_needs_the_sessions_own_handle(bff: Bff, query: str):
    """A link or an image of another site cannot know it (OIDC RP-Initiated Logout §6, OWASP ASVS 3.5)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        refused = await browser.navigate(f"/bff/logout{query}", cross_site=False)

        assert 400 == refused.status_code
        assert await browser.user() is not None


async def test_image_and_frame_cannot_log_out_even_with_the_handle(bff: Bff):
    """Nothing but a navigation of the whole page does (OWASP ASVS 3.5.8)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        url = (await browser.user())["logout_url"]
        for destination, mode in (("image", "no-cors"), ("iframe", "navigate"), ("script", "no-cors")):
            headers = {"Sec-Fetch-Dest": destination, "Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "cross-site"}
            refused = await browser.request("GET", url, csrf=False, headers=headers)
            assert 403 == refused.status_code

        assert await browser.user() is not None


async def test_logout_of_somebody_who_is_signed_out_is_no_error(bff: Bff):
    """Twice is as good as once."""
    async with Browser(bff) as browser:
        by_get = await browser.navigate("/bff/logout?sid=x&return_to=/bye")
        by_post = await browser.post("/bff/logout")

        assert (303, "/bye") == (by_get.status_code, by_get.headers["location"])
        assert 200 == by_post.status_code


async def test_call_in_flight_cannot_undo_a_logout(bff: Bff, echo: Echo):
    """It may end, but brings neither cookie nor session back (OWASP ASVS 7.4.1)."""
    gate = Gate()
    echo.script(gate, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: __Host-bff=x\r\n\r\n")
    async with Browser(bff) as browser:
        await browser.log_in()
        thief = browser.twin()
        slow = asyncio.create_task(thief.get("/echo/slow"))
        await eventually(lambda: echo.requests)
        await browser.post("/bff/logout")
        gate.open()
        done = await slow

        assert (200, []) == (done.status_code, done.headers.get_list("set-cookie"))
        after = await thief.get("/api/whoami")
        assert (401, "session_expired") == (after.status_code, after.json()["code"])
        assert await thief.user() is None


async def test_copied_cookie_is_dead_after_logout(bff: Bff):
    """On the API and on our own endpoints, with the reason (OWASP ASVS 7.4.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        thief = browser.twin()
        await browser.post("/bff/logout")
        answers = [await thief.get(path) for path in ("/api/whoami", "/bff/user")]

        assert [(401, "session_expired", "logout")] * 2 == [
            (answer.status_code, answer.json()["code"], answer.json()["reason"]) for answer in answers
        ]


async def test_session_at_the_issuer_that_ends_another_way_does_not_break_logout(bff: Bff, issuer: Issuer):
    """RP-initiated logout works although the issuer has forgotten the person."""
    async with Browser(bff) as browser:
        await browser.log_in()
        browser.issuer.cookies.clear()
        leaving = await browser.navigate((await browser.user())["logout_url"])
        page = await browser.issuer.get(leaving.headers["location"])

        assert page.status_code < 500
        assert await browser.user() is None


@pytest.mark.parametrize("store", ["sqlite", "valkey"])
async def test_logout_on_one_machine_is_known_on_the_other_at_once(world: World, store: str):
    """A server that has the session in memory hears of its end (OIDC Back-Channel Logout §2.7, ASVS 7.4.1)."""
    options = {"store": f"{world.valkey.url}/1"} if store == "valkey" else {}
    with (
        world.build(world.issuer, api=world.api, port=world.port(), **options) as one,
        world.build(world.issuer, api=world.api, beside=one) as other,
    ):
        async with Browser(one) as browser, Browser(other) as there:
            await browser.log_in()
            there.cookies.update(browser.cookies)
            for _ in range(3):
                assert 200 == (await there.get("/api/whoami")).status_code
            await browser.post("/bff/logout")

            async def refused() -> bool:
                return 401 == (await there.get("/api/whoami")).status_code

            await eventually(refused, "the refusal", within=AT_ONCE)
