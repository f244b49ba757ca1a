"""What an entry of `allow` may ask of a request, as values, and how each is written. Pure.

The parsers raise `ValueError` with a sentence. What the values mean to a request is `bff.access.conditions`'.
"""

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Scalar = str | int | float | bool

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LITERAL = re.compile(r"[^/{}*%\\;?#\x00-\x20\x7f]+")
_DAY_RANGE = re.compile("({0})(-({0}))?".format("|".join(DAYS)))
_HOURS = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")


class PathPattern(NamedTuple):
    """A pattern for the path below a route.

    `segments` holds a literal, or None for any one segment; `parameters` are (name, position); an open pattern
    ended in `**` and takes any number of further segments.
    """

    text: str
    segments: tuple[str | None, ...]
    parameters: tuple[tuple[str, int], ...]
    is_open: bool

    @property
    def specificity(self) -> tuple[int, int]:
        """How many segments are named, and how many there are."""
        return sum(segment is not None for segment in self.segments), len(self.segments)


class TimeWindow(NamedTuple):
    """Days of the week (0: Monday) and minutes of the day in a zone; an `end` before `start` is the next day's."""

    text: str
    days: frozenset[int]
    start: int
    end: int
    zone: str


class ClaimTest(NamedTuple):
    """What a claim must be: `equals`, `contains` (an array's entry, a string's word) or `present` a value."""

    how: str
    value: Scalar

    def __str__(self) -> str:
        if self.how == "present":
            return "is present" if self.value else "is absent"
        return f"{self.how} {self.value!r}"


def parse_path_pattern(text: str) -> PathPattern:
    """Take apart `/users/{sub}/orders/*` or `/files/**`."""
    if not text.startswith("/"):
        raise ValueError("does not start with a slash")
    parts = text[1:].split("/") if text != "/" else []
    is_open = bool(parts) and parts[-1] == "**"
    segments: list[str | None] = []
    parameters: dict[str, int] = {}
    for position, part in enumerate(parts[:-1] if is_open else parts):
        if (parameter := _PARAMETER.fullmatch(part)) is not None:
            if parameter[1] in parameters:
                raise ValueError(f"has two parameters named {parameter[1]}")
            parameters[parameter[1]] = position
            segments.append(None)
        elif part == "*":
            segments.append(None)
        elif part == "**":
            raise ValueError("has ** before its end")
        elif _LITERAL.fullmatch(part) is None or part in {".", ".."}:
            raise ValueError("has a segment that is neither a plain name, nor {name}, nor *")
        else:
            segments.append(part)
    return PathPattern(text, tuple(segments), tuple(parameters.items()), is_open)


def covers(wide: PathPattern | None, narrow: PathPattern | None) -> bool:
    """Whether every path that fits `narrow` fits `wide`. None fits any path."""
    if wide is None:
        return True
    if narrow is None:
        return wide.is_open and not wide.segments
    if narrow.is_open and not wide.is_open:
        return False
    if len(narrow.segments) < len(wide.segments) or (
        len(narrow.segments) > len(wide.segments) and not wide.is_open
    ):
        return False
    return all(w is None or w == n for w, n in zip(wide.segments, narrow.segments, strict=False))


def overlaps(one: PathPattern | None, other: PathPattern | None) -> bool:
    """Whether some path fits both."""
    if one is None or other is None:
        return True
    shorter, longer = sorted((one, other), key=lambda pattern: len(pattern.segments))
    if len(shorter.segments) < len(longer.segments) and not shorter.is_open:
        return False
    return all(a is None or b is None or a == b for a, b in zip(shorter.segments, longer.segments, strict=False))


def parse_time_window(text: str) -> TimeWindow:
    """Take apart `mon-fri 08:00-18:00 Europe/Berlin`: days (else all), hours (else all day), zone (else UTC)."""
    days, hours, zone = frozenset(range(7)), (0, 24 * 60), "UTC"
    given: set[str] = set()
    for word in text.split():
        if (found := _HOURS.fullmatch(word)) is not None:
            what, hours = "hours", _hours(*map(int, found.groups()))
        elif all(_DAY_RANGE.fullmatch(part) for part in word.lower().split(",")):
            what, days = "days", _days(word.lower())
        else:
            what, zone = "time zone", word
        if what in given:
            raise ValueError(f"has two parts for its {what}, or one that is not understood")
        given.add(what)
    if not given:
        raise ValueError("is empty")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError, which has the next clause
        raise ValueError(f"has the unknown time zone {zone}") from None
    except KeyError:
        raise ValueError(
            f"has the unknown time zone {zone} (or this machine has no time zone database: install tzdata)"
        ) from None
    return TimeWindow(" ".join(text.split()), days, *hours, zone)


def _hours(from_hour: int, from_minute: int, until_hour: int, until_minute: int) -> tuple[int, int]:
    start, end = from_hour * 60 + from_minute, until_hour * 60 + until_minute
    if from_minute > 59 or until_minute > 59 or start >= 24 * 60 or end > 24 * 60:
        raise ValueError("has hours that no clock shows")
    if start == end:
        raise ValueError("begins and ends at the same time")
    return start, end


def _days(word: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        first, _, last = part.partition("-")
        start = DAYS.index(first)
        count = (DAYS.index(last or first) - start) % 7 + 1
        found.update((start + step) % 7 for step in range(count))
    return frozenset(found)
