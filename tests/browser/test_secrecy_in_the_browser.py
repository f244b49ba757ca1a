"""No token reaches the browser: a whole session is watched, and everything it saw is searched."""

import pytest
from playwright.async_api import expect

from tests.browser.observation import Text, find_tokens, without_logout_hint
from tests.browser.person import Person
from tests.browser.stack import Stack
from tests.world import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

_HEADER_AND_CLAIMS = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9"


async def test_no_token_is_to_be_found_in_the_browser(person: Person, stack: Stack):
    """Storage, cookies readable by script, answers, URLs, the console and the page hold no token, ever.

    OAuth 2.0 for Browser-Based Applications §6.1.3.2. The one exception is the ID token in the redirect to the
    issuer's end_session endpoint (OIDC RP-Initiated Logout 1.0 §2), which script cannot read.
    """
    page, seen = person.page, person.seen
    await person.sign_in("alice", "/board?x=1")
    cookie = await person.session_cookie()
    secrets = {cookie}
    found = await seen.look_around(page)
    for _ in range(2):
        tokens = await stack.tokens_behind(cookie)
        assert tokens.refresh_token is not None
        assert tokens.id_token is not None
        secrets |= {tokens.access_token, tokens.refresh_token, tokens.id_token}
        expires_at = await page.get_by_test_id("token-expires-at").get_attribute("data-value") or ""
        await expect(page.get_by_test_id("token-expires-at")).not_to_have_attribute("data-value", expires_at)
    await page.get_by_test_id("task-title-input").fill("Feed the cat")
    await page.get_by_test_id("task-create").click()
    async with page.expect_response("**/api/tasks/*"):
        await page.get_by_role("button", name="Delete Feed the cat").first.click()
    await seen.look_around(page)
    await person.sign_out()
    await seen.look_around(page)

    assert 1 + 3 <= len(secrets)
    assert "" == found["document.cookie"]
    assert ("{}", "{}", "[]", "[]") == (
        found["localStorage"],
        found["sessionStorage"],
        found["IndexedDB"],
        found["caches"],
    )
    texts, hints = without_logout_hint(await seen.all_texts(), stack.issuer.url + "/session/end")
    assert 3 == hints  # our redirect's Location, the request it leads to, the address bar on the issuer's page
    texts = [text for text in texts if not text.where.startswith("header set-cookie")]
    assert {"/bff/user", "/api/whoami", "/api/tasks"} <= {path for path, _ in seen.statuses}
    assert any(text.where.startswith("body: ") and '"sub":"alice"' in text.content for text in texts)
    assert [] == find_tokens(texts, secrets)
    assert [] == [text for text in texts if text.where == "request header authorization"]


async def test_the_search_finds_what_it_is_made_for():
    """A whole token, a part of one, an encoded one and an unknown JWT are all found."""
    refresh_token = "hq3sOnmUe9Pl3m6SIYAZr4gJ"
    planted = [
        Text("a", f"x{refresh_token}y"),
        Text("b", "sig=c2lnbmF0dXJlLW9mLWFsaWNl&"),
        Text("c", "https%3A%2F%2Fx%2F%23" + _HEADER_AND_CLAIMS.replace(".", "%2E")),
        Text("d", "nothing here"),
        Text("https://id/end", "https://id/end?id_token_hint=" + _HEADER_AND_CLAIMS),
    ]

    found = find_tokens(planted, [refresh_token, _HEADER_AND_CLAIMS + ".c2lnbmF0dXJlLW9mLWFsaWNl"])
    kept, hints = without_logout_hint(planted, "https://id/end")

    assert {"a", "b", "c", "https"} == {where.split(":")[0] for where in found}
    assert (1, "https://id/end?id_token_hint=") == (hints, kept[-1].content)


async def test_the_jar_holds_one_cookie_that_nobody_can_take(person: Person):
    """After a login there is one `__Host-` cookie: Secure, HttpOnly, SameSite=Strict, Path=/, below 300 bytes.

    OAuth 2.0 for Browser-Based Applications §6.1.3.2; RFC 6265bis §4.1.3.2.
    """
    await person.sign_in("alice")

    (cookie,) = await person.cookies()
    assert {
        "name": "__Host-bff",
        "domain": "localhost",
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    } == {name: cookie[name] for name in ("name", "domain", "path", "secure", "httpOnly", "sameSite")}
    assert cookie["size"] < 300
    assert "" == await person.page.evaluate("document.cookie")


async def test_normal_use_breaks_no_policy_and_logs_no_error(person: Person):
    """From sign-in to sign-out the content security policy blocks nothing and no script fails."""
    page = person.page
    await person.sign_in("alice")
    await page.get_by_test_id("task-title-input").fill("Call home")
    await page.get_by_test_id("task-create").click()
    async with page.expect_response("**/api/tasks/*"):
        await page.get_by_role("button", name="Delete Call home").first.click()
    await page.reload()
    await expect(page.get_by_test_id("task-item").first).to_be_visible()
    await person.sign_out()
    await person.seen.all_texts()

    assert [] == person.seen.violations
    assert [] == person.seen.troubles
    # Refused were only the questions of a visitor who is not signed in.
    assert {("/bff/user", 401)} == {answer for answer in person.seen.statuses if answer[1] >= 400}


async def test_an_injected_script_does_not_run(person: Person):
    """The content security policy keeps inline script, inline handlers and foreign script from running."""
    page = person.page
    await person.sign_in("alice")

    ran = await page.evaluate("""async () => {
        const reports = [];
        const all = new Promise((done) => addEventListener("securitypolicyviolation", (event) => {
            if (reports.push(event.effectiveDirective) === 3) done();
        }));
        const inline = document.createElement("script");
        inline.textContent = "window.ran = 'inline'";
        document.body.append(inline);
        const foreign = document.createElement("script");
        foreign.src = "http://127.0.0.1:9/evil.js";
        document.body.append(foreign);
        const button = document.createElement("button");
        button.setAttribute("onclick", "window.ran = 'handler'");
        document.body.append(button);
        button.click();
        await Promise.race([all, new Promise((done) => setTimeout(done, 15000))]);
        return { ran: window.ran ?? null, reports: reports.sort() };
    }""")

    assert {"ran": None, "reports": ["script-src-attr", "script-src-elem", "script-src-elem"]} == ran
    await eventually(lambda: 3 <= len(person.seen.violations), "the words in the console")
