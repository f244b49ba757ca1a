"""Whether a line fits a query. Pure."""

from collections.abc import Mapping

import msgspec

from bff.access.auditing.chain import MAX_SEQ
from bff.access.auditing.events import CHAIN
from bff.session.audit_records import AuditQuery

_DECODER = msgspec.json.Decoder(dict[str, object])


def decode(line: bytes | str) -> Mapping[str, object] | None:
    """Return a line as an object; None where it is none of ours."""
    try:
        found = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    seq, time = found.get("seq"), found.get("time")
    is_number = isinstance(time, int | float) and not isinstance(time, bool)
    return found if type(seq) is int and 0 < seq <= MAX_SEQ and is_number else None


def fits(query: AuditQuery, line: Mapping[str, object]) -> bool:
    """Tell whether everything that is asked holds for this line."""
    time = line["time"]
    if query.since is not None and not time >= query.since:  # type: ignore[operator]
        return False
    if query.until is not None and not time <= query.until:  # type: ignore[operator]
        return False
    if any(line.get(name) != value for name, value in query.exact()):
        return False
    if query.event_prefix is not None and not str(line.get("event")).startswith(query.event_prefix):
        return False
    return query.text is None or _holds(line, _folded(query.text))


def _holds(line: Mapping[str, object], text: bytes) -> bool:
    return any(text in _folded(value) for name, value in line.items() if name not in CHAIN)


def _folded(value: object) -> bytes:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text.encode("utf-8", "replace").lower()
