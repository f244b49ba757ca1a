"""One Chromium and one whole stack for each test process; a browser context of its own for each person."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.example_app import built_console, built_example_app
from tests.browser.observation import Observation
from tests.browser.person import ColorScheme, Person
from tests.browser.site import Site
from tests.browser.stack import ACCESS_TOKEN_LIFETIME, Stack, administration, routes
from tests.processes import reserve_port
from tests.product import redirect_uris, start_product
from tests.servers import start_demo_api, start_issuer
from tests.socket_upstream import SocketUpstream

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 30_000  # milliseconds, generous: the machine may be busy with other tests

_CLOSING = 30.0  # seconds

NewPerson = Callable[..., Awaitable[Person]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, started once."""
    expect.set_options(timeout=_PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        with contextlib.suppress(TimeoutError):  # one that hangs is killed by its driver, which ends next
            async with asyncio.timeout(_CLOSING):
                await browser.close()


@asynccontextmanager
async def _serving_sockets() -> AsyncIterator[SocketUpstream]:
    with SocketUpstream() as sockets:
        yield sockets


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Issuer, demo API, canary and the product with the example app."""
    app = built_example_app()
    built_console()
    port = reserve_port()
    issuer = start_issuer(
        **redirect_uris(port),
        backchannel_logout_uri=f"http://localhost:{port}/bff/backchannel-logout",
        ttl={"access_token": ACCESS_TOKEN_LIFETIME},
    )
    async with (
        issuer,
        Site() as canary,
        _serving_sockets() as sockets,
        start_demo_api(issuer) as api,
        start_product(
            issuer, api, port=port, spa=str(app), apis=routes(api, canary, sockets), extra=administration()
        ) as bff,
    ):
        yield Stack(issuer, api, bff, canary, sockets)
        assert "request.crashed" not in bff.output()


@pytest_asyncio.fixture(loop_scope="session")
async def new_person(chromium: Browser, stack: Stack) -> AsyncIterator[NewPerson]:
    """Makes a person with an empty browser; options: `color_scheme`."""
    contexts = []

    async def make(*, color_scheme: ColorScheme = "light") -> Person:
        context = await chromium.new_context(
            color_scheme=color_scheme, viewport={"width": 1180, "height": 820}, locale="en-GB"
        )
        context.set_default_timeout(_PATIENCE)
        contexts.append(context)
        seen = Observation(context, stack.origin)
        return Person(context, await context.new_page(), seen, stack)

    yield make
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def person(new_person: NewPerson) -> Person:
    """Somebody with an empty browser."""
    return await new_person()
