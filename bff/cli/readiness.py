"""A worker tells its parent when it is about to listen: by a file named like its process, in a folder of theirs."""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar

from bff.cli.listening import listens
from bff.config.workers_folder import reports_folder

_LOOK_EVERY = 0.02  # seconds
_LISTENS_WITHIN = 0.2  # seconds between a worker's word and its socket, where that cannot be looked up


@asynccontextmanager
async def reporting(_app: Litestar) -> AsyncIterator[None]:
    """Report when everything else has been started; a worker that nobody waits for reports nowhere."""
    _report()
    yield


def _report() -> None:
    folder = reports_folder()
    if folder is not None:
        (folder / str(os.getpid())).touch()


def await_worker(folder: Path, pid: int, port: int | None, within: float, is_pointless: Callable[[], bool]) -> bool:
    """Wait until a worker listens; False when it does not in so many seconds, or there is no point in it.

    `port`: where it listens by itself; None: on a socket that it was given.
    """
    deadline = time.monotonic() + within
    report = folder / str(pid)

    def comes(event: Callable[[], bool | None]) -> bool | None:
        while (outcome := event()) is False:
            if time.monotonic() >= deadline or is_pointless():
                return False
            time.sleep(_LOOK_EVERY)
        return outcome

    if not comes(report.exists):
        return False
    is_listening = True if port is None else comes(lambda: listens(pid, port))
    if is_listening is None:
        time.sleep(_LISTENS_WITHIN)
    return is_listening is not False
