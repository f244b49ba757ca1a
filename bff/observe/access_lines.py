"""Access lines: written whatever the level is, for they were asked for, and by no more steps than they need."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import structlog

from bff.events import Emit
from bff.observe.logs import harmless, is_for_people
from bff.observe.redaction import redact, redact_value


def build_access_writer(layout: str) -> Emit:
    """Return what writes a line for a request. Only its path can be anything: it is looked at as every value is."""
    return _write_for_people if is_for_people(layout) else _write_json


def _write_json(name: str, fields: Mapping[str, object]) -> None:
    path = redact_value(str(fields["path"]))
    line = {"event": name, "level": "info", "timestamp": _now(), **fields, "path": harmless(path)}
    sys.stderr.write(msgspec.json.encode(line).decode() + "\n")


def _write_for_people(name: str, fields: Mapping[str, object]) -> None:
    line = redact(None, "info", {"event": name, "level": "info", "timestamp": _now(), **fields})
    line["path"] = harmless(str(line["path"]))
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    sys.stderr.write(f"{render(None, 'info', line)}\n")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
