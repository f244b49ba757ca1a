"""granian's own lines: its handlers, which it sets up in every process it starts, make way for ours."""

from typing import Any

from granian.log import LogLevels

SERVER_LOGS: dict[str, Any] = {
    "handlers": {},
    "formatters": {},
    "loggers": {
        "_granian": {"handlers": [], "propagate": True},
        "granian.access": {"handlers": [], "propagate": True},
    },
}
_TOLD = {"debug": LogLevels.debug, "error": LogLevels.error, "critical": LogLevels.critical}


def build_server_level(level: str) -> LogLevels:
    """Return from which level on granian tells: everything at debug, else what somebody should look at."""
    return _TOLD.get(level, LogLevels.warning)
