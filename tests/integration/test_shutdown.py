"""`bff run` ends in order, whoever is still listening."""

import signal

import pytest

from tests.product import Browser
from tests.world import World

pytestmark = pytest.mark.integration


async def test_open_stream_of_events_holds_no_shutdown_up(world: World):
    """SIGTERM: the stream ends, the worker closes its store, long before `shutdown_timeout` is over."""
    with world.build(world.issuer, api=world.api, port=world.port(), shutdown_timeout="100s") as bff:
        async with Browser(bff) as browser:
            await browser.log_in("alice")
            async with browser.stream("GET", "/bff/events") as events:
                assert 200 == events.status_code
                bff.process.signal(signal.SIGTERM)
                ended = [line async for line in events.aiter_lines() if line.startswith("event:")]
                bff.process.wait_for_exit()

        assert [] == ended
        assert ["sessions.db"] == sorted(path.name for path in bff.folder.glob("sessions.db*"))
