"""How often what happened, by stretches of time: kept beside the sessions, in the same store, by all workers.

Nothing here is about anybody: names of events and routes, numbers, and times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

# Width of a stretch → how long it is kept, both in seconds. Whoever asks for a week gets fewer, longer ones.
KEPT_FOR: Mapping[int, int] = {60: 2 * 3600, 900: 2 * 86_400, 7200: 8 * 86_400}


@dataclass(frozen=True, slots=True)
class Slot:
    """One number's place.

    Attributes:
        width: seconds, one of `KEPT_FOR`.
        start: epoch seconds, a multiple of `width`.
        name: of what is counted; any text without NUL.
    """

    width: int
    start: int
    name: str

    def kept_until(self) -> int:
        """Return from when on the slot is as if it had never been."""
        return self.start + KEPT_FOR[self.width]


def start_of(width: int, now: float) -> int:
    """Return when the stretch of this width began that `now` lies in."""
    return int(now // width) * width


class Tally(Protocol):
    """Numbers in slots; times are epoch seconds. Raises `SessionStoreUnavailable`, and nothing else."""

    async def add(self, counts: Mapping[Slot, int], now: float) -> None:
        """Add to what is there, whoever put it there. After a fault some of it may have been added."""
        ...

    async def note(self, levels: Mapping[Slot, int], now: float) -> None:
        """Put in the place of what is there."""
        ...

    async def read(self, width: int, since: float, now: float) -> dict[Slot, int]:
        """Return all slots of this width that begin from `since` to `now` and are still kept."""
        ...

    async def purge(self, now: float) -> None:
        """Remove what is no longer kept."""
        ...


@runtime_checkable
class KeepsTally(Protocol):
    """A session store that keeps a tally as well."""

    @property
    def tally(self) -> Tally:
        """Where it is. Opened, purged and closed with the store."""
        ...
