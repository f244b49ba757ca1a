"""Request targets as raw bytes: what is refused before anything is matched.

A proxy must decide on the same bytes it forwards (OWASP ASVS 4.2, RFC 9110 §7.7), so nothing is normalised here:
a target is either unambiguous, and travels byte for byte, or it is refused.
"""

import re

from bff.errors import BadRequestTarget
from bff.http.octets import build_identity_table

MAX_TARGET = 8 * 1024  # bytes of path; longer ones are somebody's mistake or attack

# Raw bytes that a path may hold. Not: controls, space, backslash, the signs of query and fragment, quotes and
# brackets that clients must percent-encode (RFC 3986 §2) and that URL parsers disagree about, and whatever is not
# ASCII: its encoded form is the one spelling that rules and upstreams can be held to.
_ALLOWED = build_identity_table(frozenset(range(0x21, 0x7F)) - frozenset(b'\\#?<>"^`{|}'))
# The same in disguise, and the two bytes that occur only in overlong UTF-8.
_FORBIDDEN_ESCAPES = re.compile(rb"%(?:[01][0-9a-f]|5c|7f|c0|c1)", re.IGNORECASE)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9a-f]{2})", re.IGNORECASE)
_ESCAPE = re.compile(rb"%([0-9a-f]{2})", re.IGNORECASE)
_DOT, _PERCENT = ord("."), ord("%")  # a byte is found in half the time of a string of one
_MAX_DECODINGS = 3  # a sloppy upstream may decode twice; look one further


def check_target(raw_path: bytes) -> None:
    """Raise `BadRequestTarget` unless every reader of this path would understand the same by it."""
    if raw_path[:1] != b"/" or len(raw_path) > MAX_TARGET or raw_path.translate(_ALLOWED) != raw_path:
        raise BadRequestTarget
    if _DOT in raw_path:
        _check_segments(raw_path)
    if _PERCENT in raw_path:
        _check_escapes(raw_path)


_ALLOWED_IN_QUERY = build_identity_table(frozenset(range(0x21, 0x7F)) - frozenset(b"#"))


def check_query(query: bytes) -> None:
    """Raise `BadRequestTarget` for a query that could split a request line or a header, or is not ASCII."""
    if query.translate(_ALLOWED_IN_QUERY) != query:
        raise BadRequestTarget


def check_single_slashes(raw_path: bytes) -> None:
    """Raise `BadRequestTarget` for an empty segment inside the path: some upstreams fold it away, others do not.

    A slash at the end is none. An encoded slash counts as one, for an upstream may decode it first.
    """
    path = raw_path
    for _ in range(_MAX_DECODINGS):
        if b"//" in path:
            raise BadRequestTarget("This route takes no path with an empty segment.")
        path = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), path)


def _check_escapes(path: bytes) -> None:
    if _BROKEN_ESCAPE.search(path):
        raise BadRequestTarget
    for _ in range(_MAX_DECODINGS):
        if _FORBIDDEN_ESCAPES.search(path):
            raise BadRequestTarget
        path = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), path)
        _check_segments(path)
        if not _ESCAPE.search(path):
            return


def _check_segments(path: bytes) -> None:
    for segment in path.split(b"/"):
        if segment.split(b";", 1)[0].strip(b" ") in {b".", b".."}:
            raise BadRequestTarget
