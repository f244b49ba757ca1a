"""Which of a route's addresses carries the next call. Pure."""

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from bff.proxy.health import AddressHealth, Standing


class Loaded(Protocol):
    """An address, with what is known of it."""

    health: AddressHealth

    @property
    def pending(self) -> int:
        """Calls that it carries now, and those that wait for it."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether another call would have to wait."""
        ...


L = TypeVar("L", bound=Loaded)
_USABLE, _FULL, _DOUBTFUL, _OUT = range(4)  # best first


def choose(
    candidates: Sequence[L], turn: int, now: float, *, by_load: bool, may_fail: bool, tried: Collection[L] = ()
) -> L | None:
    """Return the address for a call, None when all have been tried.

    Args:
        candidates: all of a service's.
        turn: counts up with each call; whose turn it is decides where nothing else does.
        now: seconds, of the clock that their health is kept by.
        by_load: the one with the fewest calls pending, rather than simply the next.
        may_fail: the call can be repeated elsewhere, so that an address on trial may be tried with it.
        tried: those that failed this call already.
    """
    best: L | None = None
    best_rank: tuple[int, float] = (_OUT + 1, 0.0)
    for step in range(len(candidates)):
        candidate = candidates[(turn + step) % len(candidates)]
        if candidate in tried:
            continue
        rank = _rank(candidate, now, by_load=by_load, may_fail=may_fail)
        if rank < best_rank:  # and of equals the first, whose turn it is
            best, best_rank = candidate, rank
    return best


def _rank(candidate: Loaded, now: float, *, by_load: bool, may_fail: bool) -> tuple[int, float]:
    """Small is good: how usable, then how laden. When all are out, the first that is due back is the least bad."""
    pending = candidate.pending
    match candidate.health.standing(now):
        case Standing.GOOD:
            if candidate.is_full:
                return _FULL, pending
            return _USABLE, pending if by_load else 0
        case Standing.ON_TRIAL:
            if may_fail and pending == 0:
                return _USABLE, 0
            return _DOUBTFUL, pending
        case Standing.OUT:
            return _OUT, candidate.health.out_until
