"""The guard that keeps tests off the network."""

import asyncio
import socket

import pytest

from tests.conftest import ROOT, allowed_hosts, is_offline


@pytest.mark.parametrize(
    ("folder", "offline", "hosts"),
    [
        ("unit", True, set()),
        ("property", True, set()),
        ("flow", True, set()),
        ("unit/cli", True, {"127.0.0.1", "localhost", "::1"}),
        ("unit/oidc", True, {"127.0.0.1", "localhost", "::1"}),
        ("contract", False, set()),
        ("integration", False, set()),
        ("security", False, set()),
        ("chaos", False, set()),
        ("browser", False, set()),
    ],
)
def test_only_tests_of_real_parts_have_a_network(folder, offline, hosts):
    """Each folder of tests has the network that it needs, and no more."""
    path = ROOT / folder / "test_something.py"

    assert (offline, hosts) == (is_offline(path), allowed_hosts(path))


async def test_connections_are_refused_here():
    """A unit test that opens a connection or looks up a name fails, whichever way it takes."""
    with pytest.raises(AssertionError, match="must not use the network, and reached for 127"):
        socket.create_connection(("127.0.0.1", 9))
    with pytest.raises(AssertionError, match="must not use the network"), socket.socket() as plain:
        plain.connect(("192.0.2.1", 80))
    with pytest.raises(AssertionError, match="must not use the network"):
        await asyncio.open_connection("192.0.2.1", 80)
    with pytest.raises(AssertionError, match="must not use the network"):
        await asyncio.get_running_loop().getaddrinfo("example.com", 443)


def test_a_new_event_loop_still_works():
    """An event loop wakes itself through a pair of sockets, which is no network."""
    with asyncio.Runner() as runner:
        assert 7 == runner.run(asyncio.sleep(0, 7))
