"""The audit log: takes events at once, and writes them from a task of its own, beside the requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from bff.access.auditing.events import AUDITED, AuditEvent, build_event
from bff.access.auditing.sinks import AuditReader, AuditSink, AuditSinkFailed
from bff.config.settings import WhenFull
from bff.errors import AuditNotSearchable, AuditUnavailable
from bff.events import TRACE, Emit, ignore

CAPACITY = 10_000  # events that wait to be written
_BATCH = 500  # events written at once
_TELL_EVERY = 1_000  # lost events: a sink that stays broken must not flood the log as well
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0  # seconds between tries on a sink that fails
_FAREWELL = 5.0  # seconds in which a worker that stops tries to write what is left


class AuditLog:
    """What waits for a sink that fails is kept and tried again; what no longer fits is dropped and counted.

    `emit` tells the operator's log: `audit.failing` when writing fails for the first time, `audit.restored` when it
    works again, `audit.lost` with the number of what is gone. The first line after a loss says so, too.
    """

    def __init__(
        self,
        sink: AuditSink,
        *,
        kind: str,
        clock: Callable[[], float],
        reader: AuditReader | None = None,
        when_full: WhenFull = WhenFull.DROP,
        emit: Emit = ignore,
        capacity: int = CAPACITY,
    ) -> None:
        self.sink = kind  # "stdout", "file" or "store"
        self.reader = reader  # None: what is written cannot be read back
        self.dropped = 0
        self._sink = sink
        self._clock = clock
        self._when_full = when_full
        self._emit = emit
        self._capacity = capacity
        self._waiting: deque[AuditEvent] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._untold = 0  # lost events that no line has told of
        self._closing = False

    # ── for whoever has something to tell, or to ask ────────────────────────────────────────────────────

    def record(self, name: str, fields: Mapping[str, object]) -> None:
        """Take an event if it is one for auditors. Never waits, never fails."""
        if name not in AUDITED:
            return
        if len(self._waiting) >= self._capacity:
            self._lose(1, "full")
            return
        self._waiting.append(build_event(name, fields, self._clock(), TRACE.get()))
        self._wake.set()

    def check_writable(self) -> None:
        """Hold up what must not happen unrecorded.

        Raises:
            AuditUnavailable: nothing can be written, and the configuration says to refuse then.
        """
        if self._when_full is WhenFull.REFUSE and (self._failing or len(self._waiting) * 10 >= self._capacity * 9):
            raise AuditUnavailable

    def searchable(self) -> AuditReader:
        """Return what searches and verifies.

        Raises:
            AuditNotSearchable: the sink cannot be read back.
        """
        if self.reader is None:
            raise AuditNotSearchable
        return self.reader

    # ── life cycle ──────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="audit-log")

    async def close(self, patience: float = _FAREWELL) -> None:
        """Write what is left, for some seconds at most, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=patience)
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task])
            if self._waiting:
                self._lose(len(self._waiting), "stopped")
                self._waiting.clear()
        await self._sink.close()

    async def purge(self, now: float) -> int:
        """Remove what need not be kept any longer; the number of lines. A sink that fails is tried again later."""
        try:
            return await self._sink.purge(now)
        except AuditSinkFailed as error:
            self._emit("audit.purge_failed", {"reason": error.reason})
            return 0

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not (self._closing and not self._waiting):
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            reason = await self._write()
            if reason is None:
                pause = _FIRST_PAUSE
                self._succeed()
            else:
                self._fail(reason)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE)

    async def _write(self) -> str | None:
        """Write what waits, or some of it; say what went wrong."""
        batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        untold = self._untold
        told = [build_event("audit.lost", {"lines": untold}, self._clock())] if untold else []
        try:
            await self._sink.append([*told, *batch])
        except AuditSinkFailed as error:
            return error.reason
        except Exception as error:  # noqa: BLE001 -- a mistake of ours must not end the log for good
            return type(error).__name__
        for _ in batch:
            self._waiting.popleft()
        self._untold -= untold
        return None

    def _fail(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            self._emit("audit.failing", {"reason": reason, "waiting": len(self._waiting)})

    def _succeed(self) -> None:
        if self._failing:
            self._failing = False
            self._emit("audit.restored", {"waiting": len(self._waiting)})

    def _lose(self, count: int, reason: str) -> None:
        before, self.dropped = self.dropped, self.dropped + count
        self._untold += count
        if before == 0 or before // _TELL_EVERY != self.dropped // _TELL_EVERY:
            self._emit("audit.lost", {"lines": self.dropped, "reason": reason})
