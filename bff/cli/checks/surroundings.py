"""The machine that this runs on: keys on its disk, cores, descriptors, time zones, and what was installed."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bff.cli.checks.outcome import Outcome, Status
from bff.config.findings import ConfigError
from bff.config.key_files import KeyFiles
from bff.config.settings import Settings
from bff.web.console_files import BUILT

_OLD_KEY = 365 * 86400.0  # seconds
_SPARE = 256  # descriptors of a worker beside its connections: files, the store, the issuer, listeners


def check_surroundings(settings: Settings, config: Path) -> list[Outcome]:
    """Look around, and change nothing."""
    return [
        *check_keys(KeyFiles(config), time.time()),
        assess_workers(settings, usable_cores()),
        assess_descriptors(settings, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        check_time_zones(),
        *check_console(settings, BUILT),
    ]


def check_keys(files: KeyFiles, now: float) -> list[Outcome]:
    """How old the newest key is. Who may read the files, the configuration's own findings tell."""
    try:
        reading = files.read()
    except ConfigError as error:
        return [Outcome(Status.FAIL, "own keys", error.findings[0].message, "see [keys] in the configuration")]
    count = f"{len(reading.secrets)} key{'s' if len(reading.secrets) > 1 else ''}"
    if not reading.changed_at:
        return [Outcome(Status.OK, "own keys", f"{count}, not from a file: they change with a restart")]
    days = (now - reading.changed_at) / 86400
    if now - reading.changed_at > _OLD_KEY:
        message = f"the newest key file is {days:.0f} days old"
        why = "whoever copied it since can still open what it seals"
        return [Outcome(Status.WARN, "own keys", message, "bff keys rotate FILE; nobody is logged out", why)]
    if days < -1:
        message = "a key file was written in the future"
        return [
            Outcome(Status.WARN, "own keys", message, "compare this machine's clock", "new keys go by their age")
        ]
    return [Outcome(Status.OK, "own keys", f"{count}, written {max(days, 0):.0f} days ago")]


def usable_cores(read: Callable[[str], str] | None = None) -> float:
    """How many cores this process may use: those it may run on, less what a container's quota takes away."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = (read or _read)("/sys/fs/cgroup/cpu.max").split()[:2]
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no container, or "max"
        return cores


def _read(path: str) -> str:
    return Path(path).read_text(encoding="ascii")


def assess_workers(settings: Settings, cores: float) -> Outcome:
    """One worker keeps one core busy."""
    workers = settings.server.workers
    message = f"{workers} worker{'s' if workers > 1 else ''} for {cores:g} core{'s' if cores != 1 else ''}"
    if workers > max(1.0, cores):
        advice = f"set server.workers to {max(1, int(cores))}"
        return Outcome(Status.WARN, "workers", message, advice, "more than cores only take turns")
    if cores >= 2 and workers == 1:
        advice = f"set server.workers to {int(cores)} if this machine is bff's own and one core is not enough"
        return Outcome(Status.WARN, "workers", message, advice, "one worker uses one core")
    return Outcome(Status.OK, "workers", message)


def assess_descriptors(settings: Settings, most: int) -> Outcome:
    """Whether a worker may open as many files as its connections take (the hard limit, which bff goes up to)."""
    server = settings.server
    pools = sum(api.max_connections * len(api.addresses) for api in settings.api)
    sockets = server.max_websockets if any(api.websocket for api in settings.api) else 0
    needed = max(2 * server.max_connections, server.max_connections + pools + sockets + _SPARE)
    if most in {resource.RLIM_INFINITY, -1} or most >= needed:
        return Outcome(
            Status.OK, "descriptors", f"a worker may open {_counted(most)} files, and needs {needed} at most"
        )
    message = f"a worker may open {most} files, and needs {needed} when all is in use"
    why = f"{server.max_connections} connections from outside, {pools} to upstreams, {sockets} for WebSockets"
    advice = (
        f"raise the limit (LimitNOFILE={needed} in the systemd unit, ulimit -n), or lower server.max_connections"
    )
    return Outcome(Status.WARN, "descriptors", message, advice, why)


def _counted(most: int) -> str:
    return "any number of" if most in {resource.RLIM_INFINITY, -1} else str(most)


def check_time_zones() -> Outcome:
    """Rules by the hour need the zones' data; nothing else looks at a zone: log and audit log are in UTC."""
    try:
        ZoneInfo("Europe/Paris")
    except ZoneInfoNotFoundError:
        advice = "install tzdata (the package, or pip install tzdata)"
        return Outcome(
            Status.FAIL, "time zone", "there is no data about time zones", advice, "rules by the hour need it"
        )
    return Outcome(
        Status.OK, "time zone", "logs and audit log are in UTC, whatever this machine's zone; rules name theirs"
    )


def check_console(settings: Settings, built: Path) -> list[Outcome]:
    """Whether the console that `[admin]` opens was built."""
    if settings.admin is None:
        return []
    if (built / "index.html").is_file():
        return [Outcome(Status.OK, "console", "the console is there")]
    advice = "install a wheel, or run make console; the admin API works without it"
    return [Outcome(Status.WARN, "console", "this installation came without the console's files", advice)]
