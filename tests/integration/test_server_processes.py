"""The processes that tests start are real, can be disturbed, and do not outlive the tests."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions

from tests.processes import ROOT, ServerFailed, ServerProcess
from tests.servers import start_valkey

pytestmark = pytest.mark.integration

# A server with a child that does not listen to SIGTERM; both hold the pipe named by their first argument open.
STUBBORN = 'exec 4>"$1"; (trap "" TERM; sleep 600) & echo up; wait'

STARTS_AND_DIES = """
import os, signal, sys
from tests.processes import ServerProcess
server = ServerProcess(["/bin/sh", "-c", sys.argv[1], "server", sys.argv[2]])
server.wait_for_line()
os.kill(os.getpid(), signal.SIGKILL)
"""


class LifeLine:
    """A named pipe that ends when the last process that holds it has died."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def is_cut(self, timeout: float) -> bool:
        """Whether nobody holds the other end any more, after `timeout` seconds at most."""
        ends = select.poll()
        ends.register(self.end, select.POLLIN)
        return bool(ends.poll(timeout * 1000)) and os.read(self.end, 1) == b""


@pytest.fixture
def life_line(tmp_path: Path) -> Iterator[LifeLine]:
    line = LifeLine(tmp_path / "line")
    yield line
    os.close(line.end)


def test_server_dies_with_a_killed_starter(life_line):
    """Even SIGKILL for the test run leaves no server, nor a child of one, behind."""
    command = [sys.executable, "-c", STARTS_AND_DIES, STUBBORN, life_line.path]
    starter = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)

    assert -signal.SIGKILL == starter.returncode
    assert life_line.is_cut(timeout=30)


def test_stopped_server_leaves_none_of_its_group(life_line):
    """A child that ignores SIGTERM is gone too, and not before."""
    server = ServerProcess(["/bin/sh", "-c", STUBBORN, "server", life_line.path])
    server.wait_for_line()
    was_cut = life_line.is_cut(timeout=0)
    server.stop()

    assert (False, True) == (was_cut, life_line.is_cut(timeout=30))


def test_server_that_ends_instead_of_starting_is_reported_with_its_output():
    """The message holds what it said and its exit status."""
    server = ServerProcess(["/bin/sh", "-c", "echo no disk >&2; exit 3"])

    with pytest.raises(ServerFailed, match=r"ended with 3: no disk"):
        server.wait_for_line()


async def test_paused_valkey_does_not_answer_until_it_resumes():
    """Connections stay open: the client's time-out ends the wait, not a refused connection."""
    async with start_valkey() as valkey, redis.asyncio.Redis.from_url(valkey.url, socket_timeout=2) as client:
        await client.set("k", "before")
        valkey.pause()
        with pytest.raises(redis.exceptions.TimeoutError):
            await client.execute_command("GET", "k")
        valkey.resume()
        assert b"before" == await client.get("k")


@pytest.mark.parametrize(("durable", "left"), [(True, b"v"), (False, None)])
async def test_killed_valkey_keeps_what_it_promised(durable, left):
    """After a power cut a durable one has every write, the other is empty; both at the same address."""
    async with start_valkey(durable=durable) as valkey:
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            await client.set("k", "v")
        address = valkey.url
        valkey.kill()
        valkey.restart()
        async with redis.asyncio.Redis.from_url(address) as client:
            assert left == await client.get("k")
