"""What comes from outside, printed: names and lines that are anybody's must not steer a terminal."""

import json
from typing import Any

_LONGEST = 200  # characters of one name that somebody else may have chosen


def printable(text: str) -> str:
    """Return the text with escapes in the place of what a terminal would obey, or not show."""
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def shortened(text: str) -> str:
    """Return a text of somebody else's, printable and no longer than can be read."""
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def write_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON for programs and people: letters of every script as they are, and no control among them."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(letter if letter == "\n" or letter.isprintable() else _as_json(letter) for letter in text)


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _as_json(letter: str) -> str:
    return json.dumps(letter)[1:-1] if ord(letter) != 0x7F else "\\u007f"  # which JSON leaves as it is
