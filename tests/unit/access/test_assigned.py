"""Roles with a beginning and an end: on time, without asking anybody, and from a file that may change."""

import asyncio
import math
import os
from datetime import datetime
from pathlib import Path

import pytest

from bff.access.assigned import Assigned, AssignmentFile
from bff.access.principals import Principals
from bff.access.roles import RoleMap, RoleReader
from bff.config.assignments import Assignment, parse_assignments, read_assignments
from bff.config.findings import ConfigError
from bff.session.principal import Principal

READER = RoleReader(RoleMap(implies={"contractor": ("reader",)}))
FILE = Path("assignments.toml")


def epoch(text):
    return datetime.fromisoformat(text).timestamp()


def test_an_assigned_role_begins_and_ends_on_time():
    """Half-open: held at its first moment, gone at its last, with what it implies."""
    assigned = Assigned(READER, [Assignment("carol", "contractor", 100.0, 200.0)])
    held = frozenset({"contractor", "reader"})

    assert [frozenset(), held, held, frozenset(), held] == [
        assigned.roles("carol", now) for now in (99.9, 100.0, 199.9, 200.0, 150.0)
    ]
    assert assigned.roles("dave", 150.0) is None


def test_several_assignments_add_up():
    """Each ends by itself."""
    assigned = Assigned(READER, [Assignment("carol", "a", ends_at=10.0), Assignment("carol", "b", 5.0, 20.0)])

    assert [{"a"}, {"a", "b"}, {"b"}, set()] == [set(assigned.roles("carol", now)) for now in (0, 5, 10, 20)]


def test_a_principal_gains_and_loses_assigned_roles_between_renewals():
    """The session's own roles stay; the same principal is asked again and again without anything being built."""
    principals = Principals("i", READER, Assigned(READER, [Assignment("carol", "contractor", ends_at=200.0)]))
    carol = Principal("i", "carol", frozenset({"guest"}))

    before = principals.now(carol, 100.0)
    assert {"guest", "contractor", "reader"} == before.roles
    assert before is principals.now(carol, 150.0)
    assert carol is principals.now(carol, 200.0)


def test_a_file_of_assignments_is_read():
    """Dates are whole days in their zone, times have their offset."""
    text = """
zone = "Europe/Berlin"
[[assignment]]
subject = "carol"
role = "contractor"
from = 2026-11-02
until = 2026-11-27
[[assignment]]
subject = "dave"
role = "admin"
until = 2026-11-27T18:00:00+01:00
note = "ticket 4711"
[[assignment]]
subject = "erin"
role = "reader"
zone = "America/New_York"
until = 2026-11-27T18:00:00
"""
    assert (
        Assignment("carol", "contractor", epoch("2026-11-02T00:00+01:00"), epoch("2026-11-28T00:00+01:00")),
        Assignment("dave", "admin", -math.inf, epoch("2026-11-27T18:00+01:00")),
        Assignment("erin", "reader", -math.inf, epoch("2026-11-27T18:00-05:00")),
    ) == parse_assignments(text, FILE)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[[assignment]]\nsubject = "a"\n', 1, "has no role"),
        ('[[assignment]]\nsubject = "a"\nrole = 7\n', 3, "is an integer"),
        ('[[assignment]]\nsubject = "a"\nrole = "r"\nuntil = 2026-11-27\n', 4, "has no time zone"),
        ('[[assignment]]\nsubject = "a"\nrole = "r"\nuntil = "friday"\n', 4, "is a string"),
        ('[[assignment]]\nsubject = "a"\nrole = "r"\nutil = 1\n', 4, "unknown key"),
        ('[[assignment]]\nsubject = "a"\nrole = "r"\nzone = "Mars/X"\n', 4, "is no known time zone"),
        (
            '[[assignment]]\nsubject = "a"\nrole = "r"\nfrom = 2026-11-27\nzone = "UTC"\nuntil = 2026-11-26\n',
            6,
            "is not after `from`",
        ),
        ('[[assignment]]\nsubject = "a"\nrole = "r"\nzone = "UTC"\nuntil = 9999-12-31\n', 5, "is out of range"),
        ("assignment = 1\n", 1, "is an integer"),
        ("x = 1\n", 1, "unknown key"),
        ("= 1\n", None, "this is not TOML: Invalid statement (at line 1, column 1)"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text, line, message):
    """As for the configuration itself."""
    with pytest.raises(ConfigError) as caught:
        parse_assignments(text, FILE)

    assert [(line, message)] == [(finding.line, finding.message) for finding in caught.value.findings]


def test_the_file_is_followed(tmp_path):
    """A change is taken on; a broken or missing file is told once, and changes nothing."""
    events, file = [], tmp_path / "assignments.toml"
    assigned = Assigned(READER)
    following = AssignmentFile(file, assigned, lambda name, _: events.append(name))

    def write(text, mtime):
        file.write_text(text)
        os.utime(file, (mtime, mtime))
        following.refresh()
        following.refresh()
        return assigned.roles("carol", 0.0)

    assert {"admin"} == write('[[assignment]]\nsubject = "carol"\nrole = "admin"\n', 1)
    assert {"admin"} == write("broken", 2)
    assert {"guest"} == write('[[assignment]]\nsubject = "carol"\nrole = "guest"\n', 3)
    file.unlink()
    following.refresh()
    following.refresh()
    assert {"guest"} == assigned.roles("carol", 0.0)
    assert ["assignments.read", "assignments.unreadable", "assignments.read", "assignments.unreadable"] == events


async def test_the_file_is_watched_beside_the_requests(tmp_path):
    """The first look comes after an interval, and each further one as well."""
    file = tmp_path / "assignments.toml"
    file.write_text('[[assignment]]\nsubject = "carol"\nrole = "admin"\n')
    assigned, waits = Assigned(READER), []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await AssignmentFile(file, assigned).watch(sleep)

    assert ([1.0, 1.0, 1.0], {"admin"}) == (waits, assigned.roles("carol", 0.0))


def test_a_missing_file_stops_the_start(tmp_path):
    """At the start there is nothing to go on with."""
    with pytest.raises(ConfigError):
        read_assignments(tmp_path / "none.toml")
