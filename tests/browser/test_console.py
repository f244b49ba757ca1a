"""The operators' console: every view before the real admin API, a revocation, the keyboard, no token anywhere."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import NewPerson
from tests.browser.observation import Observation, find_tokens
from tests.browser.person import Person
from tests.browser.stack import OPERATOR_TOKEN, Stack
from tests.world import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CONSOLE = "/bff/console/"
TOKEN_FIELD = "Operator\N{RIGHT SINGLE QUOTATION MARK}s token"
_OWN_HANDLE = """async () => {
    const answer = await fetch("/bff/user", { headers: { "X-CSRF": "1" } });
    return (await answer.json()).session.id;
}"""
VIEWS = {
    "overview": "Overview",
    "sessions": "Sessions",
    "subjects": "Subjects and roles",
    "routes": "Routes and rules",
    "findings": "Findings",
    "audit": "Audit log",
    "review": "Access review",
}


async def open_console(person: Person, login: str, place: str = "#/overview") -> None:
    """Through the console's own door and the issuer's form, to a view."""
    page = person.page
    await person.open(CONSOLE + place)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_label("User name").fill(login)
    await page.get_by_label("Password").fill(login)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(re.compile(r"/bff/console/"))


async def settled(page: Page, title: str) -> None:
    """Waits until the view with this title is shown and has what it asked for, with which it begins."""
    await expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    await expect(page.get_by_label("Loading")).to_have_count(0)
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)


async def search_by_subject(page: Page, subject: str) -> None:
    """Types it into the field that has the focus, and waits for the list that is of this subject alone."""
    await page.keyboard.type(subject)
    async with page.expect_response(
        lambda answer: re.search(rf"/admin/sessions\?.*\bsubject={subject}\b", answer.url)
    ):
        await page.keyboard.press("Enter")
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)
    await expect(page).to_have_url(re.compile(f"subject={subject}"))


@pytest_asyncio.fixture(loop_scope="session")
async def alice(person: Person) -> Person:
    """An admin at the overview."""
    await open_console(person, "alice")
    await expect(person.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    return person


@pytest_asyncio.fixture(loop_scope="session")
async def operator(chromium: Browser, stack: Stack) -> AsyncIterator[tuple[Page, Observation]]:
    """An empty browser at the management listener's console."""
    context = await chromium.new_context(viewport={"width": 1180, "height": 820}, locale="en-GB")
    seen = Observation(context, stack.bff.management_url)
    page = await context.new_page()
    await page.goto(stack.bff.management_url + "/console/")
    yield page, seen
    await context.close()


async def test_every_view_shows_what_the_server_knows_and_no_token(alice: Person, stack: Stack):
    """No failure, no error, nothing that the policy blocks; tokens are neither shown, sent nor stored.

    OAuth 2.0 for Browser-Based Applications §6.1.3.2.
    """
    page, seen = alice.page, alice.seen
    tokens = await stack.tokens_behind(await alice.session_cookie())
    for view, title in [*list(VIEWS.items())[1:], ("overview", "Overview")]:  # at the overview one begins
        await page.get_by_role("navigation", name="Views").get_by_role("link", name=title).click()
        await expect(page.get_by_role("heading", name=title, level=1)).to_be_focused()
        await settled(page, title)
        await expect(page.get_by_test_id("failure")).to_have_count(0)
        found = await seen.look_around(page)
        assert ("{}", "{}", "") == (found["localStorage"], found["sessionStorage"], found["document.cookie"]), view

    assert [] == seen.violations
    assert [] == seen.troubles
    assert {("/bff/admin/me", 401)} == {answer for answer in seen.statuses if answer[1] >= 400}
    texts = [text for text in await seen.all_texts() if not text.where.startswith("header set-cookie")]
    secrets = {tokens.access_token, tokens.refresh_token or "", tokens.id_token or ""}
    assert [] == find_tokens(texts, secrets - {""})
    assert [] == [text for text in texts if text.where == "request header authorization"]


async def test_door_leads_back_to_the_view_that_was_asked_for(person: Person):
    """A link to a view survives the sign-in."""
    await open_console(person, "alice", "#/audit?event=login.done")

    await expect(person.page.get_by_role("heading", name="Audit log", level=1)).to_be_visible()
    await expect(person.page.get_by_label("Event")).to_have_value("login.done")
    await expect(person.page.get_by_test_id("operator")).to_contain_text("Alice Arden")


async def test_who_lacks_the_role_is_told_which_one_it_takes(person: Person):
    """403 is no blank page: the role is named, and nothing of the console is shown."""
    await open_console(person, "bob")

    await expect(person.page.get_by_test_id("not-allowed")).to_contain_text("admin")
    await expect(person.page.get_by_role("navigation", name="Views")).to_have_count(0)


async def test_session_is_found_by_its_denial_and_ended(alice: Person, new_person: NewPerson, stack: Stack):
    """The denial in the audit log leads to the session; the confirmation says how many end; bob's page notices."""
    bob = await new_person()
    await bob.sign_in("bob")
    await expect(bob.page.get_by_test_id("task-item").first).to_be_visible()
    await bob.page.get_by_test_id("try-delete").click()
    await expect(bob.page.get_by_test_id("error-banner")).to_be_visible()
    handle = await bob.page.evaluate(_OWN_HANDLE)
    page = alice.page

    def is_written() -> bool:
        return any(line.get("session") == handle for line in stack.bff.audited("access.denied"))

    await eventually(is_written, "the line of the denial: the view asks for it once")
    await page.goto(page.url.split("#")[0] + f"#/audit?event=access.denied&session={handle}")
    line = page.get_by_role("list", name="Audit lines").get_by_role("group").first
    await expect(line).to_contain_text("DELETE /api")
    await line.locator("summary").click()
    await expect(line).to_contain_text("role_missing")
    await line.get_by_role("link", name="look at it").click()
    await expect(page.get_by_role("heading", name="Session of Bob Birch")).to_be_visible()
    await expect(page.get_by_role("table", name="Where the roles come from")).to_contain_text("reader")
    await page.get_by_test_id("end-session").click()
    await expect(page.get_by_test_id("revoke-confirm")).to_have_text("End 1 session")
    await page.get_by_test_id("revoke-confirm").click()
    await expect(page.get_by_role("heading", name="1 session ended")).to_be_visible()

    await expect(bob.page.get_by_test_id("session-ended")).to_be_visible()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("navigation", name="Views").get_by_role("link", name="Sessions").click()
    await settled(page, "Sessions")
    await page.get_by_label("Subject").focus()
    await search_by_subject(page, "bob")
    await expect(page.locator(f"a[href='#/sessions/{handle}']")).to_have_count(0)


async def test_sessions_of_a_role_are_counted_before_any_of_them_ends(alice: Person):
    """The count follows what is typed; cancelling changes nothing; a role that nobody has offers nothing to do."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/sessions")
    await page.get_by_role("button", name="End sessions…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_test_id("revoke-count")).to_have_text("Say which.")
    await dialog.get_by_label("All sessions").select_option("role")
    await dialog.get_by_label("Which").fill("nobody-has-this")
    await expect(dialog.get_by_test_id("revoke-count")).to_have_text("No session is like that.")
    await expect(dialog.get_by_test_id("revoke-confirm")).to_be_disabled()

    await dialog.get_by_label("Which").fill("admin")
    await expect(dialog.get_by_test_id("revoke-count")).to_contain_text("of the role admin")
    await page.keyboard.press("Escape")

    await expect(dialog).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("table", name="Sessions")).to_contain_text("Alice Arden")


async def test_tester_speaks_the_words_of_the_command_line(alice: Person, stack: Stack):
    """`bff access explain` and the console give one answer, and the question is in the address."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/routes")
    path = page.get_by_label("Path")
    await expect(path).to_be_visible()  # the view before it has a search field too, which would take the keys
    await page.keyboard.press("/")
    await expect(path).to_be_focused()
    await page.keyboard.type("/api/tasks/7")
    await page.get_by_label("Method").select_option("DELETE")
    await page.get_by_label("Roles").fill("reader")
    await page.get_by_role("button", name="Decide").click()
    verdict = page.get_by_test_id("verdict")
    await expect(verdict.get_by_role("heading", name="Denied")).to_be_visible()

    command = [
        sys.executable,
        "-c",
        "from bff.cli import main; main()",
        "access",
        "explain",
        "DELETE",
        "/api/tasks/7",
    ]
    explained = await asyncio.create_subprocess_exec(
        *command,
        *("--role", "reader", "-c", str(stack.bff.config)),
        stdout=asyncio.subprocess.PIPE,
        env={"TEST_CLIENT_SECRET": "x" * 40, "PATH": "/usr/bin"},
    )
    said = (await explained.communicate())[0].decode().strip()

    assert said == (await verdict.locator("pre").inner_text()).strip()
    assert "#/routes?method=DELETE&path=%2Fapi%2Ftasks%2F7&roles=reader" == "#" + page.url.split("#")[1]


async def test_everything_is_reached_without_a_mouse(alice: Person):
    """The skip link, the search field, the rows and the way back all take keys, and the focus is never lost."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/sessions")
    await page.reload()
    await expect(page.locator(".row-link").first).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Sessions", level=1)).to_be_focused()

    await page.keyboard.press("/")
    await expect(page.get_by_label("Subject")).to_be_focused()
    await search_by_subject(page, "alice")
    await page.locator(".row-link").first.focus()
    rows = await page.locator(".row-link").count()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".row-link").nth(min(1, rows - 1))).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Session of Alice Arden", level=1)).to_be_focused()

    await page.get_by_test_id("end-session").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("end-session")).to_be_focused()


async def test_plot_reads_out_its_moments_to_the_keyboard(alice: Person):
    """Arrow keys go through the moments, and the legend says their counts; the numbers are in a table as well."""
    page = alice.page
    plot = page.get_by_role("figure", name="Logins")
    await expect(plot.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"done [1-9]\d* in all"))
    await expect(plot.locator(".legend-when")).to_have_count(0)

    await plot.get_by_role("img").focus()
    await page.keyboard.press("ArrowLeft")

    await expect(plot.locator(".legend-when")).to_have_text(re.compile(r"\d\d:\d\d.\d\d:\d\d"))
    assert 1 <= await plot.get_by_role("table").get_by_role("row").count()


async def test_audit_chain_is_verified_from_the_page(alice: Person):
    """The answer says how many lines were looked at."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/audit")

    await page.get_by_test_id("verify").click()

    await expect(page.get_by_test_id("verified")).to_contain_text(re.compile(r"[1-9]\d* lines"))


async def test_review_is_decided_recorded_and_kept(alice: Person):
    """Decisions outlive a reload; what was recorded is in the history, with its note; the CSV can be had."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/review?q=alice")
    await page.get_by_role("group", name="Decision on Alice Arden").get_by_role("button", name="Keep").click()
    await page.get_by_label("Note on Alice Arden").fill("runs the shop")
    await page.reload()
    await expect(page.get_by_label("Note on Alice Arden")).to_have_value("runs the shop")

    async with page.expect_download() as started:
        await page.get_by_role("button", name="Download CSV").click()
    download = await started.value
    await page.get_by_test_id("record").click()
    await page.get_by_role("dialog").get_by_label("Note").fill("Fourth quarter")
    await page.get_by_test_id("record-confirm").click()
    await expect(page.get_by_role("heading", name="The review is recorded")).to_be_visible()
    await page.get_by_role("button", name="Done").click()

    assert re.fullmatch(r"access-review-\d{4}-\d\d-\d\d\.csv", download.suggested_filename)
    past = page.get_by_role("list", name="Recorded reviews").get_by_role("group").first
    await expect(past).to_contain_text("Fourth quarter")
    await past.locator("summary").click()
    await expect(past).to_contain_text("runs the shop")
    assert "{}" == await page.evaluate("JSON.stringify({...sessionStorage})")


async def test_session_that_ends_meanwhile_leaves_the_page_and_offers_the_way_back(alice: Person):
    """What was seen stays; a sign-in comes back to the same view."""
    page = alice.page
    await page.goto(page.url.split("#")[0] + "#/findings")
    await settled(page, "Findings")
    other = await alice.context.new_page()
    await alice.open("/", other)
    await other.get_by_test_id("sign-out").click()
    await expect(other.get_by_test_id("sign-in")).to_be_visible()

    await page.get_by_role("button", name="Refresh").click()

    ended = page.get_by_test_id("session-ended")
    await expect(ended).to_contain_text("Your session has ended")
    await expect(page.get_by_role("heading", name="Findings", level=1)).to_be_visible()
    assert (await ended.get_by_test_id("sign-in").get_attribute("href") or "").endswith("console%2F%23%2Ffindings")


async def test_sign_out_ends_the_session_at_the_issuer_too(alice: Person):
    """The next one at this machine is asked who he is."""
    page = alice.page

    await page.get_by_test_id("sign-out").click()

    await page.wait_for_url(re.compile(r"/$"))  # where the issuer sends browsers after a sign-out
    assert [] == await alice.cookies()
    await alice.open(CONSOLE)
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_operator_lets_himself_in_with_a_token_that_is_kept_nowhere(
    operator: tuple[Page, Observation],
):
    """A wrong token is refused with a word; the right one is in memory alone, and gone with a reload."""
    page, seen = operator
    await page.get_by_label(TOKEN_FIELD).fill("not-the-token")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_test_id("token-needed")).to_contain_text("not accepted")
    await page.get_by_label(TOKEN_FIELD).fill(OPERATOR_TOKEN)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    await settled(page, "Overview")

    found = await seen.look_around(page)
    assert [] == [name for name, content in found.items() if OPERATOR_TOKEN in content]
    urls = [text.content for text in await seen.all_texts() if text.where in {"request URL", "address bar"}]
    assert [] == [url for url in urls if OPERATOR_TOKEN in url]
    assert ([], []) == (seen.violations, seen.troubles)
    await page.reload()
    await expect(page.get_by_test_id("token-needed")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_fits_a_narrow_screen(new_person: NewPerson, scheme: str):
    """At 360 px nothing is cut off at the side, in either colour scheme (WCAG 2.2, 1.4.10)."""
    person = await new_person(color_scheme=scheme)
    await open_console(person, "alice")
    await person.page.set_viewport_size({"width": 360, "height": 740})
    too_wide = {}
    for view, title in VIEWS.items():
        await person.page.goto(person.page.url.split("#")[0] + f"#/{view}")
        await settled(person.page, title)
        too_wide[view] = await person.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert dict.fromkeys(VIEWS, 0) == too_wide
