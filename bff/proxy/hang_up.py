"""Breaking off a call that the upstream has not begun to answer.

The client library cannot do that: who stops waiting for it leaves the call behind, which then runs on to its answer
or its timeout. Yet the upstream should hear at once that nobody wants the answer any more. So every connection is
given a number that the kernel keeps for us, in the one socket option that takes any value and does good besides:
TCP_USER_TIMEOUT, the milliseconds after which a peer that acknowledges nothing is given up (RFC 5482). By that
number a connection is found again among the process's own sockets, and shut down.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator

IS_POSSIBLE = sys.platform == "linux"
_UNACKNOWLEDGED = 30_000  # milliseconds; the numbers count up from here
_NUMBERS = 60_000
_AGAIN = (0.05, 0.5, 2.0)  # seconds: it may be about to connect, or to try anew, when it is broken off


class Numbers:
    """Gives each connection of the process a number of its own, while they are not all taken."""

    def __init__(self, first: int = _UNACKNOWLEDGED, count: int = _NUMBERS) -> None:
        self._first, self._count = first, count
        self._taken: set[int] = set()
        self._next = 0

    def take(self) -> int | None:
        """Return a free number, None when there is none."""
        if len(self._taken) >= self._count:
            return None
        while (number := self._first + self._next) in self._taken:
            self._next = (self._next + 1) % self._count
        self._next = (self._next + 1) % self._count
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        """It names no connection any more."""
        self._taken.discard(number)


numbers = Numbers()  # of the process, like the sockets that they name


class Cutter:
    """Shuts connections down by their numbers, all of one moment in one pass over the process's sockets."""

    def __init__(self) -> None:
        self._wanted: set[int] = set()
        self._again: dict[int, int] = {}  # passes that each number has been through

    def cut(self, number: int) -> None:
        """Break off whatever goes over the connection of this number; the number is given back in the end."""
        if not self._wanted:
            asyncio.get_running_loop().call_soon(self._pass)
        self._wanted.add(number)

    def _pass(self) -> None:
        wanted, self._wanted = self._wanted, set()
        shut_down(wanted)
        for number in wanted:
            passes = self._again.get(number, 0)
            if passes == len(_AGAIN):
                self._again.pop(number, None)
                numbers.give_back(number)
            else:
                self._again[number] = passes + 1
                asyncio.get_running_loop().call_later(_AGAIN[passes], self.cut, number)


def shut_down(wanted: set[int]) -> int:
    """Shut down this process's connections that bear these numbers; return how many there were."""
    return sum(_shut_down(descriptor, number) for descriptor, number in _numbered() if number in wanted)


def _numbered() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- names are all that is needed
        descriptor = int(name)
        number = _number_of(descriptor)
        if number is not None:
            yield descriptor, number


def _number_of(descriptor: int) -> int | None:
    """Return the number of a TCP connection, None for every other file."""
    try:
        looked_at = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None
    try:
        return looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    except OSError:
        return None
    finally:
        looked_at.detach()  # it belongs to somebody else


def _shut_down(descriptor: int, number: int) -> bool:
    """Shut it down if it is still what it was: another thread may have closed it, and opened something else."""
    try:
        own = os.dup(descriptor)
    except OSError:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=own) as held:  # the same file from here on
        try:
            if held.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) != number:
                return False
            held.shutdown(socket.SHUT_RDWR)
        except OSError:
            return False
    return True
