"""A route's addresses at work: each with its pool and its health, and which one carries the next call."""

from collections.abc import Callable, Collection, Sequence
from urllib.parse import urlsplit

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.events import Emit
from bff.proxy.balance import choose
from bff.proxy.health import AddressHealth, Standing
from bff.proxy.lines import Pool
from bff.proxy.routes import Route
from bff.proxy.service import Address


class Backend:
    """One address of one route."""

    __slots__ = ("address", "health", "origin", "pool", "url")

    def __init__(self, address: Address, url: str, pool: Pool, health: AddressHealth) -> None:
        self.address = address
        self.url = url
        self.origin = url.removesuffix(urlsplit(url).path)
        self.pool = pool
        self.health = health

    @property
    def pending(self) -> int:
        """See `bff.proxy.balance.Loaded`."""
        return self.pool.pending

    @property
    def is_full(self) -> bool:
        """See `bff.proxy.balance.Loaded`."""
        return self.pool.is_full


class Backends:
    """All addresses of one route."""

    def __init__(self, route: Route, each: Sequence[Backend], clock: Callable[[], float], emit: Emit) -> None:
        self.each = each
        self.only = each[0] if len(each) == 1 else None  # then there is nothing to choose, nor to eject
        self._route = route.path
        self._by_load = route.service.balance == "least_pending"
        self._clock = clock
        self._emit = emit
        self._turn = 0

    def choose(self, *, may_fail: bool, tried: Collection[Backend] = ()) -> Backend | None:
        """Return the address for a call; None when all have been tried."""
        self._turn += 1
        return choose(self.each, self._turn, self._clock(), by_load=self._by_load, may_fail=may_fail, tried=tried)

    def failed(self, backend: Backend, error: UpstreamUnreachable | UpstreamTimeout) -> None:
        """A call did not get an answer out of it."""
        pause = backend.health.fail(self._clock()) if self.only is None else None
        if pause is not None:
            self._emit(
                "upstream.ejected",
                {
                    "route": self._route,
                    "upstream": backend.address.name,
                    "cause": error.code,
                    "failures": backend.health.failures,
                    "seconds": pause,
                },
            )

    def answered(self, backend: Backend) -> None:
        """A call got one, whatever it says."""
        if self.only is not None:
            return
        now = self._clock()
        if backend.health.standing(now) is Standing.OUT:
            self._end_pauses(now)
        if backend.health.succeed(now):
            self._emit("upstream.restored", {"route": self._route, "upstream": backend.address.name})

    def _end_pauses(self, now: float) -> None:
        """Let all be tried when all were out and one answers: the network was away, or calls of one kind failed.

        Otherwise that one would carry the load of all until their time is over.
        """
        if all(each.health.standing(now) is Standing.OUT for each in self.each):
            for each in self.each:
                each.health.end_pause(now)
