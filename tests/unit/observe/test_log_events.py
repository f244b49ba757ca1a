"""Events become log lines, whatever their fields are called, as loud as what they tell of."""

import json
import logging
import re
from pathlib import Path

import pytest
import structlog

from bff.observe import logs
from bff.observe.logs import configure_logs, emit_to_log

SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(logs.__file__).parents[1].rglob("*.py"))
)
EMITTED = set(re.findall(r"(?:emit|on_event)\(\s*\"([a-z_.]+)\"", SOURCES))
OF_TROUBLE = re.compile(r"(?:failed|failing|unavailable|unreadable|unwritten|lost|refused|crashed|away|violated)$")


@pytest.mark.parametrize("name", ["level", "event", "timestamp", "logger"])
def test_field_of_any_name_breaks_nothing(capsys: pytest.CaptureFixture[str], name: str):
    """A field that is named like an argument of the logger's must not fail the request that tells of it."""
    configure_logs("info", "json")
    try:
        emit_to_log("login.done", {name: "x", "session": "s"})
    finally:
        structlog.reset_defaults()

    line = json.loads(capsys.readouterr().err)
    assert ("login.done", "info", "s") == (line["event"], line["level"], line["session"])


def test_whatever_is_told_of_trouble_is_heard_at_level_warning():
    """Whoever asks for warnings alone hears that the issuer, the store or the client's secret is no good."""
    trouble = {name for name in EMITTED if OF_TROUBLE.search(name)}

    assert {"discovery_failed", "store.unavailable", "keys.unreadable", "client_refused"} <= trouble
    assert [] == sorted(name for name in trouble if logs.level_of(name) < logging.WARNING)


@pytest.mark.parametrize("name", ["discovery_succeeded", "renewal.done", "store.push_restored"])
def test_what_goes_well_is_not_loud(name: str):
    """A quiet log stays quiet while all is well."""
    assert name in EMITTED
    assert logging.INFO == logs.level_of(name)


def test_only_what_is_told_is_called_loud():
    """A name that nothing emits hides that its event has another one by now, and is loud no more."""
    elsewhere = SOURCES.replace(Path(logs.__file__).read_text(encoding="utf-8"), "")

    assert [] == sorted(name for name in logs._WARNINGS | logs._ERRORS if f'"{name}"' not in elsewhere)
