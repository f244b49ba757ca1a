"""Where the workers of one server leave their numbers for each other: one file a slot, in a folder of their run.

A worker holds the lock on its slot as long as it lives, however it dies. The next one to start takes the slot over
and counts on from there, so that no counter falls when a worker is replaced, and the files stay as few as the
workers.
"""

import fcntl
import os
from pathlib import Path

import msgspec

from bff.observe.metrics import Snapshot

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Snapshot)


class Slot:
    """This worker's place among the others. Raises `OSError` where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.number, self._lock = _take(folder)
        before = self._read(self.number)
        self.inherited = Snapshot(before.counters, before.histograms)

    def write(self, snapshot: Snapshot) -> None:
        """Leave this worker's numbers, in one step: nobody ever reads half of them."""
        target = self._folder / f"{self.number}.numbers"
        fresh = target.with_suffix(".new")
        fresh.write_bytes(_ENCODER.encode(snapshot))
        fresh.replace(target)
        os.utime(self._lock)  # whatever clears old files away must not take the lock for one

    def others(self) -> list[Snapshot]:
        """Return what the other workers have left. Of those that are dead, only what adds up over time."""
        found = []
        for file in self._folder.glob("*.numbers"):
            number = int(file.stem)
            if number != self.number:
                os.utime(file)  # likewise: a dead worker's numbers count as long as the server runs
                left = self._read(number)
                found.append(left if self._is_taken(number) else Snapshot(left.counters, left.histograms))
        return found

    def close(self) -> None:
        """Let the slot go."""
        os.close(self._lock)

    def _read(self, number: int) -> Snapshot:
        try:
            return _DECODER.decode((self._folder / f"{number}.numbers").read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):  # none yet, or another version's
            return Snapshot()

    def _is_taken(self, number: int) -> bool:
        lock = _lock(self._folder, number)
        if lock is None:
            return True
        os.close(lock)
        return False


def _take(folder: Path) -> tuple[int, int]:
    number = 0
    while (lock := _lock(folder, number)) is None:
        number += 1
    return number, lock


def _lock(folder: Path, number: int) -> int | None:
    """Return the open lock of a slot, None while somebody else holds it."""
    lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock
