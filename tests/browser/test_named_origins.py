"""In a real browser: pages of origins that a route names, and pages with parts of their own under the policy."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.site import Site
from tests.processes import reserve_port
from tests.product import Bff, redirect_uris, start_product
from tests.servers import Issuer, start_issuer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

_FETCH = """async ({ url, options }) => {
    try {
        const answer = await fetch(url, options);
        return { status: answer.status, id: answer.headers.get("x-request-id"), body: await answer.text() };
    } catch {
        return null;
    }
}"""
_INJECT = """() => {
    document.head.append(Object.assign(document.createElement("script"), { textContent: "window.evil = 1" }));
    return window.evil ?? null;
}"""
_PAGE = """<!doctype html><meta charset="utf-8">
<style nonce="__CSP_NONCE__">body { color: rgb(1, 2, 3) }</style>
<body><script nonce="__CSP_NONCE__">document.title = "it ran, and ü";\r\nwindow.seen = 1;</script></body>"""


@dataclass(frozen=True, slots=True)
class Sites:
    """The product, the API behind it, and two other sites: one that is named and one that is not."""

    bff: Bff
    api: Site
    named: Site
    other: Site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def issuer_and_port() -> AsyncIterator[tuple[Issuer, int]]:
    """An issuer that knows a product on this port."""
    port = reserve_port()
    async with start_issuer(**redirect_uris(port)) as issuer:
        yield issuer, port


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sites(
    issuer_and_port: tuple[Issuer, int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sites]:
    """The product with a route that names a site, as a sibling on localhost and as a stranger by address."""
    issuer, port = issuer_and_port
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "index.html").write_text(_PAGE)
    async with AsyncExitStack() as stack:
        api, named, other = [await stack.enter_async_context(Site()) for _ in range(3)]
        origins = f'["{named.url("localhost")}", "{named.url("127.0.0.1")}"]'
        apis = f"""
[[api]]
path = "/api/shared"
upstream = "{api.url()}"
cors = {{ origins = {origins}, credentials = true }}

[[api]]
path = "/api/own"
upstream = "{api.url()}"
"""
        bff = await stack.enter_async_context(start_product(issuer, None, port=port, apis=apis, spa=str(folder)))
        yield Sites(bff, api, named, other)


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, sites: Sites) -> AsyncIterator[Page]:
    """A tab of somebody who is signed in."""
    async with await chromium.new_context() as context:
        page = await context.new_page()
        await page.goto(f"{sites.bff.url}/bff/login?return_to=/")
        await page.get_by_label("User name").fill("alice")
        await page.get_by_label("Password").fill("alice")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(f"{sites.bff.url}/")
        sites.api.visits.clear()
        yield page


async def fetch(page: Page, url: str, **options: Any) -> dict[str, Any] | None:
    """What a page gets of a call with credentials; None when the browser does not let it have the answer."""
    options = {"headers": {"X-CSRF": "1"}, "credentials": "include", **options}
    answer: dict[str, Any] | None = await page.evaluate(_FETCH, {"url": url, "options": options})
    return answer


async def test_sibling_that_is_named_calls_with_the_users_session(page: Page, sites: Sites):
    """SameSite=Strict lets the cookie along within a site (RFC 6265bis §5.2), and CORS lets the answer through."""
    await page.goto(sites.named.url("localhost"))
    got = await fetch(page, f"{sites.bff.url}/api/shared")
    put = await fetch(page, f"{sites.bff.url}/api/shared", method="PUT", body="{}")

    assert (200, 200) == (got and got["status"], put and put["status"])
    assert got is not None
    assert got["id"] is not None  # an exposed header
    assert ["GET", "PUT"] == [visit.method for visit in sites.api.visits]
    assert {True} == {visit.headers["authorization"].startswith("Bearer ey") for visit in sites.api.visits}


async def test_sibling_that_is_named_needs_the_header_and_the_route(page: Page, sites: Sites):
    """Without X-CSRF: a refusal that it may read. On another route: nothing at all."""
    await page.goto(sites.named.url("localhost"))
    bare = await fetch(page, f"{sites.bff.url}/api/shared", headers={})
    elsewhere = await fetch(page, f"{sites.bff.url}/api/own")
    user = await fetch(page, f"{sites.bff.url}/bff/user")

    assert bare is not None
    assert 403 == bare["status"]
    assert "csrf_header_required" in bare["body"]
    assert (None, None, []) == (elsewhere, user, sites.api.visits)


async def test_sibling_that_is_not_named_gets_nothing(page: Page, sites: Sites):
    """Though the cookie would come along (browser-based apps §6.1.3.3.2)."""
    await page.goto(sites.other.url("localhost"))

    assert await fetch(page, f"{sites.bff.url}/api/shared") is None
    assert await fetch(page, f"{sites.bff.url}/api/shared", method="PUT") is None
    assert [] == sites.api.visits


async def test_other_site_that_is_named_has_no_session(page: Page, sites: Sites):
    """The cookie stays at home; the page learns that it is nobody's."""
    await page.goto(sites.named.url("127.0.0.1"))
    answer = await fetch(page, f"{sites.bff.url}/api/shared")

    assert answer is not None
    assert 401 == answer["status"]
    assert "session_required" in answer["body"]
    assert [] == sites.api.visits


async def _inspect(page: Page, url: str) -> tuple[str, str, object]:
    """The title that the page's script gave, the colour of its style, and what an injected script did."""
    await page.goto(url)
    colour: str = await page.evaluate("getComputedStyle(document.body).color")
    return await page.title(), colour, await page.evaluate(_INJECT)


async def test_parts_of_a_stock_page_run_and_others_do_not(page: Page, sites: Sites):
    """By their hashes (CSP Level 3 §8.3)."""
    assert ("it ran, and ü", "rgb(1, 2, 3)", None) == await _inspect(page, f"{sites.bff.url}/orders/7")


async def test_parts_with_the_answers_nonce_run_and_others_do_not(
    chromium: Browser, sites: Sites, issuer_and_port: tuple[Issuer, int], tmp_path: Path
):
    """Each answer has its own (CSP Level 3 §7.1)."""
    (tmp_path / "index.html").write_text(_PAGE)
    nonce = 'nonce_placeholder = "__CSP_NONCE__"\n'
    issuer = issuer_and_port[0]
    async with (
        start_product(issuer, None, spa=str(tmp_path), extra=nonce) as bff,
        await chromium.new_page() as page,
    ):
        assert ("it ran, and ü", "rgb(1, 2, 3)", None) == await _inspect(page, f"{bff.url}/")
