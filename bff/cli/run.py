"""`bff run`: the server. granian supervises the workers; each worker is one process with one event loop."""

import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings

from bff.cli.deaths import Deaths
from bff.cli.reloading import ReloadingServer
from bff.cli.renewal_process import RenewalProcess
from bff.cli.server_logs import SERVER_LOGS, build_server_level
from bff.cli.watching import watch
from bff.config import load_config
from bff.config.config_files import ConfigFiles
from bff.config.metrics_folder import share_metrics
from bff.config.settings import Settings
from bff.config.workers_folder import expect_workers
from bff.observe.logs import own_logs

_STOPS = (signal.SIGTERM, signal.SIGINT)
_WORKER = "bff.cli.worker:build"
_HEADER_TIMEOUT = 10_000  # milliseconds for a request's head to arrive
_BACKLOG = 2048


def run(settings: Settings, config_path: Path) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP has the workers replaced by ones with the new configuration.

    Raises:
        SystemExit: the address cannot be listened on.
    """
    listen = settings.server.listen
    unix = listen.removeprefix("unix:") if listen.startswith("unix:") else None
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if unix is None:
        _check_free(host, int(port))
    if not settings.server.management_listen.startswith(("same", "unix:")):
        management_host, _, management_port = settings.server.management_listen.rpartition(":")
        _check_free(management_host.strip("[]"), int(management_port))
    own_logs(settings.log.level, settings.log.format.value)
    # The workers are new processes: they read the same file again, with the same environment.
    os.environ["BFF_CONFIG"] = str(config_path.absolute())
    os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_come, after_in_child=_obey_signals)
    most_of_head = max(64 * 1024, 2 * settings.server.max_header_size)  # what is above ours gets a problem document
    server = ReloadingServer(
        _WORKER,
        address=host if unix is None else "127.0.0.1",
        port=int(port) if unix is None else 0,
        uds=Path(unix) if unix is not None else None,
        interface=Interfaces.ASGI,
        factory=True,
        workers=settings.server.workers,
        http=HTTPModes.auto,
        websockets=True,
        backlog=_BACKLOG,
        backpressure=most_connections(settings, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT, max_buffer_size=most_of_head),
        http2_settings=HTTP2Settings(max_headers_size=most_of_head),
        respawn_failed_workers=True,
        respawn_interval=0.0,  # a new worker is waited for until it listens
        workers_kill_timeout=max(1, int(settings.server.shutdown_timeout + settings.server.drain_delay)),
        log_level=build_server_level(settings.log.level),
        log_dictconfig=SERVER_LOGS,
    )
    server.settings, server.load = settings, load_config
    server.respawned_wrks = Deaths(server.has_served)
    sys.stderr.write(f"bff serves {settings.public_url} on {listen} with {settings.server.workers} worker(s)\n")
    with TemporaryDirectory(prefix="bff-workers-") as folder:
        server.reports = Path(folder)
        expect_workers(server.reports)
        share_metrics(server.reports)
        renewals = RenewalProcess(server.reports, settings.server.shutdown_timeout)
        if settings.server.renews_apart:
            server.hooks_reload.append(renewals.start)
            renewals.start()
        _load_worker()
        if settings.server.reload_on_change:
            watch(ConfigFiles(config_path))
        try:
            server.serve()
        finally:
            renewals.stop()


def most_connections(settings: Settings, most_files: int) -> int:
    """How many connections one worker takes at once; the others wait to be taken.

    Half of the files that it may open (the hard limit, which granian goes up to) stay for what calls need.
    """
    if most_files in {resource.RLIM_INFINITY, -1}:
        return settings.server.max_connections
    return max(1, min(settings.server.max_connections, most_files // 2))


def _load_worker() -> None:
    """Load what workers run before there are any: they are forked, so one that takes the place of another has it.

    It begins in no thread and opens nothing. Where processes are not forked (macOS), each worker loads it itself.
    """
    if multiprocessing.get_start_method() == "fork":
        gc.disable()  # nothing of it is garbage
        import bff.cli.worker  # noqa: F401, PLC0415 - only where it is of use

        gc.freeze()  # what is here now is the workers' as well: no look for cycles is to copy it
        gc.enable()


def _hold_signals() -> None:
    """Have signals wait while a worker is forked: Python forgets what came to a process before it had begun."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def _let_signals_come() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _obey_signals() -> None:
    """Have a worker that is still being loaded end with a signal: it inherits what would only note that down."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_DFL)
    _let_signals_come()


def _check_free(host: str, port: int) -> None:
    """Raise `SystemExit` unless we can listen here alone.

    Workers share the port (SO_REUSEPORT), so the kernel would let a second server in without a word.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    advice = "Stop what listens there, or change server.listen (or server.management_listen) in the configuration."
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}. {advice}") from error
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((host if host not in {"0.0.0.0", "::"} else "localhost", port)) == 0:
            raise SystemExit(f"cannot listen on {host}:{port}: another server answers there. {advice}")
