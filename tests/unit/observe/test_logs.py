"""What is written to the log, and how."""

import io
import json
import sys

import pytest
import structlog

from bff.observe.logs import configure_logs, emit_to_log, redact

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _fresh():
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_line_and_its_end_are_written_at_once(monkeypatch):
    """Workers share standard error: what is written in two steps comes out with another's line in between."""
    written = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "write", written.append)
    monkeypatch.setattr(sys, "stderr", stream)

    configure_logs("info", "json")
    emit_to_log("login.done", {"subject": "alice"})

    assert [True] == [line.endswith("}\n") for line in written]


def test_events_become_json_lines_with_level_and_time(capsys):
    """One line an event, for machines."""
    configure_logs("info", "json")
    emit_to_log("login.done", {"subject": "alice"})
    emit_to_log("login.failed", {"reason": "expired"})
    emit_to_log("request.crashed", {"error": "KeyError"})

    told = [json.loads(line) for line in lines(capsys)]

    assert [
        {"event": "login.done", "level": "info", "subject": "alice"},
        {"event": "login.failed", "level": "warning", "reason": "expired"},
        {"event": "request.crashed", "level": "error", "error": "KeyError"},
    ] == [{name: value for name, value in event.items() if name != "timestamp"} for event in told]
    assert all(event["timestamp"].endswith("Z") for event in told)


def test_quiet_log_tells_only_what_is_loud(capsys):
    """The level is held to."""
    configure_logs("warning", "json")
    emit_to_log("login.done", {})
    emit_to_log("login.failed", {})

    assert ["login.failed"] == [json.loads(line)["event"] for line in lines(capsys)]


@pytest.mark.parametrize(
    ("layout", "terminal", "is_json"), [("auto", False, True), ("auto", True, False), ("console", False, False)]
)
def test_people_at_a_terminal_get_lines_for_people(capsys, monkeypatch, layout, terminal, is_json):
    """`auto` looks whether somebody reads along."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    configure_logs("info", layout)
    emit_to_log("login.done", {"subject": "alice"})

    (line,) = lines(capsys)
    assert is_json is line.startswith("{")
    assert "alice" in line


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"reason": f"got {JWT} there"}, {"reason": "got *** there"}),
        ({"access_token": "short"}, {"access_token": "***"}),
        ({"Cookie": "a=1", "tokens": 3, "secret": None}, {"Cookie": "***", "tokens": 3, "secret": None}),
        (
            {"inner": {"code_verifier": "v", "deep": [JWT, 1]}},
            {"inner": {"code_verifier": "***", "deep": ["***", 1]}},
        ),
        ({"raw": b"x" * 64}, {"raw": "b'***'"}),
        (
            {"code": "access_denied", "status": 403, "ok": True},
            {"code": "access_denied", "status": 403, "ok": True},
        ),
        ({"session": "0011223344556677889900aa"}, {"session": "0011223344556677889900aa"}),
        ({"roles": ("a", "b")}, {"roles": ["a", "b"]}),
        ({"error": ValueError(JWT)}, {"error": "ValueError('***')"}),
    ],
)
def test_secrets_are_blank_and_the_rest_is_kept(fields, written):
    """By their names and by their looks, however deep they lie."""
    assert {"event": "x", **written} == redact(None, "info", {"event": "x", **fields})
