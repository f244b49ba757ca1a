"""Pages that watch are told what happens to their session, whoever does it and however much happens at once."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bff.config.settings import RolesSettings
from bff.session.live import LiveSession
from bff.web.events import EventStream
from tests.internet import COOKIE, World, eventually, make_settings


@asynccontextmanager
async def watching(world, browser, worker=0):
    """The events that a page of this browser hears from a worker, as they come."""
    bff = world.bffs[worker]
    live = await bff.sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert isinstance(live, LiveSession)
    sent: list[bytes] = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message.get("body", b""))

    streaming = asyncio.ensure_future(EventStream(bff.sessions, world.clock)(live, receive, send))
    await eventually(lambda: len(sent) >= 2)
    try:
        yield sent
    finally:
        streaming.cancel()
        await asyncio.wait([streaming])


def write(path, start, end):
    """An assignment of the role `contractor` to alice."""
    text = f'[[assignment]]\nsubject = "alice"\nrole = "contractor"\nfrom = {start}\nuntil = {end}\n'
    path.write_text(text, "utf-8")


@pytest.fixture
async def assigned_world(tmp_path):
    """A product with a file of assignments, which holds none yet."""
    path = tmp_path / "assignments.toml"
    path.write_text("", "utf-8")
    settings = replace(make_settings(), roles=RolesSettings(assignments=str(path)))
    async with World(settings=settings) as world:
        world.assignments = path
        yield world


async def test_page_hears_of_a_role_that_begins_and_ends_by_its_date(assigned_world):
    """A role that is assigned until a moment is gone from the page within a second of it."""
    world = assigned_world
    write(world.assignments, "2027-01-15T08:00:30Z", "2027-01-15T08:01:00Z")  # the clock says 08:00:00
    file = world.bffs[0]._assignments
    file.refresh()
    file._after()
    browser = world.browser()
    await browser.log_in()
    assert [] == (await browser.user())["roles"]

    async with watching(world, browser) as sent:
        file._after()
        assert not any(b"claims-changed" in body for body in sent)
        for seconds, count in ((31, 1), (30, 2)):
            world.clock.advance(seconds)
            file._after()
            await eventually(lambda count=count: count == sum(b"claims-changed" in body for body in sent))
            file._after()
        assert 2 == sum(b"claims-changed" in body for body in sent)


async def test_page_that_begins_to_watch_just_after_a_role_ended_hears_of_it(assigned_world):
    """Between the question who somebody is and the stream of events, nothing falls through."""
    world = assigned_world
    write(world.assignments, "2027-01-15T07:00:00Z", "2027-01-15T08:00:01Z")
    world.bffs[0]._assignments.refresh()
    browser = world.browser()
    await browser.log_in()
    assert ["contractor"] == (await browser.user())["roles"]
    world.clock.advance(1.5)

    async with watching(world, browser) as sent:
        world.bffs[0]._assignments._after()
        await eventually(lambda: any(b"claims-changed" in body for body in sent))


async def test_page_hears_of_an_end_that_was_not_pushed(world):
    """When more ended at once than the store can tell of, the pages that watch are asked about one by one."""
    browser = world.browser()
    await browser.log_in()

    async with watching(world, browser) as sent:
        world.store.lose_pushes()
        key = next(iter(world.bffs[0].sessions.known())).key
        await world.store.end(key, "revoked", world.clock(), keep_sealed=True)
        assert not any(b"session-ended" in body for body in sent)
        world.store.restore_pushes()

        await eventually(lambda: b'event: session-ended\ndata: {"reason":"revoked"}\n\n' in sent)
