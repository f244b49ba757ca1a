"""`bff audit`: searched, followed and verified from the command line."""

import asyncio
import gzip
import json

import pytest

from bff.access.auditing.chain import Chain
from bff.access.auditing.events import build_event
from bff.access.auditing.file_sink import FileSink
from bff.access.auditing.store_sink import StoreSink
from bff.access.auditing.stream_sink import StreamSink
from bff.crypto.key_ring import KeyRing, new_key
from bff.session.stores import audit_of, open_store
from tests.audits import NOW

EVENTS = [
    build_event("login.done", {"subject": "alice", "session": "5c"}, NOW),
    build_event("access.denied", {"subject": "bob", "reason": "role_missing", "route": "/api"}, NOW + 60),
    build_event("login.failed", {"reason": "nonce_mismatch", "zone": "\x1b[31mred"}, NOW + 120),
]


@pytest.fixture
def logged(directory, configured):
    """A configuration with three lines in its log."""
    configured('[audit]\nsink = "file:audit.jsonl"\n')
    path = directory / "audit.jsonl"
    ring = KeyRing([(directory / "bff.keys").read_text()])
    asyncio.run(FileSink(path, Chain(ring)).append(EVENTS))
    return path


def test_search_shows_lines_for_people_newest_first(logged, bff):
    """Time, event, outcome, and what belongs to it; what comes from a token moves no cursor."""
    result = bff("audit", "search")

    assert 0 == result.exit_code
    assert ["login.failed", "access.denied", "login.done", "audit.opened"] == [
        line.split()[1] for line in result.stdout.splitlines()
    ]
    assert "denied  subject=bob  route=/api  reason=role_missing" in result.stdout
    assert "zone=\\x1b[31mred" in result.stdout
    assert "mac=" not in result.stdout
    assert "4 lines" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        (["--sub", "alice"], ["login.done"]),
        (["--event", "login."], ["login.failed", "login.done"]),
        (["--event", "login.", "--limit", "1"], ["login.failed"]),
        (["--outcome", "denied", "--route", "/api"], ["access.denied"]),
        (["--text", "NONCE"], ["login.failed"]),
        (["--since", "2026-11-24T10:01:00Z", "--until", "2026-11-24T10:01:30Z"], ["access.denied"]),
        (["--since", "1000d", "--session", "5c", "--all"], ["login.done"]),
        (["--reason", "nothing", "--method", "GET"], []),
    ],
    ids=str,
)
def test_search_for_machines_prints_what_fits_as_it_is(logged, bff, arguments, events):
    """One JSON document a line, with the chain in it."""
    found = [json.loads(line) for line in bff("audit", "search", "--json", *arguments).stdout.splitlines()]

    assert events == [line["event"] for line in found]
    assert all(line["mac"] in logged.read_text() for line in found)


def test_time_that_is_none_is_refused(logged, bff):
    """Before anything is searched."""
    result = bff("audit", "search", "--since", "yesterday")

    assert 2 == result.exit_code
    assert "--since" in result.stderr


def test_tail_shows_the_newest_lines_in_their_order(logged, bff):
    """As `tail` does."""
    lines = [json.loads(line) for line in bff("audit", "tail", "-n", "2", "--json").stdout.splitlines()]

    assert ["access.denied", "login.failed"] == [line["event"] for line in lines]


def test_whole_log_verifies_with_exit_code_0(logged, bff):
    """It says what was verified, so that an auditor can write it down."""
    result = bff("audit", "verify")

    assert 0 == result.exit_code
    assert "the audit log is whole: line 1 to 4 of the chain" in result.stdout
    assert "2026-11-24T10:00:00Z to 2026-11-24T10:02:00Z (4 lines)" in result.stdout


def test_broken_log_names_its_first_broken_line_with_exit_code_1(logged, bff):
    """And what is wrong with it; from the next line on all may be well."""
    logged.write_bytes(logged.read_bytes().replace(b'"alice"', b'"elice"'))
    result, as_json = bff("audit", "verify"), bff("audit", "verify", "--json")

    assert (1, 1) == (result.exit_code, as_json.exit_code)
    assert "BROKEN at line 2: it was changed" in result.stdout
    verified = json.loads(as_json.stdout)
    assert (False, 2, 1) == (verified["ok"], verified["problem"]["line"], verified["lines"])
    assert 0 == bff("audit", "verify", "--from", "3").exit_code


def test_cut_log_is_broken_although_each_line_is_whole(logged, bff):
    """The head record beside it knows better."""
    logged.write_bytes(b"".join(logged.read_bytes().splitlines(keepends=True)[:-1]))
    result = bff("audit", "verify")

    assert 1 == result.exit_code
    assert "the end was cut off" in result.stdout


def test_rotated_and_packed_files_verify_in_order(logged, bff, directory):
    """Several files, the oldest first."""
    packed = directory / "audit.jsonl.1.gz"
    packed.write_bytes(gzip.compress(logged.read_bytes()))
    logged.unlink()
    ring = KeyRing([(directory / "bff.keys").read_text()])
    asyncio.run(FileSink(logged, Chain(ring)).append(EVENTS))
    files = ["--file", str(packed), "--file", str(logged)]

    assert 0 == bff("audit", "verify", *files).exit_code
    assert 1 == bff("audit", "verify", *files[2:], *files[:2]).exit_code
    alone = bff("audit", "verify", "--file", str(packed))
    assert 0 == alone.exit_code
    assert "how the log ends was not checked" in alone.stdout


def test_retired_keys_are_handed_in_for_the_lines_that_they_made(logged, bff, directory):
    """A key that had to go from the configuration still verifies."""
    retired = directory / "retired.keys"
    retired.write_text((directory / "bff.keys").read_text())
    (directory / "bff.keys").write_text(new_key())

    assert 1 == bff("audit", "verify").exit_code
    assert 0 == bff("audit", "verify", "--key-file", str(retired)).exit_code
    retired.write_text("short\n")
    assert 2 == bff("audit", "verify", "--key-file", str(retired)).exit_code


def test_log_on_the_output_cannot_be_searched_and_says_what_to_do(configured, bff):
    """Exit code 2: nothing can be said about it."""
    configured()
    result = bff("audit", "search")

    assert 2 == result.exit_code
    assert "set audit.sink to a file or to the session store" in result.stderr


def test_log_in_a_server_s_memory_is_that_server_s(configured, bff):
    """Nobody else can look into it."""
    configured('[session]\nstore = "memory:"\n[audit]\nsink = "store"\n')
    result = bff("audit", "verify")

    assert 2 == result.exit_code
    assert "in the running server's memory" in result.stderr


def test_log_that_cannot_be_read_is_exit_code_2(logged, bff):
    """A directory in its place, or no permission: that is no verdict."""
    logged.unlink()
    head = logged.with_name("audit.jsonl.head")
    head.unlink()
    head.mkdir()
    result = bff("audit", "verify")

    assert 2 == result.exit_code
    assert "cannot be read" in result.stderr


def test_captured_output_of_several_processes_verifies_chain_by_chain(configured, bff, directory):
    """Each process has a chain of its own, mixed with whatever else was printed."""
    configured()
    ring = KeyRing([(directory / "bff.keys").read_text()])
    captured = directory / "captured.txt"
    one, two = StreamSink(Chain(ring), captured), StreamSink(Chain(ring), captured)

    async def write():
        for sink in (one, two, one, two):
            await sink.append(EVENTS)

    captured.write_text("bff serves\n")
    asyncio.run(write())
    result = bff("audit", "verify", "--file", str(captured))
    lines = captured.read_text().splitlines()
    captured.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    broken = bff("audit", "verify", "--file", str(captured))

    assert (0, 1) == (result.exit_code, broken.exit_code)
    assert "2 chain(s), one for each process" in result.stdout
    assert "removed" in broken.stdout


def test_log_in_the_session_store_is_searched_and_verified(configured, bff, directory):
    """The same commands, wherever it is."""
    configured('[session]\nstore = "sqlite:///s.db"\n[audit]\nsink = "store"\n')
    ring = KeyRing([(directory / "bff.keys").read_text()])

    async def write():
        store = open_store(f"sqlite:///{directory / 's.db'}")
        await StoreSink(audit_of(store), Chain(ring), 90 * 86400.0).append(EVENTS)
        await store.close()

    asyncio.run(write())

    assert ["login.done"] == [
        json.loads(line)["event"] for line in bff("audit", "search", "--sub", "alice", "--json").stdout.splitlines()
    ]
    assert 0 == bff("audit", "verify").exit_code
