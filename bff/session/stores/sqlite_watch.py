"""Hears what other processes changed in the file."""

import asyncio

from bff.errors import SessionStoreUnavailable
from bff.session.stores.feed import Feed
from bff.session.stores.sqlite_link import SqliteLink

# Seconds between looks at the file. A look takes 60 µs of a busy process, and of an idle one, which must wake up
# for it, 350 µs: half a percent of a core. A change is then known everywhere within 0.1 s.
POLL = 0.075
POLL_WHILE_AWAITED = 0.02  # while someone waits for another worker's renewal
RETRY = 0.25  # seconds until the next try when the file cannot be read
PAGE = 1000  # changes read at once


class SqliteWatch:
    """Polls `PRAGMA data_version`, which moves with every commit of another connection, and reads the change log.

    The store's own writes come through another connection too, so that their order is everyone's; `wake` spares
    them the wait.
    """

    def __init__(self, link: SqliteLink, feed: Feed) -> None:
        self._link = link
        self._feed = feed
        self._woken = asyncio.Event()
        self._awaited_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="bff session store watch")

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    def hurry(self, seconds: float) -> None:
        """Look more often for a while."""
        self._awaited_until = asyncio.get_running_loop().time() + seconds
        self._woken.set()

    async def stop(self) -> None:
        """End the watch."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        await self._link.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except SessionStoreUnavailable:
                self._feed.interrupt()
                await asyncio.sleep(RETRY)
            else:
                self._feed.interrupt()

    async def _follow(self) -> None:
        """Publish every change from now on. Returns when the file is another one."""
        ((seq,),) = await self._link.run("SELECT coalesce(max(seq), 0) FROM changes")
        generation = self._link.generation
        seen_version = None
        self._feed.restore()
        while True:
            ((data_version,),) = await self._link.run("PRAGMA data_version")
            if data_version != seen_version:
                seq = await self._publish_after(seq)
                seen_version = data_version
            if self._link.generation != generation:
                return
            await self._pause()

    async def _publish_after(self, seq: int) -> int:
        """Read the log after `seq` to its end; the last number read."""
        while True:
            rows = await self._link.run(
                "SELECT seq, kind, key, version FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", (seq, PAGE)
            )
            if rows and rows[0][0] != seq + 1:
                self._feed.skip()
            for number, kind, key, version in rows:
                self._feed.publish_raw(kind, key, version)
                seq = number
            if len(rows) < PAGE:
                return seq

    async def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        is_awaited = loop.time() < self._awaited_until
        alarm = loop.call_later(POLL_WHILE_AWAITED if is_awaited else POLL, self._woken.set)
        await self._woken.wait()
        alarm.cancel()
        self._woken.clear()
