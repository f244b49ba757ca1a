"""A worker tells its parent when it is about to listen: by a file named like its process, in a folder of theirs."""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar

from bff.config.workers_folder import reports_folder

_LOOK_EVERY = 0.02  # seconds
_LISTENS_WITHIN = 0.2  # seconds between a worker's word and its socket


@asynccontextmanager
async def reporting(_app: Litestar) -> AsyncIterator[None]:
    """Report when everything else has been started; a worker that nobody waits for reports nowhere."""
    _report()
    yield


def _report() -> None:
    folder = reports_folder()
    if folder is not None:
        (folder / str(os.getpid())).touch()


def await_worker(folder: Path, pid: int, within: float, is_pointless: Callable[[], bool]) -> bool:
    """Wait until a worker listens; False when it does not in so many seconds, or there is no point in it."""
    deadline = time.monotonic() + within
    report = folder / str(pid)
    while not report.exists():
        if time.monotonic() >= deadline or is_pointless():
            return False
        time.sleep(_LOOK_EVERY)
    report.unlink(missing_ok=True)
    time.sleep(_LISTENS_WITHIN)
    return True
