"""Secret keys as text: what makes one acceptable, and the file that lists them, newest first. Pure."""

import itertools
import re

from bff.config.values import BadValue
from bff.crypto.key_ring import decode_key

EXPECTED = "32 or more random bytes in base64url"
HINT = "make one with `bff keys new`"

# Words that no one meets in 43 random characters, but everyone in examples.
_EXAMPLE_WORDS = re.compile(r"change[-_]?me|example|placeholder|password|insecure", re.IGNORECASE)
_MIN_DISTINCT_BYTES = 16  # 32 random bytes have 30 distinct ones; fewer than 16 will not happen


def check_key(text: str) -> None:
    """Refuse a key that is too short, or that nobody can have drawn at random. The key is never quoted."""
    if re.search(r"\s", text.strip()):
        raise BadValue("holds white space", EXPECTED, "put one key on a line")
    try:
        material = decode_key(text)
    except ValueError as error:
        raise BadValue(str(error), EXPECTED, HINT) from None
    if _EXAMPLE_WORDS.search(text) or _EXAMPLE_WORDS.search(material.decode("latin-1")):
        raise BadValue("is an example value", EXPECTED, HINT)
    if len(set(material)) < _MIN_DISTINCT_BYTES or _is_counting(material) or _is_text(material):
        raise BadValue("is not random", EXPECTED, HINT)


def _is_counting(material: bytes) -> bool:
    return len({(after - before) % 256 for before, after in itertools.pairwise(material)}) == 1


def _is_text(material: bytes) -> bool:
    """Whether the bytes are a passphrase in base64: all printable, once in 10^13 for random ones."""
    return all(0x20 <= byte < 0x7F for byte in material)


def parse_key_file(text: str) -> list[tuple[int, str]]:
    """Return the keys of a file with their lines from 1. Blank lines and `#` comments do not count."""
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        key = line.partition("#")[0].strip()
        if key:
            keys.append((number, key))
    return keys


def put_in_front(text: str, key: str) -> str:
    """Return the text of a key file with one more key before all others; every comment stays where it was."""
    keys = parse_key_file(text)
    lines = text.splitlines(keepends=True)
    at = keys[0][0] - 1 if keys else len(lines)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines[:at], f"{key}\n", *lines[at:]])
