"""What the overview is made of: counted by every worker as it happens, and put into the store's tally behind it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bff.access.overview import (
    LEVEL,
    WINDOWS,
    Picture,
    build_picture,
    call_name,
    denial_name,
    folded,
    lifetime_name,
    starts_of,
)
from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.session.tally import KEPT_FOR, Slot, Tally, start_of

FLUSH_EVERY = 2.0  # seconds; what other workers counted since their last one is missing from the picture
LEVEL_EVERY = 30.0  # seconds between two looks at how many sessions live
MAX_NAMES = 2000  # in one worker; further ones share one counter

_COUNTED: Mapping[str, str] = {
    "login.done": "logins",
    "login.failed": "login_failures",
    "logout.done": "logouts",
    "logout.backchannel": "logouts",
    "renewal.done": "renewals",
    "renewal.refused": "renewal_failures",
    "renewal.postponed": "renewal_failures",
    "access.denied": "denials",
    "session.revoked": "revocations",
}


class Statistics:
    """Counts in memory, and writes from a task of its own. Nothing here makes a request wait or fail.

    Attributes:
        calls: requests by route since the worker began; whoever serves them adds to it.
    """

    def __init__(
        self,
        *,
        tally: Tally,
        count_sessions: Callable[[float], Awaitable[int]],
        rule: float,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        """`rule` is the longest lifetime (seconds) that an access token may have."""
        self._tally = tally
        self._count_sessions = count_sessions
        self._rule = rule
        self._clock = clock
        self._emit = emit
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._told: dict[str, int] = {}  # how many of `calls` have been counted
        self._counts: dict[str, int] = {}
        self._names: set[str] = set()
        self._waiting: dict[Slot, int] = {}  # what the store has not taken yet
        self._flushing = asyncio.Lock()
        self._level_at = float("-inf")
        self._is_away = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="statistics")

    async def close(self) -> None:
        """Write what is left, then stop."""
        self._stopping.set()  # not cancelled: what has been sent must not be sent again
        if self._task is not None:
            await asyncio.wait([self._task])

    def record(self, name: str, fields: Mapping[str, object]) -> None:
        """Count an event."""
        series = _COUNTED.get(name)
        if series is None:
            return
        self._count(series)
        if name == "access.denied":
            self._count(denial_name(fields))
        lifetime = fields.get("access_token_lifetime")
        if isinstance(lifetime, int | float):
            self._count(lifetime_name(lifetime, self._rule))

    async def flush(self) -> None:
        """Write what has been counted. What the store does not take waits for the next time, as long as it counts.

        Raises:
            SessionStoreUnavailable: it has not been taken.
        """
        async with self._flushing:
            now = self._clock()
            self._file(now)
            batch, self._waiting = self._waiting, {}
            if not batch:
                return
            try:
                await self._tally.add(batch, now)
            except BaseException:
                for slot, count in batch.items():
                    self._waiting[slot] = self._waiting.get(slot, 0) + count
                raise

    async def picture(self, window: int) -> Picture:
        """Return what happened in the last `window` seconds, which is one of `WINDOWS`.

        Raises:
            SessionStoreUnavailable: the numbers cannot be had now.
        """
        await self.flush()
        now = self._clock()
        live = await self._count_sessions(now)
        await self._note(live)
        numbers = await self._tally.read(WINDOWS[window], starts_of(window, now)[0], now)
        return build_picture(numbers, window=window, now=now, live=live, rule=self._rule)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY):
                    await self._stopping.wait()
            await self._write()

    async def _write(self) -> None:
        try:
            await self.flush()
            if self._clock() >= self._level_at + LEVEL_EVERY:
                await self._note(await self._count_sessions(self._clock()))
                await self._tally.purge(self._clock())
            self._is_away = False
        except SessionStoreUnavailable as error:
            if not self._is_away:  # told once, not every few seconds
                self._emit("statistics.waiting", {"detail": error.detail})
            self._is_away = True
        except Exception as error:  # noqa: BLE001 -- a mistake of ours: the numbers stand still, and nothing else does
            self._emit("background.crashed", {"task": "statistics", "error": type(error).__name__})

    def _count(self, name: str, times: int = 1) -> None:
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                name = folded(name)
            self._names.add(name)
        self._counts[name] = self._counts.get(name, 0) + times

    def _file(self, now: float) -> None:
        """Put what has been counted into its slots, and drop what nobody would show any more."""
        for route, calls in self.calls.items():
            if new := calls - self._told.get(route, 0):
                self._told[route] = calls
                self._count("calls", new)
                self._count(call_name(route), new)
        counts, self._counts = self._counts, {}
        for name, count in counts.items():
            for width in KEPT_FOR:
                slot = Slot(width, start_of(width, now), name)
                self._waiting[slot] = self._waiting.get(slot, 0) + count
        self._waiting = {slot: count for slot, count in self._waiting.items() if now < slot.kept_until()}

    async def _note(self, live: int) -> None:
        now = self._clock()
        await self._tally.note({Slot(width, start_of(width, now), LEVEL): live for width in KEPT_FOR}, now)
        self._level_at = now
