"""Finding a connection of the process by its number, and shutting it down."""

import asyncio
import socket

import pytest

from bff.proxy import hang_up
from bff.proxy.hang_up import Cutter, Numbers, shut_down

pytestmark = pytest.mark.integration
NUMBER = 29_000  # of no connection of the product


@pytest.fixture
def pair():
    """Two ends of a TCP connection; the first bears the number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        mine = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, NUMBER)
    theirs.settimeout(5)
    with mine, theirs:
        yield mine, theirs


def test_numbered_connection_is_shut_down_and_no_other(pair):
    """The peer sees its end; neither other sockets nor other files are touched."""
    mine, theirs = pair
    one, other = socket.socketpair()
    with one, other:
        assert {NUMBER: mine.fileno()}.items() <= shut_down({NUMBER + 1}).items()
        assert NUMBER not in shut_down({NUMBER, NUMBER + 1})
        assert b"" == theirs.recv(1)
        assert mine.fileno() != -1  # whoever owns it closes it
        one.send(b"x")
        assert b"x" == other.recv(1)


def test_connection_that_has_become_another_is_left_alone(pair):
    """A descriptor may be somebody else's by the time it is looked at again."""
    mine, _ = pair

    assert not hang_up._shut_down(mine.fileno(), NUMBER + 1)
    assert not hang_up._shut_down(10**6, NUMBER)
    assert hang_up._shut_down(mine.fileno(), NUMBER)


async def test_cutter_goes_on_looking_for_a_while(pair, monkeypatch):
    """A call that was about to connect when it was broken off is found soon after it has connected."""
    monkeypatch.setattr(hang_up, "_AGAIN", 0.01)
    monkeypatch.setattr(hang_up, "numbers", taken := Numbers(NUMBER, 1))
    mine, theirs = pair
    mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)
    assert NUMBER == taken.take()
    Cutter().cut(NUMBER)
    await asyncio.sleep(0)
    mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, NUMBER)

    theirs.setblocking(False)
    assert b"" == await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 1), 5)
    async with asyncio.timeout(5):
        while taken.take() is None:  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.005)


async def test_one_look_serves_all_that_leave_in_the_same_moment(monkeypatch):
    """Hundreds of browsers may go at once."""
    looks = []
    monkeypatch.setattr(hang_up, "shut_down", lambda wanted: looks.append(set(wanted)) or {})
    cutter = Cutter()
    for number in range(5):
        cutter.cut(number)
    await asyncio.sleep(0.01)

    assert [{0, 1, 2, 3, 4}] == looks


async def test_connection_that_was_seen_is_not_looked_for(pair, monkeypatch):
    """A look finds the others' places as well, for later; a place that has changed hands is not touched."""
    mine, theirs = pair
    cutter = Cutter()
    cutter.cut(NUMBER + 1)
    await asyncio.sleep(0.01)
    looks = []
    monkeypatch.setattr(hang_up, "shut_down", lambda wanted: looks.append(set(wanted)) or {})
    cutter._known[NUMBER + 2] = mine.fileno()

    cutter.cut(NUMBER + 2)
    cutter.cut(NUMBER)

    theirs.setblocking(False)
    assert b"" == await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 1), 5)
    async with asyncio.timeout(5):
        while not looks:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert {NUMBER + 2} == looks[0]


def test_numbers_are_each_given_once():
    """Until they are given back."""
    numbers = Numbers(10, 3)

    assert [10, 11, 12, None] == [numbers.take() for _ in range(4)]
    numbers.give_back(11)
    assert [11, None] == [numbers.take(), numbers.take()]
