"""Readers of single values: from what TOML holds to what the settings hold, or `BadValue` with the way out.

Pure. A message tells the shape of what was found and quotes it only where it cannot be a secret.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from ipaddress import ip_network
from typing import NoReturn

from bff.config.settings import Network
from bff.config.value_types import Rate


class BadValue(Exception):
    """A value that cannot be used."""

    def __init__(self, message: str, expected: str = "", hint: str = "") -> None:
        self.message = message
        self.expected = expected
        self.hint = hint
        super().__init__(message)


class AbsentValue(BadValue):
    """A value that lies elsewhere, and is not there: a variable that is not set, a file that cannot be read."""


DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2


def duration_text(seconds: float) -> str:
    """Return a duration as a configuration has it: "12h"; in the largest unit that it is a whole number of."""
    whole = [unit for unit, size in DURATION_UNITS.items() if seconds >= size and (seconds / size).is_integer()]
    unit = whole[-1] if whole else "s"
    return f"{seconds / DURATION_UNITS[unit]:g}{unit}"


def shape_of(value: object) -> str:
    """What kind of TOML value this is, in TOML's own words."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a float"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "a table"
        case datetime() | date() | time():
            return "a date or time"
        case _:
            return type(value).__name__


def quoted(text: str) -> str:
    """The text as it may be shown: escaped, and cut when it is long."""
    return json.dumps(text if len(text) <= 40 else f"{text[:40]}…", ensure_ascii=not text.isprintable())


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A hint, or an empty string."""
    candidate = nearest(word, candidates)
    return f"did you mean {quoted(candidate)}?" if candidate is not None else ""


def wrong_type(value: object, expected: str) -> NoReturn:
    """Raise for a value of another type than the key takes."""
    raise BadValue(f"is {shape_of(value)}", expected)


def read_text(value: object, expected: str = "a string") -> str:
    """A string with something in it, and no control characters."""
    if not isinstance(value, str):
        wrong_type(value, expected)
    if not value.strip():
        raise BadValue("is empty", expected, "leave the key out to get the default")
    if not value.isprintable():
        raise BadValue("holds control characters", expected)
    return value


def read_bool(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        hint = "write it without quotes" if isinstance(value, str) and value.lower() in {"true", "false"} else ""
        raise BadValue(f"is {shape_of(value)}", "true or false", hint)
    return value


def read_choice(value: object, choices: Iterable[str]) -> str:
    """One of a few words."""
    words = tuple(choices)
    expected = "one of " + ", ".join(map(quoted, words))
    if not isinstance(value, str):
        wrong_type(value, expected)
    if value not in words:
        raise BadValue(f"is {quoted(value)}", expected, did_you_mean(value, words))
    return value


def read_count(value: object) -> int:
    """A whole number from 1."""
    expected = "a whole number from 1"
    if isinstance(value, bool) or not isinstance(value, int):
        wrong_type(value, expected)
    if not 1 <= value <= 2**31 - 1:
        raise BadValue("is out of range", expected)
    return value


def read_fraction(value: object) -> float:
    """A part of the whole: 0 for none, 1 for all."""
    expected = "a number from 0.0 to 1.0"
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong_type(value, expected)
    if not 0 <= value <= 1:
        raise BadValue("is out of range", expected)
    return float(value)


def read_duration(value: object) -> float:
    """Seconds, from a number or from `90s`, `15m`, `12h`, `7d`, `500ms`."""
    seconds = _read_quantity(value, DURATION_UNITS, 'a duration such as "500ms", "90s", "15m", "12h" or "7d"')
    if seconds > 10 * 366 * DURATION_UNITS["d"]:
        raise BadValue("is out of range", "a duration below ten years")
    return seconds


def read_positive_duration(value: object) -> float:
    """Seconds, more than none."""
    seconds = read_duration(value)
    if seconds <= 0:
        raise BadValue("is zero", "a duration longer than nothing")
    return seconds


def read_size(value: object) -> int:
    """Bytes, from a whole number or from `64KiB`, `10MiB`, `1GB`."""
    expected = 'a size such as "64KiB", "10MiB" or "1GB"'
    if isinstance(value, float):
        wrong_type(value, expected)
    size = _read_quantity(value, SIZE_UNITS, expected)
    if not 1 <= size <= 2**53:
        raise BadValue("is out of range", "a size from one byte")
    if size != int(size):
        raise BadValue("is not a whole number of bytes", expected)
    return int(size)


def read_rate(value: object) -> Rate:
    """So many in a time: `100/10s`, `20/1m`."""
    expected = 'a rate such as "100/10s", "20/1m" or "1000/1h"'
    text = read_text(value, expected)
    amount, slash, time = text.partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,9}", amount.strip(), re.ASCII):
        raise BadValue(f"is {quoted(text)}", expected)
    try:
        seconds = read_duration(time)
    except BadValue as problem:
        raise BadValue(f"is {quoted(text)}: the time {problem.message}", expected) from None
    if int(amount) < 1 or seconds < 1 or seconds != int(seconds) or seconds > DURATION_UNITS["d"]:
        raise BadValue("is out of range", "at least one, in whole seconds from 1s to 24h")
    return Rate(int(amount), int(seconds))


def _read_quantity(value: object, units: Mapping[str, float], expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        wrong_type(value, expected)
    if isinstance(value, str):
        match = _NUMBER_AND_UNIT.fullmatch(value.strip())
        if match is None:
            raise BadValue(f"is {quoted(value)}", expected)
        number, unit = match.groups()
        if unit not in units:
            raise BadValue(f"has the unknown unit {quoted(unit)}", expected, did_you_mean(unit, units))
        return float(number) * units[unit]
    # Compared before it is converted: TOML's integers have no bound, and its floats may be nan.
    if not 0 <= value <= 2**53:
        raise BadValue("is out of range", expected)
    return float(value)


def read_network(value: object) -> Network:
    """An address or a network of addresses."""
    expected = 'an address or a network such as "10.0.0.0/8" or "fd00::/8"'
    text = read_text(value, expected)
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{quoted(text)} is no address and no network", expected) from None
    raise BadValue(
        f"{quoted(text)} has bits set beyond its prefix", expected, f"did you mean {quoted(str(network))}?"
    )


def read_token(value: object) -> str:
    """A token of HTTP (RFC 9110 §5.6.2), as header names, methods and cookie names are."""
    text = read_text(value, "a name of letters, digits and !#$%&'*+-.^_`|~")
    if not _TOKEN.fullmatch(text):
        raise BadValue("holds characters that a name cannot hold", "letters, digits and !#$%&'*+-.^_`|~")
    return text


def is_token(text: str) -> bool:
    """Whether this is a token of HTTP (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def read_header_value(value: object) -> str:
    """The value of a header field: printable ASCII, for anything else is read in several ways (RFC 9110 §5.5)."""
    text = read_text(value, "the value of a header")
    if not text.isascii():
        raise BadValue("holds characters that a header should not hold", "ASCII characters")
    return text
