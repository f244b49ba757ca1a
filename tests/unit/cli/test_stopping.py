"""The order in which a worker stops."""

import asyncio
import os
import signal

import pytest
import uvloop

from bff.cli.stopping import Stop
from tests.internet import eventually, settle


class Server:
    """Asks the loop for the signal as granian does, and says when it was let go."""

    def __init__(self) -> None:
        self.is_heard = True
        self.told: list[str] = []
        self.closed = asyncio.Event()
        self.gone = asyncio.Event()

    def drain(self) -> None:
        self.told.append("drain")

    async def at_rest(self) -> None:
        await self.closed.wait()
        self.told.append("at rest")

    def stop_listening(self) -> None:
        self.told.append("deaf")

    def stop(self, number: int, _frame: object) -> None:
        self.told.append(signal.Signals(number).name)
        self.gone.set()

    def stand_by(
        self, shutdown_timeout: float, delay: float = 0.0, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        loop = loop or asyncio.get_running_loop()
        stop = Stop(
            drain=self.drain,
            is_heard=lambda: self.is_heard,
            stop_listening=self.stop_listening,
            at_rest=self.at_rest,
            delay=delay,
            shutdown_timeout=shutdown_timeout,
        )
        stop.stand_between(loop)
        loop.add_signal_handler(signal.SIGUSR1, self.stop, signal.SIGUSR1, None)

    async def signalled(self) -> None:
        before = len(self.told)
        os.kill(os.getpid(), signal.SIGUSR1)
        await eventually(lambda: len(self.told) > before)
        await settle()


@pytest.fixture
async def server():
    yield Server()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def test_server_is_let_go_once_the_sockets_are_closed(server):
    """granian waits for no socket, so it hears of the signal last."""
    server.stand_by(20.0)
    await server.signalled()
    assert ["drain", "deaf"] == server.told
    server.closed.set()
    async with asyncio.timeout(30):
        await server.gone.wait()

    assert ["drain", "deaf", "at rest", "SIGUSR1"] == server.told


async def test_socket_that_does_not_close_holds_nothing_up(server):
    """A part of the time that a shutdown has is enough."""
    server.stand_by(0.05)
    await server.signalled()
    async with asyncio.timeout(30):
        await server.gone.wait()

    assert ["drain", "deaf", "SIGUSR1"] == server.told


async def test_worker_is_unready_before_it_is_deaf(server):
    """A load balancer has time to notice, and its connections are taken meanwhile."""
    server.closed.set()
    server.stand_by(20.0, delay=1.0)
    await server.signalled()
    assert ["drain"] == server.told
    async with asyncio.timeout(30):
        await server.gone.wait()

    assert ["drain", "deaf", "at rest", "SIGUSR1"] == server.told


async def test_worker_that_takes_no_connections_yet_goes_at_once(server):
    """Nobody is connected to it, and a server that begins on a socket which hears nothing would never end."""
    server.is_heard = False
    server.stand_by(600.0, delay=600.0)
    await server.signalled()
    async with asyncio.timeout(30):
        await server.gone.wait()

    assert ["drain", "SIGUSR1"] == server.told


async def test_second_signal_is_obeyed_at_once(server):
    """Whoever presses Ctrl-C twice means it."""
    server.stand_by(20.0)
    await server.signalled()
    await server.signalled()

    assert ["drain", "deaf", "SIGUSR1"] == server.told
    server.closed.set()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_signal_that_comes_while_the_loop_does_not_run_is_obeyed_when_it_does(new_loop):
    """granian lets it rest between the application's start and its own; uvloop would have forgotten the signal."""
    server, before = Server(), signal.getsignal(signal.SIGUSR1)
    loop = new_loop()
    try:
        server.closed.set()
        server.stand_by(60.0, loop=loop)
        loop.run_until_complete(asyncio.sleep(0))
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.run_until_complete(asyncio.wait_for(server.gone.wait(), 15))
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.close()
        signal.signal(signal.SIGUSR1, before)

    assert ["drain", "deaf", "at rest", "SIGUSR1"] == server.told
