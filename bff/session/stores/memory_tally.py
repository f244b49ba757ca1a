"""The tally of one process."""

from collections.abc import Mapping

from bff.session.tally import Slot


class MemoryTally:
    """Implements `Tally`."""

    def __init__(self) -> None:
        self._slots: dict[Slot, int] = {}

    async def add(self, counts: Mapping[Slot, int], now: float) -> None:
        """Add to what is there."""
        for slot, count in counts.items():
            if now < slot.kept_until():
                self._slots[slot] = self._slots.get(slot, 0) + count

    async def note(self, levels: Mapping[Slot, int], now: float) -> None:
        """Put in the place of what is there."""
        self._slots.update((slot, level) for slot, level in levels.items() if now < slot.kept_until())

    async def read(self, width: int, since: float, now: float) -> dict[Slot, int]:
        """Return what is there."""
        return {
            slot: number
            for slot, number in self._slots.items()
            if slot.width == width and since <= slot.start <= now < slot.kept_until()
        }

    async def purge(self, now: float) -> None:
        """Remove what is no longer kept."""
        self._slots = {slot: number for slot, number in self._slots.items() if now < slot.kept_until()}
