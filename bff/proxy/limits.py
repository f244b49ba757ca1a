"""How much anybody may ask: requests in a time, by session and by address, and requests under way."""

import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address

from bff.errors import ServerBusy, TooManyRequests
from bff.events import Emit
from bff.http.addresses import read_address

_TOLD_EVERY = 10.0  # seconds; whoever is refused once is refused again
_UNKNOWN = "unknown"  # the address of whoever comes through a unix socket

# Counts one request under a key; None when it is within the limit, else how many seconds to wait.
Hit = Callable[[str], Awaitable[float | None]]


class RateLimit:
    """So many requests in so many seconds for each key. The name is what clients see in RateLimit headers."""

    def __init__(
        self,
        name: str,
        amount: int,
        seconds: int,
        hit: Hit,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._policy = f'"{name}";q={amount};w={seconds}'
        self._hit = hit
        self._emit = emit
        self._clock = clock
        self._told_at = -math.inf
        self._refused = 0  # since it was told

    async def check(self, key: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: it is one too many; with the headers of draft-ietf-httpapi-ratelimit-headers-11.
        """
        wait = await self._hit(key)
        if wait is None:
            return
        self._tell(key)
        seconds = max(1, math.ceil(wait))
        error = TooManyRequests(
            "Too many requests came in a short time. Wait as long as Retry-After says, and try again.",
            retry_after=seconds,
        )
        error.quota = f'"{self._name}";r=0;t={seconds}', self._policy
        raise error

    async def check_address(self, address: str) -> None:
        """Count one request of an address; an IPv6 network of one customer (/64) counts as one.

        Raises:
            TooManyRequests: see `check`.
        """
        if address != _UNKNOWN:
            await self.check(_network_of(address))

    def _tell(self, key: str) -> None:
        now = self._clock()
        self._refused += 1
        if now >= self._told_at + _TOLD_EVERY:
            self._emit("limits.reached", {"limit": self._name, "by": key, "refused": self._refused})
            self._told_at, self._refused = now, 0


class Crowd:
    """How many API calls are under way in this worker, in all and of each session."""

    def __init__(self, most: int | None, most_of_a_session: int | None) -> None:
        self._most = most
        self._most_of_a_session = most_of_a_session
        self._all = 0
        self._by_session: dict[str, int] = {}

    @contextmanager
    def place(self, session: str | None) -> Iterator[None]:
        """Hold a place while a call is under way; `session` is a handle, None for nobody's.

        Raises:
            ServerBusy: the worker has no place left.
            TooManyRequests: this session has none.
        """
        if self._most is not None and self._all >= self._most:
            raise ServerBusy
        mine = self._by_session.get(session, 0) if session is not None else 0
        if self._most_of_a_session is not None and mine >= self._most_of_a_session:
            raise TooManyRequests(retry_after=1)
        self._all += 1
        if session is not None:
            self._by_session[session] = mine + 1
        try:
            yield
        finally:
            self._all -= 1
            if session is not None:
                self._leave(session)

    def _leave(self, session: str) -> None:
        if (left := self._by_session[session] - 1) > 0:
            self._by_session[session] = left
        else:
            del self._by_session[session]


@dataclass(frozen=True, slots=True)
class Gate:
    """What an API call has to get past."""

    per_address: RateLimit | None = None
    per_session: RateLimit | None = None
    crowd: Crowd | None = None


OPEN_GATE = Gate()


def _network_of(address: str) -> str:
    found = read_address(address) if ":" in address else None
    if found is None:
        return address
    return f"{IPv6Address(int(found) >> 64 << 64)}/64" if isinstance(found, IPv6Address) else str(found)
