"""The documentation site as its readers have it: in a browser, on a wide screen and on a telephone."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.processes import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]

SLOW = 60_000  # milliseconds: the index is read by a worker, on a machine that may be busy
PAGES = ("", "start/", "concepts/", "providers/keycloak/", "configuration/", "errors/", "security/", "metrics/")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site, built anew."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
        capture_output=True,
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Reader:
    """Somebody with a browser, and what it fetched and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest_asyncio.fixture(loop_scope="session")
async def reader(chromium: Browser) -> AsyncIterator[Reader]:
    page = await chromium.new_page(viewport={"width": 400, "height": 800})
    yield Reader(page)
    await page.close()


async def test_pages_fit_a_telephone_ask_nobody_else_and_work_without_complaint(reader: Reader, site: str):
    """What is too wide scrolls by itself; nothing is fetched from elsewhere, missing, or broken."""
    too_wide = []
    for path in PAGES:
        await reader.page.goto(site + path, wait_until="load")
        await expect(reader.page.locator("h1").first).to_be_visible()
        if await reader.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            too_wide.append(path)

    assert [] == too_wide
    assert [] == [url for url in reader.asked if not url.startswith((site, "data:"))]
    assert [] == reader.complaints


async def test_an_error_s_code_is_found(reader: Reader, site: str):
    """Typed into the search, it leads to its section."""
    page = reader.page
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(site, wait_until="load")
    search = page.get_by_role("textbox", name="Search")
    await search.click()
    await expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching", timeout=SLOW)
    await search.press_sequentially("misdirected_request")  # the page listens to keys
    # The results come while it is typed: `h` says what they were found by.
    result = page.locator(".md-search-result__link[href$='?h=misdirected_request#misdirected_request']")
    await expect(result).to_have_count(1, timeout=SLOW)
    await page.goto(str(await result.get_attribute("href")))  # a click would do, were it not folded away at times

    await expect(page).to_have_url(re.compile(r"/errors/\?h=misdirected_request#misdirected_request$"))
    await expect(page.locator("h2#misdirected_request")).to_be_in_viewport()
    assert [] == reader.complaints
