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

IS_POSSIBLE = sys.platform == "linux"  # elsewhere calls are left to their end
_UNACKNOWLEDGED = 30_000  # milliseconds; the numbers count up from here
_NUMBERS = 60_000
_AGAIN = 0.5  # seconds after which it is looked for again: it may have been about to connect, or to try anew
_TIMES = 3
_REST = 10  # looks take a tenth of the time at most, however many connections there are


class Numbers:
    """Gives each connection of the process a number of its own, while they are not all taken."""

    def __init__(self, first: int = _UNACKNOWLEDGED, count: int = _NUMBERS) -> None:
        self._first, self._count = first, count
        self._taken: set[int] = set()
        self._next = 0

    def take(self) -> int | None:
        """Return a free number, None when there is none, or no use for one."""
        if len(self._taken) >= self._count or not IS_POSSIBLE:
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
    """Shuts connections down by their numbers, with few passes over the process's sockets."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}  # descriptors by number, as of the last look
        self._wanted: set[int] = set()
        self._late: dict[int, int] = {}  # those that are looked for again, and how often still
        self._rested_at = 0.0  # by the loop's clock
        self._is_ticking = False

    def cut(self, number: int) -> None:
        """Break off whatever goes over the connection of this number; the number is given back in the end."""
        loop = asyncio.get_running_loop()
        self._late[number] = _TIMES
        if not self._is_ticking:
            self._is_ticking = True
            loop.call_later(_AGAIN, self._tick)
        known = self._known.pop(number, None)
        if known is not None and _shut_down(known, number):
            return
        if not self._wanted:
            loop.call_at(max(self._rested_at, loop.time()), self._look)
        self._wanted.add(number)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        wanted, self._wanted = self._wanted, set()
        self._known = shut_down(wanted)
        self._rested_at = loop.time() + (loop.time() - began) * _REST

    def _tick(self) -> None:
        self._is_ticking = bool(self._late)
        if not self._late:
            return
        if not self._wanted:
            self._look_again()
        asyncio.get_running_loop().call_later(_AGAIN, self._tick)

    def _look_again(self) -> None:
        self._wanted.update(self._late)
        self._look()
        for number, times in tuple(self._late.items()):
            if times > 1:
                self._late[number] = times - 1
            else:
                del self._late[number]
                numbers.give_back(number)


def shut_down(wanted: set[int]) -> dict[int, int]:
    """Shut down this process's connections that bear these numbers; return the descriptors of the others."""
    others = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- names are all that is needed
        descriptor = int(name)
        number = _number_of(descriptor)
        if number in wanted:
            _shut_down(descriptor, number)
        elif number:
            others[number] = descriptor
    return others


def _number_of(descriptor: int) -> int:
    """Return the number of a TCP connection, 0 for one that has none and for every other file."""
    try:
        looked_at = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return 0
    try:
        return looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    except OSError:
        return 0
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
