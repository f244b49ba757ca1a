"""The log on a stream that cannot be read back: standard output, a pipe, a device. One chain for each process."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bff.access.auditing.chain import Chain, new_chain
from bff.access.auditing.events import AuditEvent, build_event
from bff.access.auditing.sinks import AuditSinkFailed


class StreamSink:
    """Implements `AuditSink`. Where the chain ends is known to this process alone, and nobody afterwards."""

    def __init__(self, chain: Chain, path: Path | None = None) -> None:
        """`path`: of the device or the pipe; None for standard output."""
        self._chain = chain
        self._path = path
        self._head = new_chain()

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """See `AuditSink`."""
        opened = [build_event("audit.opened", {"reason": "new"}, events[0].time)] if self._head.seq == 0 else []
        lines, _, head = self._chain.extend(self._head, [*opened, *events])
        try:
            await asyncio.to_thread(self._write, lines)
        except (OSError, ValueError) as error:  # the latter is what a closed output says
            # Some lines may be out, and all of them will come again: not twice in one chain.
            self._head = new_chain()
            raise AuditSinkFailed(type(error).__name__) from error
        self._head = head

    async def purge(self, now: float) -> int:  # noqa: ARG002 - what was printed is not ours any more
        """Remove nothing."""
        return 0

    async def close(self) -> None:
        """Whoever opened the stream closes it."""

    def _write(self, lines: Sequence[bytes]) -> None:
        # One write a line: what other processes write to the same pipe may come between writes, not within one.
        if self._path is not None:
            with self._path.open("ab", buffering=0) as file:
                for line in lines:
                    file.write(line + b"\n")
            return
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
