"""Which events are for auditors, and how one becomes the fields of a line. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from bff.events import Trace

# Every audited event, with its outcome where the event itself does not say. Everything else is for operators' logs.
AUDITED: Mapping[str, str] = {
    "login.done": "ok",
    "login.failed": "failed",
    "logout.done": "ok",
    "logout.backchannel": "ok",
    "renewal.done": "ok",
    "renewal.refused": "denied",
    "access.denied": "denied",
    "access.allowed": "ok",
    "token_rule_violated": "denied",
    "tokens.revoked": "ok",
    "tokens.revocation_failed": "failed",
    "session.revoked": "ok",
    "session.displaced": "ok",
    "session.elsewhere": "denied",
    "admin.act": "ok",
    "admin.refused": "denied",
    "review.recorded": "ok",
    "roles_cut": "ok",
    "assignments.read": "ok",
    "assignments.unreadable": "failed",
    "configuration.loaded": "ok",
    "configuration.changed": "ok",
    "keys.changed": "ok",
    "keys.adopted": "ok",
    "keys.unreadable": "failed",
    "audit.lost": "failed",
    "audit.opened": "ok",
}
# The fields that every line has under the same names, in the order in which it shows them.
UNIFORM = ("outcome", "request_id", "subject", "session", "route", "method", "rule", "reason", "address")
CHAIN = frozenset({"seq", "late", "chain", "key", "prev", "mac"})  # what the chain adds; no event may bring them
_RESERVED = CHAIN | {"time", "event"}
# What may be long by right: a subject may be any text (OIDC Core §2). A JWT is none, wherever it stands.
_EXACT = frozenset({"subject", "session", "request_id", "route", "target"})
_JWT = r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"
_TOKENS = re.compile(_JWT)
_SECRET_VALUES = re.compile(rf"{_JWT}|[A-Za-z0-9_-]{{64,}}")
_MAX_TEXT = 512  # characters of one value
_MAX_ITEMS = 50
_MAX_DEPTH = 3
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What is to be written: the fields, and the same as JSON without the outer braces."""

    time: float
    name: str
    fields: Mapping[str, object]
    text: bytes


def build_event(name: str, fields: Mapping[str, object], time: float, trace: Trace | None = None) -> AuditEvent:
    """Put the fields of an event into their order; what the event leaves open is taken from the request's trace.

    What is None is left out, what looks like a token is blanked, and what is long is cut.
    """
    given = {key: value for key, value in fields.items() if key not in _RESERVED and value is not None}
    given.setdefault("outcome", AUDITED.get(name, "ok"))
    if trace is not None:
        given.setdefault("request_id", trace.request_id)
        if trace.address:
            given.setdefault("address", trace.address)
    line: dict[str, object] = {"time": round(time, 6), "event": name}
    for key in UNIFORM:
        if key in given:
            line[key] = _clean(given.pop(key), exact=key in _EXACT)
    line.update((str(key)[:_MAX_TEXT], _clean(value, exact=key in _EXACT)) for key, value in given.items())
    return AuditEvent(time, name, line, _ENCODER.encode(line)[1:-1])


def _clean(value: object, *, exact: bool = False, depth: int = 0) -> object:
    match value:
        case bool() | int():
            return value if -(2**63) <= value < 2**64 else str(value)[:_MAX_TEXT]
        case float():
            return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 -- not a number
        case str():
            # A lone surrogate cannot be written as UTF-8.
            text = value.encode("utf-8", "replace").decode()
            return (_TOKENS if exact else _SECRET_VALUES).sub("***", text)[:_MAX_TEXT]
        case None:
            return None
        case Mapping() if depth < _MAX_DEPTH:
            return {
                str(_clean(str(key))): _clean(inner, depth=depth + 1)
                for key, inner in list(value.items())[:_MAX_ITEMS]
            }
        case list() | tuple() if depth < _MAX_DEPTH:
            return [_clean(inner, depth=depth + 1) for inner in value[:_MAX_ITEMS]]
        case set() | frozenset() if depth < _MAX_DEPTH:
            return [_clean(inner, depth=depth + 1) for inner in sorted(map(str, value))[:_MAX_ITEMS]]
        case _:
            return _clean(str(value), depth=depth)
