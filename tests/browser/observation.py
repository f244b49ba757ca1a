"""Everything that a browser is shown and told, written down for later searching."""

import asyncio
import contextlib
import re
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response

# Two base64url parts after `{"`, joined by a dot: no hash and no id of ours looks like that.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_HINT = re.compile(r"(?<=[?&]id_token_hint=)[^&]+")

# What script can reach without asking the network.
_SCRIPT_CAN_READ = """async () => ({
    "document.cookie": document.cookie,
    localStorage: JSON.stringify({...localStorage}),
    sessionStorage: JSON.stringify({...sessionStorage}),
    IndexedDB: JSON.stringify((await indexedDB.databases()).map((database) => database.name)),
    caches: JSON.stringify(await caches.keys()),
    "window.name": window.name,
    html: document.documentElement.outerHTML,
    timeline: JSON.stringify(performance.getEntries().map((entry) => entry.name)),
})"""


@dataclass(frozen=True, slots=True)
class Text:
    """Something that was seen, and where."""

    where: str
    content: str


class Observation:
    """Watches one browser context from before its first page.

    Attributes:
        texts: URLs, headers, same-origin bodies, server-sent events, console messages and what script could read.
        troubles: errors and complaints that a developer would see in the console, refused calls aside.
        violations: what the content security policy blocked.
        navigations: the URLs that main frames went to.
        statuses: (path, status) of each answer from our own origin.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.texts: list[Text] = []
        self.troubles: list[str] = []
        self.violations: list[str] = []
        self.navigations: list[str] = []
        self.statuses: list[tuple[str, int]] = []
        self._origin = origin
        self._reading: set[asyncio.Task[None]] = set()
        self._read: set[str] = set()
        self._missed: set[str] = set()
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        context.on("page", self._on_page)

    async def look_around(self, page: Page) -> dict[str, str]:
        """Writes down what script on this page could read now, and returns it by name."""
        found: dict[str, str] = await page.evaluate(_SCRIPT_CAN_READ)
        self.texts += [Text(f"{name} of {page.url}", content) for name, content in found.items()]
        return found

    async def all_texts(self) -> list[Text]:
        """Everything so far; no body of our own origin's paths is missing from it."""
        while self._reading:
            await asyncio.gather(*self._reading)
        assert set() == self._missed - self._read
        return self.texts

    # ── listening ───────────────────────────────────────────────────────────────────────────────────────

    def _on_page(self, page: Page) -> None:
        self._begin(self._follow_events(page))
        page.on("framenavigated", lambda frame: self._on_navigation(page, frame))

    def _on_navigation(self, page: Page, frame: Any) -> None:
        self.texts.append(Text("address bar", frame.url))
        if frame == page.main_frame:
            self.navigations.append(frame.url)

    def _on_request(self, request: Request) -> None:
        self.texts.append(Text("request URL", request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        self.texts.append(Text("console", message.text))
        if "Content Security Policy" in message.text:
            self.violations.append(message.text)
        elif message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.troubles.append(message.text)

    def _on_response(self, response: Response) -> None:
        self._begin(self._read_response(response))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _follow_events(self, page: Page) -> None:
        """Writes down what event streams tell: their bodies never end."""
        with contextlib.suppress(Error):  # the page has been closed again
            session = await page.context.new_cdp_session(page)
            session.on(
                "Network.eventSourceMessageReceived",
                lambda event: self.texts.append(Text(f"event {event['eventName']}", event["data"])),
            )
            await session.send("Network.enable")

    async def _read_response(self, response: Response) -> None:
        is_ours = response.url.startswith(self._origin + "/")
        where = f"answer of {response.url}"
        if is_ours:
            self.statuses.append((urlsplit(response.url).path, response.status))
            sent = await response.request.all_headers()
            # The cookie goes from the jar to the server; script cannot see it on the way.
            sent.pop("cookie", None)
            self.texts += [Text(f"request header {name}", value) for name, value in sent.items()]
        headers = await response.headers_array()
        self.texts += [Text(f"header {header['name']}: {where}", header["value"]) for header in headers]
        if not is_ours or response.status == 204 or 300 <= response.status < 400:
            return  # there is no body, or none that a browser shows
        if (await response.header_value("content-type") or "").startswith("text/event-stream"):
            return  # see _follow_events
        path = urlsplit(response.url).path
        try:
            content = await response.text()
        except Error:
            # The page was left before the body could be fetched; the same path must have been read another time.
            self._missed.add(path)
        else:
            self._read.add(path)
            self.texts.append(Text(f"body: {where}", content))


# ── searching ────────────────────────────────────────────────────────────────────────────────────────────


def find_tokens(texts: Iterable[Text], secrets: Iterable[str]) -> list[str]:
    """Where a secret, a part of one, or anything that looks like a JWT stands."""
    pieces = {piece for secret in secrets for piece in [secret, *secret.split(".")] if len(piece) >= 16}
    return [
        f"{text.where}: {found[:12]}…"
        for text in texts
        for form in {text.content, unquote(text.content)}
        for found in _finds(form, pieces)
    ]


def _finds(content: str, pieces: set[str]) -> Iterator[str]:
    yield from _JWT.findall(content)
    yield from (piece for piece in pieces if piece in content)


def without_logout_hint(texts: Iterable[Text], end_session_url: str) -> tuple[list[Text], int]:
    """The texts, with the ID token cut out of URLs of the issuer's end_session endpoint; and how often it was."""
    kept, cut = [], 0
    for text in texts:
        content = text.content
        if content.startswith(end_session_url + "?"):
            content, times = _HINT.subn("", content)
            cut += times
        kept.append(Text(text.where, content))
    return kept, cut
