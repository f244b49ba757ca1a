"""Structured logs by structlog: JSON for machines, colour for people, and no secret in either."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from bff.events import TRACE
from bff.observe.foreign_logs import ForeignLines
from bff.observe.redaction import frames, redact

__all__ = ["adopt_library_logs", "configure_logs", "emit_to_log", "own_logs", "redact"]

# What an operator should hear of with log.level = "warning": something is broken, refused or not as configured.
_WARNINGS = frozenset(
    {
        "access.denied",
        "admin.refused",
        "assignments.unreadable",
        "audit.purge_failed",
        "background.failed",
        "discovery_failed",
        "gateway.refused",
        "issuer_metadata_weak",
        "jwks_failed",
        "jwks_throttled",
        "keys.unreadable",
        "limits.reached",
        "limits.storage_unavailable",
        "login.failed",
        "metrics.unwritten",
        "principal.failed",
        "registry.failed",
        "registry.full",
        "registry.lost",
        "registry.unavailable",
        "renewal.forced",
        "renewal.lease_left",
        "renewal.postponed",
        "renewal.process_away",
        "renewal.refused",
        "renewal_unchecked",
        "roles_cut",
        "roles_elsewhere",
        "session.elsewhere",
        "session.unreadable",
        "spa.unreadable",
        "statistics.waiting",
        "store.evicts",
        "store.push_lost",
        "store.unavailable",
        "token_rule_violated",
        "tokens.revocation_failed",
        "upstream.ejected",
        "upstream.failed",
    }
)
_ERRORS = frozenset({"audit.failing", "audit.lost", "background.crashed", "client_refused", "request.crashed"})


def level_of(name: str) -> int:
    """Return how loud an event is, as the levels of the standard library's logging are numbered."""
    if name in _ERRORS:
        return logging.ERROR
    return logging.WARNING if name in _WARNINGS else logging.INFO


def own_logs(level: str, layout: str) -> None:
    """Set up what a process that is ours prints: our lines, and what libraries log in the same form."""
    configure_logs(level, layout)
    adopt_library_logs(level)


def configure_logs(level: str, layout: str) -> None:
    """Set structlog up for this process; `layout` is "json", "console" or "auto" (console on a terminal)."""
    console = is_for_people(layout)
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_request,
            redact,
            *((_harmless_event,) if console else ()),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Line and line end in one step: what several processes print to one stream would come out mixed otherwise.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def adopt_library_logs(level: str) -> None:
    """Have what libraries log come out the same way: warnings and worse, or everything where `level` is "debug".

    For a process that is ours: it takes every handler of the standard library's logging away.
    """
    ForeignLines(_write_foreign).take_over(level)


def emit_to_log(name: str, fields: Mapping[str, object]) -> None:
    """Write an event as a log line."""
    told = dict(fields)
    if name.endswith(".crashed") and (error := sys.exception()) is not None:
        told["at"] = frames(error.__traceback__)
    # Bound first: no field, whatever its name, may clash with an argument of the call and break a request.
    structlog.get_logger().bind(**told).log(level_of(name), name)


def _write_foreign(level: int, fields: Mapping[str, object]) -> None:
    structlog.get_logger().bind(**fields).log(level, "library")


def _name_request(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Tell which request it is about, where somebody's request it is."""
    if "request_id" not in event and (trace := TRACE.get()) is not None:
        event["request_id"] = trace.request_id
    return event


def _harmless_event(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Leave nothing in it that a terminal would obey: some of it was chosen by strangers."""
    return {name: harmless(value) if isinstance(value, str) else value for name, value in event.items()}


def harmless(text: str) -> str:
    """Return a text of somebody else's with escapes in the place of what a terminal would obey."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def is_for_people(layout: str) -> bool:
    """Whether lines are for people: they are on a terminal, or were asked for."""
    return layout == "console" or (layout == "auto" and sys.stderr.isatty())
