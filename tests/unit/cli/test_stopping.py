"""The order in which a worker stops."""

import asyncio
import os
import signal

import pytest

from bff.cli.stopping import Stop


class Server:
    """Asks the loop for the signal as granian does, and says when it was let go."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.closed = asyncio.Event()
        self.gone = asyncio.Event()

    def drain(self) -> None:
        self.told.append("drain")

    async def sockets_closed(self) -> None:
        await self.closed.wait()
        self.told.append("sockets closed")

    def stop(self, number: int, _frame: object) -> None:
        self.told.append(signal.Signals(number).name)
        self.gone.set()

    def stand_by(self, shutdown_timeout: float) -> None:
        loop = asyncio.get_running_loop()
        Stop(self.drain, self.sockets_closed, shutdown_timeout).stand_between(loop)
        loop.add_signal_handler(signal.SIGUSR1, self.stop, signal.SIGUSR1, None)

    async def signalled(self) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.01)


@pytest.fixture
async def server():
    yield Server()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def test_server_is_let_go_once_the_sockets_are_closed(server):
    """granian waits for no socket, so it hears of the signal last."""
    server.stand_by(20.0)
    await server.signalled()
    assert ["drain"] == server.told
    server.closed.set()
    async with asyncio.timeout(5):
        await server.gone.wait()

    assert ["drain", "sockets closed", "SIGUSR1"] == server.told


async def test_socket_that_does_not_close_holds_nothing_up(server):
    """A part of the time that a shutdown has is enough."""
    server.stand_by(0.05)
    await server.signalled()
    async with asyncio.timeout(5):
        await server.gone.wait()

    assert ["drain", "SIGUSR1"] == server.told


async def test_second_signal_is_obeyed_at_once(server):
    """Whoever presses Ctrl-C twice means it."""
    server.stand_by(20.0)
    await server.signalled()
    await server.signalled()

    assert ["drain", "SIGUSR1"] == server.told
    server.closed.set()
    await asyncio.sleep(0.01)
