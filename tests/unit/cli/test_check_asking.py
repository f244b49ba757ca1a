"""Asking one thing of a server, whatever that server is."""

import asyncio
import threading

import pytest

from bff.cli.checks.asking import NoAnswer, aside, ask
from bff.cli.checks.reach_issuer import check_clock
from bff.config.settings import OidcSettings, Secret, Settings


async def joined(before):
    """Wait for the threads that were left behind since."""
    for thread in threading.enumerate():
        if thread not in before and thread.daemon:
            await asyncio.to_thread(thread.join, 15)


@pytest.fixture
async def dripping():
    """The address of a server whose answer never ends: a byte now and then, so that no single wait is long."""

    ended, answering, before = asyncio.Event(), set(), threading.enumerate()

    async def drip(_reader, writer):
        answering.add(asyncio.current_task())
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not ended.is_set():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ended.set()
    server.close()
    await asyncio.gather(*answering)
    await joined(before)


async def test_answer_that_never_ends_is_none(dripping):
    """Whoever answers could hold the check for ever otherwise (CWE-400)."""
    with pytest.raises(NoAnswer, match="nothing whole within"):
        async with asyncio.timeout(30):
            await ask(dripping, 0.3)


async def test_clock_of_who_never_finishes_is_not_told(dripping):
    """As of one who does not answer."""
    settings = Settings("https://app.example.com", OidcSettings(dripping, "spa", Secret("x"), timeout=0.3))
    async with asyncio.timeout(30):
        assert [] == await check_clock(settings)


async def test_nobody_waits_at_the_end_for_what_was_given_up():
    """The process may end while it still goes on."""
    before, go_on = threading.enumerate(), threading.Event()
    with pytest.raises(TimeoutError):
        await aside(go_on.wait, within=0.05)

    left = [thread for thread in threading.enumerate() if thread not in before]
    assert [True] == [thread.daemon for thread in left]
    go_on.set()
    await joined(before)


async def test_what_it_raises_is_raised_here():
    """And what it returns is returned."""
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0, within=15)

    assert 3 == await aside(lambda: 3, within=15)
