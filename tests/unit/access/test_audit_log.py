"""The audit log: what it takes, what it does when nothing can be written, and what it says about that."""

import asyncio
import io
import json
import os
import stat
import sys

import pytest

from bff.access.auditing import AuditLog, AuditSinkFailed
from bff.access.auditing.configured import open_place
from bff.access.auditing.events import AUDITED, build_event
from bff.access.auditing.stream_sink import StreamSink
from bff.config.settings import AuditSettings, WhenFull
from bff.crypto.key_ring import KeyRing
from bff.errors import AuditNotSearchable, AuditUnavailable
from bff.events import TRACE, Trace
from bff.session.stores.memory_audit import MemoryAudit
from tests.audits import KEY, NOW, chain, in_file


class Sink:
    """Fails as long as `fault` is set, and holds while `gate` is closed."""

    def __init__(self):
        self.written = []
        self.fault = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tries = 0
        self.closed = False

    async def append(self, events):
        self.tries += 1
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.written += [dict(event.fields) for event in events]

    async def purge(self, now):
        raise AuditSinkFailed("store_unavailable")

    async def close(self):
        self.closed = True


class Told:
    """What the operators' log heard."""

    def __init__(self):
        self.events = []

    def __call__(self, name, fields):
        self.events.append((name, dict(fields)))

    def of(self, name):
        return [fields for told, fields in self.events if told == name]


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def told():
    return Told()


def log_of(sink, told=lambda *_: None, **more):
    return AuditLog(sink, kind="file", clock=lambda: NOW, emit=told, **more)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the sink is asked, and tells nobody
            await asyncio.sleep(0.001)


async def test_events_for_auditors_are_written_in_order_and_others_are_not(sink):
    """What is for operators alone stays in their log."""
    log = log_of(sink)
    log.start()
    for name in ("login.done", "renewal.waited", "access.denied", "logout.done"):
        log.record(name, {})
    await log.close()

    assert ["login.done", "access.denied", "logout.done"] == [line["event"] for line in sink.written]
    assert sink.closed


async def test_request_and_address_come_from_the_trace_where_the_event_says_nothing(sink):
    """Whatever happens deep inside is told under the request that it happened for."""
    log = log_of(sink)
    log.start()
    token = TRACE.set(Trace("r1", "10.0.0.9"))
    log.record("login.done", {"subject": "alice"})
    log.record("access.denied", {"request_id": "r2", "address": "10.0.0.8"})
    TRACE.reset(token)
    log.record("keys.changed", {})
    await log.close()

    assert [("r1", "10.0.0.9"), ("r2", "10.0.0.8"), (None, None)] == [
        (line.get("request_id"), line.get("address")) for line in sink.written
    ]


async def test_what_waits_for_a_sink_that_fails_is_written_when_it_works_again(sink, told):
    """A transient fault loses nothing, and is told once."""
    sink.fault = AuditSinkFailed("disk full")
    log = log_of(sink, told)
    log.start()
    log.record("login.done", {"subject": "alice"})
    await until(lambda: sink.tries >= 2)
    sink.fault = None
    await log.close()

    assert ["alice"] == [line["subject"] for line in sink.written]
    assert [{"reason": "disk full", "waiting": 1}] == told.of("audit.failing")
    assert 1 == len(told.of("audit.restored"))
    assert 0 == log.dropped


async def test_what_no_longer_fits_is_dropped_and_counted_and_the_log_tells_of_it(sink, told):
    """Memory is bounded; an auditor sees where lines are missing and how many."""
    sink.gate.clear()
    log = log_of(sink, told, capacity=3)
    log.start()
    for number in range(5):
        log.record("login.done", {"subject": f"u{number}"})
    assert 2 == log.dropped
    sink.gate.set()
    await log.close()

    assert [("audit.lost", 2), ("login.done", None)] == [
        (line["event"], line.get("lines")) for line in sink.written[:2]
    ]
    assert ["u0", "u1", "u2"] == [line["subject"] for line in sink.written[1:]]
    assert [{"lines": 1, "reason": "full"}] == told.of("audit.lost"), "told at once, and not once a line"


async def test_sink_that_stays_broken_holds_up_no_shutdown(sink, told):
    """What is left is counted as lost, whatever the sink does."""
    sink.fault = RuntimeError("a mistake of ours")
    log = log_of(sink, told)
    log.start()
    log.record("login.done", {})
    async with asyncio.timeout(30):
        await log.close(patience=0.05)

    assert [{"lines": 1, "reason": "stopped"}] == told.of("audit.lost")
    assert ["RuntimeError"] == [fields["reason"] for fields in told.of("audit.failing")]


async def test_log_that_was_never_started_closes(sink):
    """A worker that fails at the start still stops."""
    await log_of(sink).close()

    assert sink.closed


async def test_refusing_log_holds_up_from_the_first_failure_until_it_can_be_written(sink):
    """What cannot be recorded does not happen."""
    sink.fault = AuditSinkFailed("disk full")
    log = log_of(sink, when_full=WhenFull.REFUSE)
    log.start()
    log.check_writable()
    log.record("login.done", {})
    await until(lambda: sink.tries >= 1)
    with pytest.raises(AuditUnavailable) as refused:
        log.check_writable()
    sink.fault = None
    await until(lambda: sink.written)
    log.check_writable()
    await log.close()

    assert (503, "audit_unavailable", 5) == (
        refused.value.status,
        refused.value.code,
        refused.value.retry_after,
    )


async def test_refusing_log_holds_up_before_its_queue_is_full(sink):
    """A sink that is slower than the events is as bad as one that fails."""
    log = log_of(sink, when_full=WhenFull.REFUSE, capacity=10)
    for _ in range(9):
        log.record("login.done", {})

    with pytest.raises(AuditUnavailable):
        log.check_writable()


async def test_dropping_log_never_holds_up(sink):
    """The default."""
    log = log_of(sink, capacity=1)
    for _ in range(9):
        log.record("login.done", {})

    assert None is log.check_writable()


async def test_purge_that_fails_is_told_and_ends_nothing(sink, told):
    """A minute later is as good."""
    assert 0 == await log_of(sink, told).purge(NOW)
    assert [{"reason": "store_unavailable"}] == told.of("audit.purge_failed")


async def test_log_that_cannot_be_read_back_says_so(sink):
    """501 audit_not_searchable."""
    with pytest.raises(AuditNotSearchable):
        log_of(sink).searchable()


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────


def test_long_subject_stays_as_it_is():
    """It is looked for by it (OIDC Core §2: up to 255 characters)."""
    assert "A" * 255 == build_event("login.done", {"subject": "A" * 255}, NOW).fields["subject"]


def test_line_has_uniform_names_in_one_order_and_nothing_empty():
    """Whatever order the event has them in."""
    made = build_event("access.denied", {"zone": 1, "reason": "x", "subject": "alice", "rule": None}, NOW)

    assert ["time", "event", "outcome", "subject", "reason", "zone"] == list(made.fields)


def test_event_says_its_own_outcome_or_has_one():
    """Admin acts may fail."""
    assert "failed" == build_event("admin.act", {"outcome": "failed"}, NOW).fields["outcome"]
    assert {name: AUDITED[name] for name in AUDITED} == {
        name: build_event(name, {}, NOW).fields["outcome"] for name in AUDITED
    }


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "A" * 64,
        {"deep": ["x", {"deeper": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"}]},
    ],
)
def test_what_looks_like_a_token_is_in_no_line(secret):
    """However deep, and whoever put it there."""
    text = build_event("login.failed", {"reason": secret, "cause": secret}, NOW).text
    assert b"eyJ" not in build_event("admin.act", {"target": f"text:{secret}"}, NOW).text

    assert b"eyJ" not in text
    assert b"AAAA" not in text
    assert b"***" in text


@pytest.mark.parametrize(
    "value",
    ["\ud800", float("nan"), float("inf"), 2**80, b"bytes", object, {1: {2: {3: {4: 5}}}}, "x" * 10_000, {3, 1}],
)
def test_no_value_breaks_a_line(value):
    """Names come from tokens: any text, any size, any shape."""
    line = json.loads(b"{" + build_event("login.failed", {"reason": value, "subject": value}, NOW).text + b"}")

    assert "login.failed" == line["event"]
    assert len(json.dumps(line)) < 4000


@pytest.mark.parametrize("name", ["seq", "mac", "prev", "key", "chain", "late", "time", "event"])
def test_event_cannot_bring_what_the_chain_adds(name):
    """A field of that name would be read in the place of ours."""
    made = build_event("login.done", {name: "forged"}, NOW)

    assert "forged" not in made.fields.values()


# ── where it goes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sink", ["", "file:", "syslog", "audit.jsonl", "store:x", "stdout:"])
def test_no_other_sink_is_known(sink):
    """Start-up stops, and says what would do."""
    with pytest.raises(ValueError, match="stdout, store or file:PATH"):
        open_place(AuditSettings(sink=sink), KeyRing([KEY]), MemoryAudit())


def test_sinks_by_their_names(tmp_path):
    """As the configuration writes them; a device is like the output."""
    places = [
        open_place(AuditSettings(sink=sink), KeyRing([KEY]), MemoryAudit())
        for sink in ("stdout", "store", f"file:{tmp_path / 'audit.jsonl'}", f"file:{os.devnull}")
    ]

    assert [("stdout", False), ("store", True), ("file", True), ("stdout", False)] == [
        (place.kind, place.reader is not None) for place in places
    ]


async def test_lines_on_the_output_are_chained(monkeypatch):
    """For those who collect what containers print."""
    output = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)
    sink = StreamSink(chain())
    await sink.append([build_event("login.done", {}, NOW)])
    await sink.append([build_event("logout.done", {}, NOW)])
    lines = [json.loads(line) for line in output.buffer.getvalue().splitlines()]

    assert ["audit.opened", "login.done", "logout.done"] == [line["event"] for line in lines]
    assert [lines[0]["mac"], lines[1]["mac"]] == [lines[1]["prev"], lines[2]["prev"]]


async def test_closed_output_is_a_failure_and_no_crash(monkeypatch):
    """The chain goes on where it was."""
    sink = StreamSink(chain())
    closed = io.TextIOWrapper(io.BytesIO())
    closed.buffer.close()
    monkeypatch.setattr(sys, "stdout", closed)

    with pytest.raises(AuditSinkFailed) as failed:
        await sink.append([build_event("login.done", {}, NOW)])

    assert "ValueError" == failed.value.reason


async def test_file_and_head_are_their_owner_s_alone(tmp_path):
    """The log names people and addresses."""
    await in_file(tmp_path / "audit.jsonl").sink.append([build_event("login.done", {}, NOW)])

    assert {"audit.jsonl": 0o600, "audit.jsonl.head": 0o600} == {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()
    }


async def test_directory_that_is_gone_fails_with_a_category(tmp_path):
    """No path, which may name people, is told."""
    with pytest.raises(AuditSinkFailed) as failed:
        await in_file(tmp_path / "gone" / "audit.jsonl").sink.append([build_event("login.done", {}, NOW)])

    assert "FileNotFoundError" == failed.value.reason
