"""What runs in each worker process."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from granian.constants import Interfaces
from granian.server.embed import Server as EmbeddedServer
from litestar import Litestar

from bff.app import Bff, Parts
from bff.cli.draining import Draining
from bff.cli.listening import PublicSockets
from bff.cli.readiness import reporting
from bff.cli.server_logs import SERVER_LOGS, build_server_level
from bff.cli.stopping import Stop
from bff.config import load_with_findings
from bff.config.key_files import KeyFiles
from bff.config.load import find_config_file
from bff.config.metrics_folder import metrics_folder
from bff.config.workers_folder import find_renewals
from bff.observe.logs import own_logs

# Container objects made since the last look for cycles. With Python's 700 each few requests under way mean a look.
_GARBAGE = 10_000


def build() -> Draining:
    """Return the worker's application. Reads the configuration that the parent process has checked."""
    settings, warnings = load_with_findings()
    own_logs(settings.log.level, settings.log.format.value)
    key_files = KeyFiles(find_config_file(None))
    parts = Parts(warnings=warnings, key_files=key_files, metrics_folder=metrics_folder(), renewals=find_renewals())
    bff = Bff(settings, parts)
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
            log_level=build_server_level(settings.log.level),
            log_dictconfig=SERVER_LOGS,
        )
        serving = asyncio.get_running_loop().create_task(server.serve(), name="management")
        try:
            yield
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait([serving], timeout=2.0)

    sockets = PublicSockets(settings.server.listen)
    app = Draining(
        bff.front_door([reporting] if listen == "same" else [management, reporting]), sockets.is_connected
    )

    def drain() -> None:
        bff.drain()
        app.close_connections()

    async def at_rest() -> None:
        await asyncio.gather(bff.sockets.closed(), app.quiet())

    stop = Stop(
        drain=drain,
        is_heard=sockets.is_heard,
        stop_listening=sockets.stop_listening,
        at_rest=at_rest,
        delay=settings.server.drain_delay,
        shutdown_timeout=settings.server.shutdown_timeout,
    )
    stop.stand_between(asyncio.get_event_loop())
    gc.collect()
    gc.freeze()  # what is loaded now lives as long as the process
    gc.set_threshold(_GARBAGE, 20, 20)
    return app
