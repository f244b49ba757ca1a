"""The story of the demo: bob tries what he may not, alice finds it, and ends his session while he looks on."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NewPerson

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Remembers when the page says that the session has ended, by the clock that both pages share.
_WATCH = """() => {
    const look = () => {
        if (document.querySelector("[data-testid=session-ended]")) window.endedAt ??= Date.now();
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""
AT_ONCE = 10_000  # milliseconds; a hundredth of it is usual, unless the machine is busy
_OWN_HANDLE = """async () => {
    const answer = await fetch("/bff/user?slide=false", { headers: { "X-CSRF": "1" } });
    return (await answer.json()).session.id;
}"""
# Remembers when the button is pressed; `true` so that it is before all that this sets off.
_WATCH_CONFIRMATION = (
    """(button) => button.addEventListener("click", () => { window.askedAt = Date.now(); }, true)"""
)


async def _open_console(page: Page) -> Page:
    """The console, as the link in the app opens it."""
    async with page.expect_popup() as opening:
        await page.get_by_test_id("console-link").click()
    console = await opening.value
    await expect(console.get_by_test_id("operator")).to_contain_text("Alice Arden")
    return console


async def test_alice_ends_the_session_of_bob_who_notices_at_once(new_person: NewPerson):
    """The button is missing and the call refused; the console shows both; the end reaches the page by itself."""
    alice, bob = await new_person(), await new_person()
    await bob.sign_in("bob", "/board?x=1")
    await expect(bob.page.get_by_test_id("task-item").first).to_be_visible()
    await expect(bob.page.get_by_test_id("task-delete")).to_have_count(0)
    await expect(bob.page.get_by_test_id("console-link")).to_have_count(0)
    await bob.page.get_by_test_id("try-delete").click()
    await expect(bob.page.get_by_test_id("error-banner")).to_contain_text("403 access_denied")

    await alice.sign_in("alice")
    console = await _open_console(alice.page)
    await console.get_by_role("link", name="Sessions", exact=True).click()
    await console.get_by_label("Subject").fill("bob")
    await console.get_by_role("button", name="Search").click()
    handle = await bob.page.evaluate(_OWN_HANDLE)  # other tests may have left sessions of bob's
    await console.get_by_role("table", name="Sessions").locator(f"a[href$='{handle}']").click()
    await expect(console.get_by_role("heading", name="Session of Bob Birch")).to_be_visible()
    await console.get_by_role("link", name="What it did, in the audit log").click()
    denial = console.get_by_role("listitem").filter(has_text="Call denied")
    await expect(denial).to_contain_text("DELETE /api")
    await expect(denial).to_contain_text("role missing")
    await console.go_back()

    await bob.page.evaluate(_WATCH)
    await console.get_by_test_id("end-session").click()
    confirmation = console.get_by_test_id("revoke-confirm")
    await expect(confirmation).to_have_text("End 1 session")
    await confirmation.evaluate(_WATCH_CONFIRMATION)
    await confirmation.click()
    await expect(console.get_by_role("heading", name="1 session ended")).to_be_visible()
    ended = bob.page.get_by_test_id("session-ended")
    # Only the server's own event tells the reason: no look of the page every few seconds would have.
    await expect(ended).to_contain_text("An administrator has ended it.")
    took = await bob.page.evaluate("window.endedAt") - await console.evaluate("window.askedAt")

    assert 0 <= took < AT_ONCE, "milliseconds"
    await expect(bob.page.get_by_test_id("user-name")).to_have_text("Bob Birch")
    await expect(alice.page.get_by_test_id("sign-out")).to_be_visible()
    await bob.page.get_by_test_id("sign-in").click()  # the issuer still knows him, and asks for no password
    await expect(bob.page.get_by_test_id("sign-out")).to_be_visible()
    assert bob.page.url.endswith("/board?x=1")


async def test_a_reader_is_told_that_the_console_is_not_his(new_person: NewPerson):
    """Whoever types the address in without the role is refused by the server, and told which role would do."""
    bob = await new_person()
    await bob.sign_in("bob")

    await bob.open("/bff/console/")

    await expect(bob.page.get_by_test_id("not-allowed")).to_contain_text("admin")
