"""What `bff check` says about the audit log."""

import os

import pytest

from bff.cli.checks.audit import check_audit
from bff.cli.checks.outcome import Status
from bff.config.settings import AuditSettings, OidcSettings, Settings


def said(sink):
    settings = Settings("https://a.example", OidcSettings("https://id.example", "spa"), audit=AuditSettings(sink))
    (outcome,) = check_audit(settings)
    return outcome.status, outcome.message


@pytest.mark.parametrize(
    ("sink", "message"), [("stdout", "lines go to standard output"), ("store", "lines go to the session store")]
)
def test_sinks_that_are_no_files_are_fine(sink, message):
    """The store is checked by itself."""
    assert (Status.OK, message) == said(sink)


def test_file_in_a_directory_that_is_there_is_fine(tmp_path):
    """And nothing is made by looking."""
    assert (Status.OK, f"lines go to {tmp_path}/audit.jsonl") == said(f"file:{tmp_path}/audit.jsonl")
    assert [] == list(tmp_path.iterdir())


def test_directory_that_is_missing_fails(tmp_path):
    """Before the server starts, and not with its first login."""
    assert (Status.FAIL, f"the directory {tmp_path}/gone does not exist") == said(
        f"file:{tmp_path}/gone/audit.jsonl"
    )


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head", ""])
def test_place_that_cannot_be_written_fails(tmp_path, monkeypatch, name):
    """Whichever of the log, its head record and their directory it is."""
    for each in ("audit.jsonl", "audit.jsonl.head"):
        (tmp_path / each).touch()
    blocked = tmp_path / name
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != blocked and access(path, mode))

    status, message = said(f"file:{tmp_path}/audit.jsonl")
    assert Status.FAIL is status
    assert str(blocked) in message
