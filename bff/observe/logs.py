"""Structured logs by structlog: JSON for machines, colour for people, and no secret in either."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"token|secret|cookie|password|authorization|verifier|assertion|\bcode\b", re.IGNORECASE)
# Whatever looks like a JWT or like one of our envelopes, should it ever end up in a value.
_SECRET_VALUES = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?|[A-Za-z0-9_-]{64,}")
_PLAIN_NAMES = frozenset({"event", "level", "timestamp", "code"})  # `code` is an error's stable name here
_LOUD = {
    "login.failed": logging.WARNING,
    "access.denied": logging.WARNING,
    "renewal.refused": logging.WARNING,
    "renewal.postponed": logging.WARNING,
    "store.push_lost": logging.WARNING,
    "issuer.unavailable": logging.WARNING,
    "tokens.revocation_failed": logging.WARNING,
    "background.failed": logging.WARNING,
    "background.crashed": logging.ERROR,
    "limits.reached": logging.WARNING,
    "limits.storage_unavailable": logging.WARNING,
    "audit.lost": logging.ERROR,
    "audit.failing": logging.ERROR,
    "audit.purge_failed": logging.WARNING,
    "request.crashed": logging.ERROR,
    "session.unreadable": logging.WARNING,
    "upstream.ejected": logging.WARNING,
    "upstream.failed": logging.WARNING,
    "renewal.forced": logging.WARNING,
    "metrics.unwritten": logging.WARNING,
}


def configure_logs(level: str, layout: str) -> None:
    """Set structlog up for this process; `layout` is "json", "console" or "auto" (console on a terminal)."""
    console = layout == "console" or (layout == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def emit_to_log(name: str, fields: Mapping[str, object]) -> None:
    """Write an event as a log line."""
    # Bound first: no field, whatever its name, may clash with an argument of the call and break a request.
    structlog.get_logger().bind(**fields).log(_LOUD.get(name, logging.INFO), name)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field that is named like a secret or looks like one."""
    for name, value in event.items():
        if name not in _PLAIN_NAMES:
            event[name] = _named(name, value)
    return event


def _named(name: object, value: object) -> object:
    if _SECRET_NAMES.search(str(name)) and not (value is None or isinstance(value, bool | int | float)):
        return "***"
    return _cleaned(value)


def _cleaned(value: object) -> object:
    """Return the value without what looks like a secret, however deep it lies."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _SECRET_VALUES.sub("***", value)
        case Mapping():
            return {str(_cleaned(name)): _named(name, inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_cleaned(inner) for inner in value]
        case _:
            return _SECRET_VALUES.sub("***", repr(value))
