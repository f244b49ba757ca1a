"""What looks like a secret or a person, and is blanked wherever it turns up. Pure."""

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from traceback import FrameSummary, extract_tb
from types import TracebackType
from typing import Any

BLANK = "***"
_SECRET_NAMES = re.compile(
    r"token|secret|cookie|password|authorization|verifier|assertion|nonce|\bcode\b", re.IGNORECASE
)
_PLAIN_NAMES = frozenset({"event", "level", "timestamp", "code"})  # `code` is an error's stable name here
# JWTs, and what is as long as our envelopes, authorization codes, verifiers and states: 256 bits in base64url.
# Request ids (32 hexadecimal digits) and handles (24) are shorter; names of functions have small letters alone.
_SECRET_VALUES = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"
    r"|[A-Za-z0-9_-]{64,}|(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{40,}"
)

_SHORTEST = 13  # characters that may be one

# In lines that are not ours, nothing says which part is what: there it takes less to be blanked.
_FOREIGN = (
    (re.compile(r"(?<=\?)[^\s\"'<>)\]]+"), BLANK),  # queries carry codes, states and hints
    (re.compile(r"(?i)\b(bearer|basic|dpop)\s+[^\s\"',)\]]+"), rf"\1 {BLANK}"),
    (re.compile(r"[^\s@:/\"'<>()\[\],=]+@[^\s@\"'<>()\[\],]+\.[A-Za-z]{2,}"), BLANK),  # addresses of people
    (re.compile(r"(?<=//)[^/\s@]+@"), f"{BLANK}@"),  # names and passwords in URLs
    (
        re.compile(
            r"(?i)((?:token|secret|cookie|password|authorization|verifier|assertion|nonce|state|code|\b(?:\w+_)?(?:user)?name"
            r"|e-?mail)\w*['\"]?\s*[=:,]\s*)(?:b?'[^']*'|b?\"[^\"]*\"|[^\s'\"&,)\]}]+)"
        ),
        rf"\1{BLANK}",
    ),
    # Letters and digits mixed, as in no word of ours and in every random value.
    (re.compile(r"(?=[A-Za-z0-9_%+=-]*\d)(?=[A-Za-z0-9_%+=-]*[A-Za-z])[A-Za-z0-9_%+=-]{20,}"), BLANK),
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field that is named like a secret or looks like one."""
    for name, value in event.items():
        if name not in _PLAIN_NAMES:
            event[name] = _named(name, value)
    return event


def redact_value(value: str) -> str:
    """Return one value of ours without what looks like a secret."""
    return _SECRET_VALUES.sub(BLANK, value)


def redact_text(text: str) -> str:
    """Return somebody else's line without what may be a secret or a person's."""
    text = _SECRET_VALUES.sub(BLANK, text)
    for pattern, replacement in _FOREIGN:
        text = pattern.sub(replacement, text)
    return text


def frames(traceback: TracebackType | None) -> list[str]:
    """Return where an exception came from, innermost last: places alone, for messages may hold anything."""
    return [_place(frame) for frame in extract_tb(traceback)[-_DEEPEST:]]


_DEEPEST = 30  # frames


def _place(frame: FrameSummary) -> str:
    _, _, inside = frame.filename.rpartition("/site-packages/")
    return f"{inside or frame.filename}:{frame.lineno} {frame.name}"


@lru_cache(1024)  # there are few names, and each comes with every line
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _named(name: object, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_secret_name(str(name)):
        return BLANK
    if isinstance(value, str) and len(value) < _SHORTEST:
        return value
    return _cleaned(value)


def _cleaned(value: object) -> object:
    """Return the value without what looks like a secret, however deep it lies."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_value(value)
        case Mapping():
            return {str(_cleaned(name)): _named(name, inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_cleaned(inner) for inner in value]
        case _:
            return redact_value(repr(value))
