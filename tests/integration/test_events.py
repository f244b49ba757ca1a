"""A page hears at once what happens to its session, in every tab and on every machine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.product import Bff, Browser
from tests.servers import Issuer
from tests.world import NegIssuer, World, until

pytestmark = pytest.mark.integration

Event = tuple[str, dict[str, Any]]


@asynccontextmanager
async def listening(browser: Browser) -> AsyncIterator["asyncio.Queue[Event | None]"]:
    """The events of a tab as they come; None when the stream has ended."""
    heard: asyncio.Queue[Event | None] = asyncio.Queue()
    opened = asyncio.Event()

    async def listen() -> None:
        async with browser.stream("GET", "/bff/events") as stream:
            assert (200, "no-store") == (stream.status_code, stream.headers["cache-control"])
            name = ""
            async for line in stream.aiter_lines():
                opened.set()
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    heard.put_nowait((name, json.loads(line.removeprefix("data: "))))
        heard.put_nowait(None)

    task = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(30):
            await opened.wait()
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def next_of(heard: "asyncio.Queue[Event | None]", name: str) -> dict[str, Any]:
    """The fields of the next event of that name; others are passed over."""
    async with asyncio.timeout(30):
        while (event := await heard.get()) is not None:
            if event[0] == name:
                return event[1]
    raise AssertionError(f"the stream ended without {name}")


async def test_every_tab_hears_of_a_logout_and_its_stream_ends(bff: Bff):
    """With the reason, and soon: nobody has to poll."""
    async with Browser(bff) as browser:
        await browser.log_in()
        async with listening(browser) as one, listening(browser.twin()) as other:
            await browser.post("/bff/logout")

            assert [{"reason": "logout"}] * 2 == [await next_of(tab, "session-ended") for tab in (one, other)]
            assert [None, None] == [await asyncio.wait_for(tab.get(), 30) for tab in (one, other)]


async def test_tab_hears_of_a_logout_that_the_issuer_began(neg_bff: Bff, neg: NegIssuer):
    """OIDC Back-Channel Logout §2.7."""
    async with Browser(neg_bff) as browser:
        await browser.navigate(neg.op.login(await browser.begin_login()), cross_site=True)
        async with listening(browser) as heard:
            await browser.post("/bff/backchannel-logout", data={"logout_token": neg.op.logout_token()})

            assert {"reason": "backchannel_logout"} == await next_of(heard, "session-ended")


async def test_tab_at_another_machine_hears_it_too(world: World):
    """The end is pushed through the store."""
    with (
        world.build(world.issuer, port=world.port(), store=f"{world.valkey.url}/7") as one,
        world.build(world.issuer, beside=one) as other,
    ):
        async with Browser(one) as browser, Browser(other) as there:
            await browser.log_in()
            there.cookies.update(browser.cookies)
            async with listening(there) as heard:
                await browser.post("/bff/logout")

                assert {"reason": "logout"} == await next_of(heard, "session-ended")


async def test_tab_hears_of_roles_that_changed(world: World, brief: Bff):
    """After the renewal that brought them."""
    issuer: Issuer = world.brief_issuer
    async with Browser(brief) as browser:
        await browser.log_in()
        token = (await browser.get("/api/whoami")).json()["token"]
        async with listening(browser) as heard:
            await issuer.set_roles("alice", ["reader"])
            await until(token["expires_at"] + 0.1)
            await browser.get("/api/whoami")

            await next_of(heard, "claims-changed")
            assert ["reader"] == (await browser.user())["roles"]


async def test_tab_hears_that_the_session_ran_out(world: World):
    """A warning first, then the end; listening does not keep the session alive (OWASP ASVS 7.3.1)."""
    with world.build(world.issuer, port=world.port(), session='idle_timeout = "2s"') as bff:
        async with Browser(bff) as browser:
            await browser.log_in()
            async with listening(browser) as heard:
                assert (await next_of(heard, "expiring"))["expires_in"] <= 2
                assert {"reason": "expired"} == await next_of(heard, "session-ended")


async def test_stream_needs_a_session_and_comes_from_our_own_pages(bff: Bff):
    """Another site cannot listen (browser-based apps §6.1.3.3)."""
    async with Browser(bff) as browser:
        signed_out = await browser.get("/bff/events")
        await browser.log_in()
        foreign = await browser.request(
            "GET", "/bff/events", csrf=False, headers={"Origin": "https://evil.example", "X-CSRF": "1"}
        )

        assert (401, "session_required") == (signed_out.status_code, signed_out.json()["code"])
        assert (403, "cross_site_request") == (foreign.status_code, foreign.json()["code"])


async def test_streams_of_one_session_are_bounded(bff: Bff):
    """A page that opens them in a loop meets a limit, not an exhausted server."""
    async with Browser(bff) as browser:
        await browser.log_in()
        async with AsyncExitStack() as held_open:
            streams = [await held_open.enter_async_context(browser.stream("GET", "/bff/events")) for _ in range(30)]
            statuses = [stream.status_code for stream in streams]

        assert {200, 429} == set(statuses)
        assert statuses.count(200) <= 20
        assert 200 == (await browser.get("/bff/user")).status_code
