"""The audit log: who did what, one JSON line an event, written beside the requests and never in their way."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from bff.events import Emit, ignore

# What an auditor asks about. Everything else is for operators' logs.
AUDITED = frozenset(
    {
        "login.done",
        "login.failed",
        "logout.done",
        "logout.backchannel",
        "renewal.refused",
        "access.denied",
        "tokens.revoked",
        "tokens.revocation_failed",
        "token_rule_violated",
        "roles_cut",
        "assignments.read",
        "assignments.unreadable",
    }
)
_QUEUE = 10_000  # lines
_TELL_EVERY = 1_000  # lost lines: a sink that stays broken must not flood the log as well
_ENCODER = msgspec.json.Encoder()


def open_sink(sink: str) -> Path | None:
    """Return the file of `file:PATH`, None for `stdout`.

    Raises:
        ValueError: for anything else.
    """
    if sink == "stdout":
        return None
    if sink.startswith("file:") and len(sink) > len("file:"):
        return Path(sink.removeprefix("file:"))
    raise ValueError(f"an audit sink is stdout or file:PATH, not {sink!r}")


class AuditLog:
    """Takes events at once, writes them from a task of its own.

    What it cannot write is dropped and counted; `emit` tells the operator's log so (`audit.lost`).
    """

    def __init__(self, path: Path | None, clock: Callable[[], float], emit: Emit = ignore) -> None:
        self._path = path
        self._clock = clock
        self._emit = emit
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def record(self, name: str, fields: Mapping[str, object]) -> None:
        """Take an event if it is one for auditors."""
        if name not in AUDITED:
            return
        line = _ENCODER.encode({"time": self._clock(), "event": name, **fields}) + b"\n"
        try:
            self._queue.put_nowait(line)
        except asyncio.QueueFull:
            self._lose(1, "queue_full")

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="audit-log")

    async def close(self) -> None:
        """Write what is left, then stop."""
        if self._task is not None:
            await self._queue.join()
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            lines = [await self._queue.get()]
            while not self._queue.empty():
                lines.append(self._queue.get_nowait())
            try:
                await asyncio.to_thread(self._write, b"".join(lines))
            except (OSError, ValueError) as error:  # the latter is what a closed stdout says
                self._lose(len(lines), type(error).__name__)
            for _ in lines:
                self._queue.task_done()

    def _lose(self, lines: int, reason: str) -> None:
        before, self.dropped = self.dropped, self.dropped + lines
        if before == 0 or before // _TELL_EVERY != self.dropped // _TELL_EVERY:
            self._emit("audit.lost", {"lines": self.dropped, "reason": reason})

    def _write(self, lines: bytes) -> None:
        if self._path is None:
            _write_all(sys.stdout.buffer, lines)
            return
        with open(self._path, "ab", buffering=0, opener=_private) as file:
            file.write(lines)  # one write: lines of several workers never mix


def _write_all(stream: IO[bytes], lines: bytes) -> None:
    stream.write(lines)
    stream.flush()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
