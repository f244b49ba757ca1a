"""A stream of events ends in order, whatever the store says of its session."""

import asyncio

from bff.session.live import LiveSession
from bff.web.events import EventStream
from tests.internet import COOKIE, PATIENCE, eventually


async def test_stream_of_a_session_that_only_this_worker_holds_for_ended_ends_with_an_event(world):
    """The page hears of the end, and the answer is whole: the error that says so cannot become a second answer."""
    browser = world.browser()
    await browser.log_in()
    sessions = world.bffs[0].sessions
    live = await sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert isinstance(live, LiveSession)
    sessions.forget(live)
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async with asyncio.timeout(PATIENCE):
        await EventStream(sessions, world.clock)(live, receive, send)

    assert b'event: session-ended\ndata: {"reason":"ended"}\n\n' == sent[-2]["body"]
    assert not sent[-1]["more_body"]


async def test_worker_that_drains_lets_the_streams_go_and_is_unready(world):
    """A page that listens holds no shutdown up, and is told of no end: it connects again, elsewhere."""
    browser = world.browser()
    await browser.log_in()
    bff = world.bffs[0]
    live = await bff.sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert isinstance(live, LiveSession)
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    streaming = asyncio.ensure_future(EventStream(bff.sessions, world.clock)(live, receive, send))
    await eventually(lambda: 2 == len(sent))
    bff.drain()
    async with asyncio.timeout(PATIENCE):
        await streaming

    assert not sent[-1]["more_body"]
    assert not any(b"event:" in message["body"] for message in sent[1:])
    assert not (await bff.health.check())[0]
    assert await browser.user() is not None
