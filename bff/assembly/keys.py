"""A running worker goes on with keys that were put in front, or taken away, without a restart."""

import asyncio
from collections.abc import Awaitable, Callable

from bff.config.findings import ConfigError
from bff.config.key_files import KeyFiles, KeyReading
from bff.crypto.key_ring import KeyRing
from bff.events import Emit

INTERVAL = 5.0  # seconds between two looks at the files
# From when a key was written until it seals. By then every process has seen it: one that has not takes a cookie
# sealed with it for none at all, and its user for signed out.
SEALS_AFTER = 90.0
_ASKED_EVERY = 1.0  # seconds: cookies that nobody has sealed must not keep us reading files


class KeyWatch:
    """Keeps a key ring up with its files. Files that cannot be used change nothing, and are told once."""

    def __init__(self, files: KeyFiles, ring: KeyRing, clock: Callable[[], float], emit: Emit) -> None:
        self._files = files
        self._ring = ring
        self._clock = clock
        self._emit = emit
        self._stamp: object = None
        self._waiting: KeyReading | None = None
        self.error: str | None = None  # why the files cannot be used; those that were read before go on
        self.written_at = 0.0  # epoch seconds: when the newest key file was written; 0 while none is known
        self._asked_at = float("-inf")
        ring.look_again = self._look_again

    async def watch(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Follow the files until cancelled. Only the reading is done beside the event loop."""
        while True:
            self.take(await asyncio.to_thread(self._read))
            await sleep(INTERVAL)

    def take(self, read: KeyReading | ConfigError | None) -> None:
        """Go by what was read from now on."""
        if isinstance(read, ConfigError):
            self.error = read.findings[0].message
            self._emit("keys.unreadable", {"reason": read.findings[0].message})
            return
        if read is not None:
            self.error = None
            self.written_at = read.changed_at
        reading = read or self._waiting
        if reading is None:
            return
        # A key that is alone, or has sealed before, need not be waited for.
        is_due = self._clock() >= reading.changed_at + SEALS_AFTER
        if self._ring.adopt(reading.secrets, seal_with_newest=is_due):
            told = {"keys": len(reading.secrets), "key_ids": self._ring.key_ids, "sealing": self._ring.sealing_id}
            self._emit("keys.adopted", told)
        self._waiting = None if is_due else reading

    def _look_again(self) -> bool:
        now = self._clock()
        if now < self._asked_at + _ASKED_EVERY:
            return False
        self._asked_at = now
        before = self._ring.generation
        read = self._read()
        if read is not None:
            self.take(read)
        return self._ring.generation != before

    def _read(self) -> KeyReading | ConfigError | None:
        """Return what is new; None when nothing is."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return self._files.read()
        except ConfigError as error:
            return error
