"""The file of assignments: which subject holds which role, from when until when.

    zone = "Europe/Berlin"                # for dates without an offset

    [[assignment]]
    subject = "carol"
    role = "contractor"
    from = 2026-11-02                     # the beginning of that day
    until = 2026-11-27                    # the end of that day; or 2026-11-27T18:00:00+01:00

It is read at the start and whenever it changes, so it holds nothing that the rest of the configuration depends on.
"""

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path as FilePath
from typing import Any
from zoneinfo import ZoneInfo

from bff.config.findings import ConfigError, Finding, Severity
from bff.config.toml_lines import Path, find_lines
from bff.config.values import BadValue, did_you_mean, quoted, read_text, shape_of

_KEYS = ("subject", "role", "from", "until", "zone", "note")
_DATE = "a date such as 2026-11-27, or a time such as 2026-11-27T18:00:00+01:00"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role of one subject. Times are epoch seconds; the role is held from the first to before the last."""

    subject: str
    role: str
    starts_at: float = -math.inf
    ends_at: float = math.inf


def read_assignments(file: FilePath) -> tuple[Assignment, ...]:
    """Read the file.

    Raises:
        ConfigError: it cannot be read or used; it holds every mistake.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError([_finding(file, None, "", f"the assignments cannot be read: {reason.lower()}")]) from None
    return parse_assignments(text, file)


def parse_assignments(text: str, file: FilePath) -> tuple[Assignment, ...]:
    """Do what `read_assignments` does with a text; `file` is named in findings."""
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([_finding(file, None, "", f"this is not TOML: {error}")]) from None
    lines, findings, read = find_lines(text), [], []

    def report(path: Path, problem: BadValue) -> None:
        places = (lines.get(path[:length]) for length in range(len(path), 0, -1))
        line = next((place for place in places if place is not None), None)
        findings.append(_finding(file, line, ".".join(map(str, path)), problem.message, problem))

    for key in tree.keys() - {"zone", "assignment"}:
        report(
            (key,), BadValue("unknown key", "zone and [[assignment]]", did_you_mean(key, ("zone", "assignment")))
        )
    entries = tree.get("assignment", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        report(("assignment",), BadValue(f"is {shape_of(entries)}", "an array of tables", "write [[assignment]]"))
        entries = []
    for index, entry in enumerate(entries):
        try:
            read.append(_read_entry(entry, tree.get("zone")))
        except _BadEntry as error:
            report(("assignment", index, *error.key), error.problem)
    if findings:
        raise ConfigError(sorted(findings, key=lambda finding: finding.line or 0))
    return tuple(read)


def check_assignments(file: FilePath, known: Collection[str]) -> list[Finding]:
    """Return what is wrong with the file, for `bff check` and the start."""
    try:
        read = read_assignments(file)
    except ConfigError as error:
        return list(error.findings)
    unknown = sorted({entry.role for entry in read if known and entry.role not in known})
    return [
        _finding(file, None, "", f"the role {quoted(role)} is not in roles.known", BadValue("", "a known role"))
        for role in unknown
    ]


class _BadEntry(Exception):
    def __init__(self, key: tuple[str, ...], problem: BadValue) -> None:
        super().__init__(problem.message)
        self.key, self.problem = key, problem


def _read_entry(entry: Mapping[str, Any], common_zone: object) -> Assignment:
    for key in entry:
        if key not in _KEYS:
            raise _BadEntry((key,), BadValue("unknown key", ", ".join(_KEYS), did_you_mean(key, _KEYS)))
    texts = {}
    for key in ("subject", "role"):
        try:
            texts[key] = read_text(entry.get(key), "a string")
        except BadValue as problem:
            where = (key,) if key in entry else ()
            raise _BadEntry(where, problem if where else BadValue(f"has no {key}", "a string")) from None
    zone = _zone(entry.get("zone", common_zone))
    starts_at = _moment(entry, "from", zone, -math.inf)
    ends_at = _moment(entry, "until", zone, math.inf)
    if starts_at >= ends_at:
        raise _BadEntry(("until",), BadValue("is not after `from`", "a later time"))
    return Assignment(texts["subject"], texts["role"], starts_at, ends_at)


def _zone(value: object) -> ZoneInfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(read_text(value))
    except (BadValue, KeyError, ValueError, OSError):
        raise _BadEntry(("zone",), BadValue("is no known time zone", 'a name such as "Europe/Berlin"')) from None


def _moment(entry: Mapping[str, Any], key: str, zone: ZoneInfo | None, otherwise: float) -> float:
    value = entry.get(key)
    if value is None:
        return otherwise
    if not isinstance(value, date):
        raise _BadEntry((key,), BadValue(f"is {shape_of(value)}", _DATE, "write it without quotes"))
    if not (isinstance(value, datetime) and value.tzinfo is not None) and zone is None:
        raise _BadEntry((key,), BadValue("has no time zone", _DATE, 'or say zone = "Europe/Berlin"'))
    try:
        if not isinstance(value, datetime):  # a whole day, of which `until` means the end
            value = datetime.combine(value + timedelta(days=1 if key == "until" else 0), time())
        return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).timestamp()
    except (OverflowError, ValueError):
        raise _BadEntry((key,), BadValue("is out of range", _DATE)) from None


def _finding(file: FilePath, line: int | None, key: str, message: str, problem: BadValue | None = None) -> Finding:
    expected, hint = (problem.expected, problem.hint) if problem is not None else ("", "")
    return Finding(Severity.ERROR, str(file), line, key, message, expected, hint)
