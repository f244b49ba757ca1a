"""Events become log lines, whatever their fields are called."""

import json

import pytest
import structlog

from bff.observe.logs import configure_logs, emit_to_log


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
