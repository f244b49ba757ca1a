"""Another origin in the same browser: cross-site on 127.0.0.1; same-site, where cookies go along, on localhost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.observation import Observation
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.security, pytest.mark.asyncio(loop_scope="session")]

_FETCH = """async ({ url, options }) => {
    try {
        const answer = await fetch(url, options);
        return { type: answer.type, status: answer.status, body: await answer.text() };
    } catch {
        return null;
    }
}"""
_IMAGE = """(url) => new Promise((done) => {
    const image = new Image();
    image.onload = () => done("shown");
    image.onerror = () => done("not shown");
    image.src = url;
})"""
_FORM = """({ url, enctype }) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "POST", action: url, enctype });
    form.append(Object.assign(document.createElement("input"), { name: "title", value: "stolen" }));
    document.body.append(form);
    form.submit();
}"""
_FRAME = """(url) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.onload = () => done(frame);
    frame.src = url;
    document.body.append(frame);
})"""

_OWN_HANDLE = """async () => {
    const answer = await fetch("/bff/user", { headers: { "X-CSRF": "1" } });
    return (await answer.json()).session.id;
}"""
_LINK = "(url) => { location.href = url; }"
_EMPTY_FRAME = "chrome-error://chromewebdata/"


@dataclass(frozen=True, slots=True)
class Attack:
    """A signed-in victim who visits a hostile page in another tab."""

    victim: Person
    page: Page
    home: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def victim(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    """One person for all attacks: none of them is to change anything for her."""
    async with await chromium.new_context() as context:
        seen = Observation(context, stack.origin)
        yield Person(context, await context.new_page(), seen, stack)


@pytest_asyncio.fixture(loop_scope="session", params=["127.0.0.1", "localhost"], ids=["cross-site", "same-site"])
async def attack(request: pytest.FixtureRequest, victim: Person, stack: Stack) -> AsyncIterator[Attack]:
    """The hostile page is open; nothing of what the app itself did is left on the canary's list."""
    if not await victim.cookies():  # the first time, and after an attack that succeeded
        await victim.context.clear_cookies()
        await victim.sign_in("alice")
    async with Site() as hostile:
        page = await victim.context.new_page()
        home = hostile.url(request.param)
        await page.goto(home)
        stack.canary.visits.clear()
        yield Attack(victim, page, home)
        await page.close()


async def _fetch(page: Page, url: str, **options: Any) -> dict[str, Any] | None:
    answer: dict[str, Any] | None = await page.evaluate(_FETCH, {"url": url, "options": options})
    return answer


async def test_the_app_itself_reaches_the_canary(person: Person, stack: Stack):
    """The control of all that follows: the same calls from our own page get through."""
    await person.sign_in("alice")
    stack.canary.visits.clear()

    assert await _fetch(person.page, "/api/canary", headers={"X-CSRF": "1"}) is not None
    assert await _fetch(person.page, "/api/file") is not None
    await person.page.evaluate(_IMAGE, "/api/file")

    assert 3 == len(stack.canary.visits)
    assert {True} == {visit.headers["authorization"].startswith("Bearer ey") for visit in stack.canary.visits}
    assert {False} == {"cookie" in visit.headers for visit in stack.canary.visits}


async def test_a_foreign_fetch_reaches_no_api(attack: Attack, stack: Stack):
    """A fetch with credentials reaches neither kind of route and reads nothing (OWASP ASVS 3.5.1)."""
    for mode, method, route in product(("no-cors", "cors"), ("GET", "POST"), ("/api/canary", "/api/file")):
        answer = await _fetch(attack.page, stack.origin + route, mode=mode, method=method, credentials="include")
        assert answer in (None, {"type": "opaque", "status": 0, "body": ""})

    assert [] == stack.canary.visits
    assert await attack.victim.is_signed_in()


async def test_a_foreign_fetch_cannot_send_our_header(attack: Attack, stack: Stack):
    """The preflight for `X-CSRF` is never approved (OAuth 2.0 for Browser-Based Applications §6.1.3.3.2)."""
    for route in ("/api/canary", "/api/file", "/bff/user"):
        assert (
            await _fetch(attack.page, stack.origin + route, headers={"X-CSRF": "1"}, credentials="include") is None
        )

    assert [] == stack.canary.visits


async def test_a_foreign_form_reaches_no_api(attack: Attack, stack: Stack):
    """A form post to the API or to the logout is refused with 403 (OWASP ASVS 3.5.1)."""
    enctypes = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data")
    for enctype, target in product(enctypes, ("/api/canary", "/api/file", "/api/tasks", "/bff/logout")):
        async with attack.page.expect_navigation() as waiting:
            await attack.page.evaluate(_FORM, {"url": stack.origin + target, "enctype": enctype})
        answer = await waiting.value
        assert (stack.origin + target, "POST", 403) == (answer.url, answer.request.method, answer.status)
        await attack.page.goto(attack.home)

    assert [] == stack.canary.visits
    assert await attack.victim.is_signed_in()


async def test_a_foreign_image_reaches_nothing(attack: Attack, stack: Stack):
    """An image tag can neither call the API nor end the session (OWASP ASVS 3.5.8)."""
    handle = await attack.victim.page.evaluate(_OWN_HANDLE)
    for target in ("/api/canary", "/api/file", "/bff/logout", f"/bff/logout?sid={handle}"):
        assert "not shown" == await attack.page.evaluate(_IMAGE, stack.origin + target)

    assert [] == stack.canary.visits
    assert await attack.victim.is_signed_in()


async def test_a_foreign_link_signs_nobody_out(attack: Attack, stack: Stack):
    """Going to the logout endpoint without the session's own handle changes nothing.

    It must not even delete the cookie: SameSite=Strict keeps it from being sent on such a navigation, so the server
    sees a browser that looks signed out.
    """
    for query in ("", "?sid=0123456789abcdef01234567", "?continue=x", "?return_to=/board"):
        async with attack.page.expect_navigation(url=stack.origin + "/**"):
            await attack.page.evaluate(_LINK, stack.origin + "/bff/logout" + query)
        await attack.page.goto(attack.home)

    assert await attack.victim.is_signed_in()


async def test_a_forged_callback_changes_nothing(attack: Attack, stack: Stack):
    """A callback that this browser did not ask for signs nobody in or out (RFC 9700 §2.1, §4.7)."""
    forged = f"/bff/callback?code=stolen&state=guessed&iss={stack.issuer.url}"
    cookie = await attack.victim.session_cookie()
    before = await stack.issuer.counters()

    async with attack.page.expect_navigation(url=stack.origin + "/**"):
        await attack.page.evaluate(_LINK, stack.origin + forged)

    after = await stack.issuer.counters()
    assert [0, 0] == [after[name] - before[name] for name in ("authorization_code", "authorization_code_errors")]
    assert cookie == await attack.victim.session_cookie()
    assert await attack.victim.is_signed_in()


async def test_nothing_of_ours_can_be_framed(attack: Attack, stack: Stack):
    """A frame around the app or an endpoint stays empty (RFC 9700 §4.16)."""
    for path in ("/", "/bff/login", "/bff/logout", "/bff/callback", "/api/canary", "/api/file"):
        frame = await attack.page.evaluate_handle(_FRAME, stack.origin + path)
        shown = await frame.as_element().content_frame()
        await shown.wait_for_url(_EMPTY_FRAME, wait_until="commit")  # told a moment after the frame's own event

    assert [] == stack.canary.visits
    assert await attack.victim.is_signed_in()


async def test_an_opened_window_is_out_of_reach(attack: Attack, stack: Stack):
    """A window opened on the app shows it to the user, and is cut off from the page that opened it."""
    async with attack.page.expect_popup() as opening:
        await attack.page.evaluate("(url) => { window.opened = window.open(url); }", stack.origin + "/")
    popup = await opening.value
    await expect(popup.get_by_test_id("user-name")).to_have_text("Alice Arden")

    assert await attack.page.evaluate("window.opened.closed")
    assert await popup.evaluate("window.opener === null")
    assert [] == stack.canary.visits
