"""The audit log."""

import asyncio
import io
import json
import stat
import sys
from pathlib import Path

import pytest

from bff.access import audit as module
from bff.access.audit import AuditLog, open_sink


@pytest.mark.parametrize(("sink", "path"), [("stdout", None), ("file:audit.jsonl", Path("audit.jsonl"))])
def test_sink_is_a_file_or_the_output(sink, path):
    """As the configuration writes it."""
    assert path == open_sink(sink)


@pytest.mark.parametrize("sink", ["", "file:", "syslog", "audit.jsonl"])
def test_no_other_sink_is_known(sink):
    """Start-up stops, and says what would do."""
    with pytest.raises(ValueError, match="stdout or file:PATH"):
        open_sink(sink)


async def written(log, *events):
    log.start()
    for name, fields in events:
        log.record(name, fields)
    await log.close()


async def test_events_for_auditors_become_lines_of_a_private_file(tmp_path):
    """One JSON line an event, in order, with the time; other events are for operators' logs."""
    path = tmp_path / "audit.jsonl"
    await written(
        AuditLog(path, lambda: 7.0),
        ("login.done", {"subject": "alice"}),
        ("renewal.done", {}),
        ("access.denied", {"reason": "role_missing", "rule": None}),
    )
    await written(AuditLog(path, lambda: 8.0), ("logout.done", {}))

    assert [
        {"time": 7.0, "event": "login.done", "subject": "alice"},
        {"time": 7.0, "event": "access.denied", "reason": "role_missing", "rule": None},
        {"time": 8.0, "event": "logout.done"},
    ] == [json.loads(line) for line in path.read_text().splitlines()]
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_lines_may_go_to_the_output(monkeypatch):
    """For those who collect what containers print."""
    output = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)
    await written(AuditLog(None, lambda: 7.0), ("login.done", {}))

    assert b'{"time":7.0,"event":"login.done"}\n' == output.buffer.getvalue()


@pytest.mark.parametrize("fault", ["directory is gone", "output is closed"])
async def test_sink_that_fails_drops_and_counts_and_ends_nothing(tmp_path, monkeypatch, fault):
    """A full disk or a closed output holds up no request and no shutdown."""
    monkeypatch.setattr(sys, "stdout", type("Closed", (), {"buffer": _Closed()})())
    told = []
    path = tmp_path / "gone" / "audit.jsonl" if fault == "directory is gone" else None
    log = AuditLog(path, lambda: 7.0, lambda name, fields: told.append((name, dict(fields))))

    async with asyncio.timeout(5):
        await written(log, ("login.done", {}), ("logout.done", {}))

    assert 2 == log.dropped
    reason = "FileNotFoundError" if path is not None else "ValueError"
    assert [("audit.lost", {"lines": 2, "reason": reason})] == told, "whoever watches the logs must know"


class _Closed:
    def write(self, _lines):
        raise ValueError("I/O operation on closed file")


async def test_full_queue_drops_and_counts(tmp_path, monkeypatch):
    """A sink that is slower than the events costs lines, never memory without end."""
    monkeypatch.setattr(module, "_QUEUE", 3)
    path = tmp_path / "audit.jsonl"
    told = []
    log = AuditLog(path, lambda: 7.0, lambda name, fields: told.append((name, dict(fields))))
    for _ in range(5):
        log.record("login.done", {})
    await written(log)

    assert (3, 2) == (len(path.read_text().splitlines()), log.dropped)
    assert [("audit.lost", {"lines": 1, "reason": "queue_full"})] == told, "told at once, and not once a line"


async def test_log_that_was_never_started_closes(tmp_path):
    """A worker that fails at the start still stops."""
    assert None is await AuditLog(tmp_path / "x", lambda: 7.0).close()
