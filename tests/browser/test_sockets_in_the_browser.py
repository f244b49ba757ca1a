"""WebSockets of a real browser: a page's own, another site's, and a development server's."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.person import Person
from tests.browser.stack import Stack
from tests.processes import ROOT, ServerProcess, reserve_port
from tests.product import Bff, start_product

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Opens a socket in the page and resolves with it open; what happens to it is kept in `window.socket`.
_OPEN = """(url) => new Promise((done) => {
    const socket = new WebSocket(url);
    window.socket = { heard: [], code: null, reason: null, say: (data) => socket.send(data) };
    socket.onopen = () => done(true);
    socket.onmessage = ({ data }) => window.socket.heard.push(data);
    socket.onclose = ({ code, reason }) => {
        Object.assign(window.socket, { code, reason });
        done(false);
    };
})"""
_LOG_OUT = """async () => {
    await fetch("/bff/logout", { method: "POST", headers: { "X-CSRF": "1" } });
}"""


async def _open(page: Page, stack: Stack) -> bool:
    opened: bool = await page.evaluate(_OPEN, stack.origin.replace("http", "ws", 1) + "/api/live/echo")
    return opened


async def test_socket_of_a_page_is_closed_when_another_tab_logs_out(person: Person, stack: Stack):
    """At once, with 4401; until then messages pass."""
    await person.sign_in("alice")
    assert await _open(person.page, stack)
    await person.page.evaluate("() => window.socket.say('häh?')")
    await person.page.wait_for_function("() => window.socket.heard.length === 1")
    other = await person.context.new_page()
    await person.open("/", other)
    await other.evaluate(_LOG_OUT)
    await person.page.wait_for_function("() => window.socket.code !== null")
    socket = await person.page.evaluate("() => window.socket")

    assert (["häh?"], 4401, "session_expired") == (socket["heard"], socket["code"], socket["reason"])


async def test_another_site_s_page_gets_no_socket(person: Person, stack: Stack):
    """Cross-site, where the cookie stays behind, and same-site, where it comes along (RFC 6455 §10.2)."""
    await person.sign_in("alice")
    before = len(stack.sockets.opened)
    for host in ("127.0.0.1", "localhost"):
        page = await person.context.new_page()
        await page.goto(stack.canary.url(host))
        assert not await _open(page, stack)
        assert 1006 == await page.evaluate("() => window.socket.code")
        await page.close()

    assert before == len(stack.sockets.opened)


@pytest_asyncio.fixture(loop_scope="session")
async def developed(tmp_path: Path) -> AsyncIterator[tuple[Bff, Path]]:
    """A copy of the example app served by Vite, behind the product."""
    app = tmp_path / "app"
    ours = ROOT / "frontend_example"
    for name in ("index.html", "package.json", "tsconfig.json", "vite.config.ts"):
        app.mkdir(exist_ok=True)
        shutil.copy(ours / name, app / name)
    shutil.copytree(ours / "src", app / "src")
    (app / "node_modules").symlink_to(ours / "node_modules")
    port = reserve_port()
    vite = ["npm", "run", "dev", "--prefix", str(app), "--", "--port", str(port)]
    with ServerProcess([sys.executable, str(ours / "demo" / "node.py"), *vite], cwd=app) as process:
        await asyncio.to_thread(process.wait_for_port, port)
        nobody = SimpleNamespace(url="http://127.0.0.1:9", client_id="app", client_secret="x" * 32)
        spa = f'[spa]\nupstream = "http://127.0.0.1:{port}"\n'
        routes = '[[api]]\npath = "/api"\nupstream = "http://127.0.0.1:9"\n'
        bff = await asyncio.to_thread(start_product, nobody, None, apis=routes, extra=spa)
        with bff:
            yield bff, app


async def test_edited_file_shows_at_once_through_a_development_server(
    chromium: Browser, developed: tuple[Bff, Path]
):
    """Vite's hot reload: its socket passes, and the page is not loaded anew."""
    bff, app = developed
    context = await chromium.new_context()
    try:
        page = await context.new_page()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.goto(bff.url)
        await expect(page.locator("#root")).not_to_be_empty()
        await page.evaluate("() => { window.sameDocument = true; }")
        styles = app / "src" / "styles.css"
        styles.write_text(styles.read_text() + "\nbody { outline: 3px solid rgb(1, 2, 3); }\n")
        await expect(page.locator("body")).to_have_css("outline-color", "rgb(1, 2, 3)")

        assert await page.evaluate("() => window.sameDocument === true")
        assert [str(bff.port)] == sorted({url.split("/")[2].partition(":")[2] for url in sockets})
    finally:
        await context.close()
