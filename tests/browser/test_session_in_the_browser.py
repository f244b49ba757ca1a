"""A person with the example app: signing in, working, staying, signing out."""

import asyncio
import time
from itertools import pairwise

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.stack import ACCESS_TOKEN_LIFETIME, Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Runs in the page beside it: calls the API four times a second, and remembers whatever happens to the page.
_WATCH = """() => {
    window.watch = { statuses: [], tokens: [], answeredAt: [], banners: 0, startedAt: performance.now() };
    const call = async () => {
        const answer = await fetch("/api/whoami", { headers: { "X-CSRF": "1" } }).catch(() => ({ status: 0 }));
        window.watch.statuses.push(answer.status);
        if (answer.status !== 200) return;
        const { token } = await answer.json();
        const seen = `${token.issued_at} ${token.expires_at}`;
        if (!window.watch.tokens.includes(seen)) window.watch.tokens.push(seen);
        window.watch.answeredAt.push(performance.now() - window.watch.startedAt);
    };
    setInterval(call, 250);
    new MutationObserver(() => {
        if (document.querySelector(".banner")) window.watch.banners += 1;
    }).observe(document.body, { childList: true, subtree: true });
}"""


async def _expires_at(page: Page) -> int:
    """When the API sees the access token expire, epoch seconds."""
    return int(await page.get_by_test_id("token-expires-at").get_attribute("data-value") or 0)


async def _create(page: Page, title: str) -> str:
    """A new task that the server has; its whole title, which is of this call alone."""
    title = f"{title} {time.monotonic_ns()}"
    await page.get_by_test_id("task-title-input").fill(title)
    await page.get_by_test_id("task-create").click()
    await expect(page.get_by_role("button", name=f"Delete {title}")).to_be_visible()
    return title


async def test_alice_signs_in_and_works_with_her_tasks(person: Person):
    """A sign-in through the issuer's own form shows name and roles, and lets an admin create and delete."""
    page = person.page
    await person.sign_in("alice")

    await expect(page.get_by_test_id("role-chip")).to_have_text(["admin", "reader"])
    title = f"Water the plants {time.monotonic_ns()}"
    await page.get_by_test_id("task-title-input").fill(title)
    await page.get_by_test_id("task-create").click()
    task = page.get_by_test_id("task-item").filter(has_text=title)
    await expect(task).to_contain_text("alice")
    async with page.expect_response("**/api/tasks/*"):  # else the reload could be faster
        await task.get_by_role("button", name=f"Delete {title}").click()
    await expect(task).to_have_count(0)
    await page.reload()
    await expect(page.get_by_test_id("task-list")).to_have_attribute("aria-busy", "false")
    await expect(task).to_have_count(0)
    await expect(page.get_by_test_id("error-banner")).to_have_count(0)


async def test_a_list_that_arrives_late_undoes_no_change(person: Person):
    """A list asked for before a creation and a deletion, and answered after both, takes neither back."""
    page = person.page
    await person.sign_in("alice")
    await expect(page.get_by_test_id("task-item").first).to_be_visible()
    doomed = await _create(page, "Doomed")
    asked, both_done = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        if route.request.method != "GET":
            return await route.continue_()
        answer = await route.fetch()
        asked.set()
        await both_done.wait()
        return await route.fulfill(response=answer)

    await page.route("**/api/tasks", answer_late)
    await page.get_by_role("button", name="Refresh").click()
    await asked.wait()
    fresh = await _create(page, "Fresh")
    async with page.expect_response("**/api/tasks/*"):
        await page.get_by_role("button", name=f"Delete {doomed}").click()
    async with page.expect_response("**/api/tasks"):
        both_done.set()
    await expect(page.get_by_test_id("task-list")).to_have_attribute("aria-busy", "false")

    await expect(page.get_by_test_id("task-item").filter(has_text=fresh)).to_have_count(1)
    await expect(page.get_by_test_id("task-item").filter(has_text=doomed)).to_have_count(0)
    await page.get_by_role("button", name=f"Delete {fresh}").click()


async def test_nothing_happens_to_the_page_while_three_access_tokens_expire(person: Person, stack: Stack):
    """Renewals pass without a navigation, a banner or one failed call, and cost one refresh grant each."""
    page = person.page
    await person.sign_in("alice")
    first = await _expires_at(page)
    navigations = list(person.seen.navigations)
    before = await stack.issuer.counters()
    await page.evaluate(_WATCH)

    seen = first
    while seen < first + 3 * ACCESS_TOKEN_LIFETIME:
        expiry = page.get_by_test_id("token-expires-at")
        await expect(expiry).not_to_have_attribute("data-value", str(seen))
        seen = await _expires_at(page)
    watch = await page.evaluate(
        "() => ({ ...window.watch, seconds: (performance.now() - watch.startedAt) / 1000 })"
    )
    after = await stack.issuer.counters()
    renewals = int(await page.get_by_test_id("renewals").get_attribute("data-value") or 0)
    grants = after["refresh_token"] - before["refresh_token"]
    # One grant may come before the first answer and one after the last; in each second without one, another.
    answered = [0, *watch["answeredAt"]]
    unseen = 2 + sum(int((later - sooner) / 1000) for sooner, later in pairwise(answered))

    assert navigations == person.seen.navigations
    assert 0 == watch["banners"]
    assert {200} == set(watch["statuses"])
    assert len(watch["statuses"]) >= 3 * ACCESS_TOKEN_LIFETIME  # however slow the machine
    assert watch["seconds"] > ACCESS_TOKEN_LIFETIME
    assert renewals >= 3
    assert len(watch["tokens"]) - 1 <= grants <= len(watch["tokens"]) - 1 + unseen
    assert 0 == after["reuse_detected"]
    assert before["refresh_token_errors"] == after["refresh_token_errors"]


async def test_a_sign_out_goes_through_the_issuer_and_stays(person: Person, stack: Stack):
    """After a sign-out the issuer has ended its session too, and a reload is still signed out."""
    await person.sign_in("alice")
    before = await stack.issuer.count("end_session")

    await person.sign_out()

    assert before + 1 == await stack.issuer.count("end_session")
    await person.page.reload()
    await expect(person.page.get_by_test_id("sign-in")).to_be_visible()
    assert [] == await person.cookies()
    await person.go_to_sign_in()  # the issuer asks again: its own session is over as well


async def test_a_reader_is_told_why_he_may_not_delete(person: Person):
    """Without the role there is no button, and a forced call meets a 403 that the page explains."""
    page = person.page
    await person.sign_in("bob")

    await expect(page.get_by_test_id("role-chip")).to_have_text(["reader"])
    await expect(page.get_by_test_id("task-item").first).to_be_visible()
    await expect(page.get_by_test_id("task-delete")).to_have_count(0)
    tasks = await page.get_by_test_id("task-item").count()
    await page.get_by_test_id("try-delete").click()
    banner = page.get_by_test_id("error-banner")
    await expect(banner).to_contain_text("You are not allowed to do that")
    await expect(banner).to_contain_text("Your roles (reader)")
    await expect(banner).to_contain_text("403 access_denied")
    await expect(page.get_by_test_id("task-item")).to_have_count(tasks)


async def test_two_tabs_can_sign_in_at_once(person: Person):
    """Two logins under way in one browser both come to their end."""
    first, second = person.page, await person.context.new_page()
    await person.open("/one", first)
    await person.open("/two", second)
    await person.go_to_sign_in(first)
    await person.go_to_sign_in(second)

    await person.fill_in("alice", first)
    await person.fill_in("alice", second)

    assert ["/one", "/two"] == [await page.evaluate("location.pathname") for page in (first, second)]
    await first.reload()
    await expect(first.get_by_test_id("user-name")).to_have_text("Alice Arden")
    assert 1 == len(await person.cookies())


async def test_a_sign_out_is_noticed_in_the_other_tab(person: Person):
    """The tab that was left alone says at once that the session has ended."""
    await person.sign_in("alice")
    other = await person.context.new_page()
    await person.open("/", other)
    await expect(other.get_by_test_id("user-name")).to_be_visible()

    await person.sign_out()

    await expect(other.get_by_test_id("session-ended")).to_be_visible()
    await expect(other.get_by_test_id("sign-out")).to_have_count(0)


async def test_a_session_ended_by_the_issuer_leads_back_to_the_same_place(person: Person, stack: Stack):
    """A back-channel logout shows the banner on the page as it was; signing in again comes back to it."""
    page = person.page
    await person.sign_in("bob", "/board/7?sort=name#row-3")

    assert 1 <= (await stack.issuer.backchannel_logout("bob"))["notified"]

    await expect(page.get_by_test_id("session-ended")).to_contain_text("Your session has ended")
    await expect(page.get_by_test_id("user-name")).to_have_text("Bob Birch")
    await person.go_to_sign_in()
    await person.fill_in("bob")
    assert stack.origin + "/board/7?sort=name#row-3" == page.url


async def test_an_upstream_failure_is_explained_and_overcome(person: Person, stack: Stack):
    """While the API is down the page says so and stays signed in; a retry works once it is back."""
    page = person.page
    await person.sign_in("alice")
    await expect(page.get_by_test_id("task-item").first).to_be_visible()
    banner = page.get_by_test_id("error-banner")

    stack.api.stop()
    try:
        await page.get_by_role("button", name="Refresh").click()
        await expect(banner).to_contain_text("The service behind this page is not answering")
        await expect(banner).to_contain_text("You are still signed in")
        await expect(page.get_by_test_id("user-name")).to_have_text("Alice Arden")
        await expect(page.get_by_test_id("error-retry")).to_be_visible()
    finally:
        stack.api.start()
    # What the page asks now and then may find the API back sooner, and take the button away.
    await page.evaluate("document.querySelector('[data-testid=error-retry]')?.click()")

    await expect(banner).to_have_count(0)
    await expect(page.get_by_test_id("task-item").first).to_be_visible()


async def test_a_cancelled_sign_in_gets_a_page_with_a_way_on(new_person: NewPerson):
    """A refusal at the issuer is a page of ours with a code and a way to try again, and no loop."""
    person = await new_person()
    page = person.page
    await person.open("/board?x=1")
    await person.go_to_sign_in()

    await page.get_by_role("button", name="Cancel").click()

    await expect(page.get_by_text("provider_access_denied")).to_be_visible()
    assert [] == await person.cookies()
    await page.get_by_role("link", name="Try again").click()
    await person.fill_in("alice")
    assert page.url.endswith("/board?x=1")
