"""A person with a browser of their own: what they click, and what the browser was told meanwhile."""

from typing import Any, Literal

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.observation import Observation
from tests.browser.stack import Stack

NAMES = {"alice": "Alice Arden", "bob": "Bob Birch"}


class Person:
    """One browser context with its first tab.

    Attributes:
        page: the first tab.
        seen: what this browser was shown from the start.
    """

    def __init__(self, context: BrowserContext, page: Page, seen: Observation, stack: Stack) -> None:
        self.context = context
        self.page = page
        self.seen = seen
        self._stack = stack

    async def open(self, path: str = "/", page: Page | None = None) -> None:
        await (page or self.page).goto(self._stack.origin + path)

    async def go_to_sign_in(self, page: Page | None = None) -> None:
        """Clicks through to the issuer's form."""
        page = page or self.page
        await page.get_by_test_id("sign-in").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    async def fill_in(self, login: str, page: Page | None = None) -> None:
        """Fills in the issuer's form and waits for the app."""
        page = page or self.page
        await page.get_by_label("User name").fill(login)
        await page.get_by_label("Password").fill(login)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_test_id("user-name")).to_have_text(NAMES[login])

    async def sign_in(self, login: str = "alice", path: str = "/") -> None:
        """From the app's signed-out page through the issuer's form back to the app."""
        await self.open(path)
        await self.go_to_sign_in()
        await self.fill_in(login)

    async def sign_out(self) -> None:
        """Through the issuer, back to the signed-out page."""
        await self.page.get_by_test_id("sign-out").click()
        await expect(self.page.get_by_role("heading", name="with no token in the browser")).to_be_visible()

    async def is_signed_in(self) -> bool:
        """What the server says when the app asks, in a tab of its own."""
        page = await self.context.new_page()
        await self.open("/", page)
        await expect(page.get_by_test_id("sign-in").or_(page.get_by_test_id("sign-out"))).to_be_visible()
        answer: bool = await page.get_by_test_id("sign-out").is_visible()
        await page.close()
        return answer

    async def cookies(self) -> list[dict[str, Any]]:
        """The whole jar as the browser itself keeps it, cookies of the BFF's host only."""
        session = await self.context.new_cdp_session(self.page)
        jar = await session.send("Network.getAllCookies")
        await session.detach()
        return [cookie for cookie in jar["cookies"] if cookie["domain"].lstrip(".") == "localhost"]

    async def session_cookie(self) -> str:
        (cookie,) = await self.cookies()
        value: str = cookie["value"]
        return value


ColorScheme = Literal["light", "dark"]
