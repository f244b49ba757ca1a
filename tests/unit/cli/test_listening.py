"""Looking through the sockets of this process."""

import os
import select
import socket
from pathlib import Path

import pytest

from bff.cli import listening
from bff.cli.listening import PublicSockets

OWN = Path("/proc/self/fd")


def test_looking_takes_no_descriptors():
    """A worker that drains looks many times a second, and has pipes and files beside its sockets."""
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        sockets = PublicSockets(f"127.0.0.1:{server.getsockname()[1]}")
        sockets.is_connected()
        before = len(list(OWN.iterdir()))
        for _ in range(5):
            sockets.is_connected()

        assert before == len(list(OWN.iterdir()))
    os.close(reading)
    os.close(writing)


def test_what_is_no_socket_any_more_is_given_back():
    """A number may be another file's by the time it is looked at."""
    reading, writing = os.pipe()
    before = len(list(OWN.iterdir()))
    with pytest.raises(OSError, match="socket"):
        listening._borrow(reading)

    assert before == len(list(OWN.iterdir()))
    os.close(reading)
    os.close(writing)


def test_server_is_heard_once_something_waits_for_its_connections():
    """The socket listens long before; only what waits for it will notice that it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as waiting:
        sockets = PublicSockets(f"127.0.0.1:{server.getsockname()[1]}")
        assert not sockets.is_heard()

        waiting.register(server.fileno())

        assert sockets.is_heard()
