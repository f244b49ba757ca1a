"""What runs in each worker process."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from granian.constants import Interfaces
from granian.server.embed import Server as EmbeddedServer
from litestar import Litestar

from bff.app import Bff, Parts
from bff.config import load_with_findings
from bff.config.key_files import KeyFiles
from bff.config.load import find_config_file
from bff.observe.logs import configure_logs
from bff.web.front_door import FrontDoor


def build() -> FrontDoor:
    """Return the worker's application. Reads the configuration that the parent process has checked."""
    settings, warnings = load_with_findings()
    configure_logs(settings.log.level, settings.log.format.value)
    bff = Bff(settings, Parts(warnings=warnings, key_files=KeyFiles(find_config_file(None))))
    listen = settings.server.management_listen

    @asynccontextmanager
    async def management(_app: Litestar) -> AsyncIterator[None]:
        host, _, port = listen.rpartition(":")
        # Every worker listens here; the kernel hands a connection to one of them.
        server = EmbeddedServer(
            bff.management(),
            address=host.strip("[]"),
            port=int(port),
            interface=Interfaces.ASGINL,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.get_running_loop().create_task(server.serve(), name="management")
        try:
            yield
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait([serving], timeout=2.0)

    @asynccontextmanager
    async def draining(_app: Litestar) -> AsyncIterator[None]:
        # granian ends the life cycle only when every answer has ended, and kills a worker that takes too long. It
        # has asked the loop for these signals; the handlers that Python itself calls are free.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(bff.drain))
        yield

    app = bff.front_door([draining] if listen == "same" else [draining, management])
    gc.collect()
    gc.freeze()  # what is loaded now lives as long as the process
    return app
