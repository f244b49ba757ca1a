"""How many connections a worker takes: whoever listens, streams or does nothing holds one."""

import asyncio
from dataclasses import replace

import pytest

from bff.cli.run import most_connections
from bff.config.settings import ServerSettings
from tests.internet import make_settings
from tests.product import Bff
from tests.world import World, eventually

pytestmark = pytest.mark.integration


async def ask(bff: Bff) -> bytes:
    """The first line of the answer to a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bff.port)
    try:
        writer.write(f"GET /bff/user HTTP/1.1\r\nHost: localhost:{bff.port}\r\nConnection: close\r\n\r\n".encode())
        return await reader.readline()
    finally:
        writer.close()


async def test_connections_beyond_the_limit_wait_for_one_to_be_closed(world: World) -> None:
    """Nobody is refused or forgotten: the kernel holds them, and they are answered in their turn."""
    with world.build(world.issuer, port=world.port(), server="max_connections = 3") as bff:

        async def answers() -> bool:
            return b"HTTP/1.1 403 Forbidden\r\n" == await ask(bff)

        await eventually(answers)
        idle = [await asyncio.open_connection("127.0.0.1", bff.port) for _ in range(3)]
        waiting = asyncio.create_task(ask(bff))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert set() == done

        idle.pop()[1].close()
        async with asyncio.timeout(30):
            assert b"HTTP/1.1 403 Forbidden\r\n" == await waiting
        for _, writer in idle:
            writer.close()


@pytest.mark.parametrize(("files", "connections"), [(20_000, 5000), (1024, 512), (1, 1), (-1, 5000)])
def test_half_of_the_files_stay_for_what_calls_need(files: int, connections: int) -> None:
    """Upstreams, the store, the issuer: a worker that could open none would answer nobody."""
    settings = replace(make_settings(), server=ServerSettings(max_connections=5000))

    assert connections == most_connections(settings, files)
