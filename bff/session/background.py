"""Work that outlives the request that began it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from bff.errors import BffError
from bff.events import Emit


class Background:
    """Holds tasks until they are done, reports what goes wrong in them, and waits for them at shutdown."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Begin; the task is cancelled by nobody but `close`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self, seconds: float) -> None:
        """Wait up to `seconds` for what is under way, then cancel the rest."""
        deadline = asyncio.get_running_loop().time() + seconds
        # What is under way may begin more (a renewal that finds its session ended revokes what it got).
        while tasks := [task for task in self._tasks if not task.done()]:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait(tasks, timeout=left)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, BffError):
            self._emit("background.failed", {"task": task.get_name(), "code": error.code})
        elif error is not None:
            self._emit("background.crashed", {"task": task.get_name(), "error": type(error).__name__})
