"""granian's own lines: its handlers, which it sets up in every process it starts, make way for ours."""

import logging
from typing import Any

from granian.log import LogLevels

_KNOWN = "Embedded server is experimental!"  # the management listener is one; every worker would say so


class Unknown(logging.Filter):
    """Lets through what is worth a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        return record.msg != _KNOWN


SERVER_LOGS: dict[str, Any] = {
    "handlers": {},
    "formatters": {},
    "filters": {"unknown": {"()": "bff.cli.server_logs.Unknown"}},
    "loggers": {
        "_granian": {"handlers": [], "filters": ["unknown"], "propagate": True},
        "granian.access": {"handlers": [], "propagate": True},
    },
}
_TOLD = {"debug": LogLevels.debug, "error": LogLevels.error, "critical": LogLevels.critical}


def build_server_level(level: str) -> LogLevels:
    """Return from which level on granian tells: everything at debug, else what somebody should look at."""
    return _TOLD.get(level, LogLevels.warning)
