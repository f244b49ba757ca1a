"""The renewal process: no listener, no user's bytes, nothing but refresh grants. `bff run` starts it."""

import asyncio
import contextlib
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from bff.app import Bff, Parts
from bff.config import load_with_findings
from bff.config.key_files import KeyFiles
from bff.config.load import find_config_file
from bff.config.metrics_folder import metrics_folder
from bff.observe.logs import own_logs
from bff.session.renewal_apart import Desk


async def serve(address: Path) -> None:
    """Renew what workers ask for, until SIGTERM, until the parent and all workers are gone, or until superseded."""
    settings, warnings = load_with_findings()
    own_logs(settings.log.level, settings.log.format.value)
    # Whatever the number of workers, all their renewals are done here.
    settings = replace(settings, server=replace(settings.server, workers=1))
    key_files = KeyFiles(find_config_file(None))
    parts = Parts(warnings=warnings, key_files=key_files, metrics_folder=metrics_folder(), serves=False)
    bff = Bff(settings, parts)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches us too: the workers are to end first
    loop.add_reader(sys.stdin.fileno(), stopped.set)  # nobody writes there: it only ever ends
    desk = Desk(bff.sessions, bff.renewer, time.time, bff.observers.joined)
    await bff.start()
    try:
        await _open(desk, address)
        endings = [asyncio.create_task(ending) for ending in (stopped.wait(), desk.superseded())]
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        for ending in endings:
            ending.cancel()
        loop.remove_reader(sys.stdin.fileno())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.server.shutdown_timeout):
                await desk.close()
    finally:
        await bff.stop()


async def _open(desk: Desk, address: Path) -> None:
    try:
        await desk.open(address)
    except OSError as error:
        advice = "The name of a socket has some 100 bytes at most: set TMPDIR to a folder with a shorter one."
        raise SystemExit(f"bff: the renewal process cannot listen on {address}: {error}. {advice}") from error


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
