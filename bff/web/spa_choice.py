"""Which form of a file a request gets, and which part of it. Pure."""

import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence

_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})\Z")
_QUALITY = re.compile(rb"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")

Headers = Sequence[tuple[bytes, bytes]]


def header(headers: Headers, name: bytes) -> bytes | None:
    """Return a header's value, several lines joined as one (RFC 9110 §5.3); None without it."""
    found = [value for key, value in headers if key == name]
    return b", ".join(found) if found else None


def is_navigation(headers: Headers) -> bool:
    """Tell whether a person goes to this address; script, images and styles do not get a page for an answer."""
    mode = header(headers, b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    accept = header(headers, b"accept")
    return accept is None or b"text/html" in accept


def is_app_path(path: str) -> bool:
    """Tell whether the app's own router owns this path: its last segment names no kind of file that is known."""
    last = path.rsplit("/", 1)[-1]
    return "." not in last or (not last.startswith(".") and mimetypes.guess_type(last) == (None, None))


def choose_encoding(accepted: bytes | None, sizes: Mapping[bytes, int]) -> bytes:
    """Return the best of these codings (RFC 9110 §12.5.3): what the client prefers, then what is smallest.

    `sizes` holds bytes by coding, `identity` among them, which is what is left when nothing else is welcome.
    """
    if accepted is None:
        return b"identity"
    wanted = dict(_qualities(accepted))
    others = wanted.get(b"*", 0.0)
    welcome = [
        (-quality, size, coding)
        for coding, size in sizes.items()
        if coding != b"identity" and (quality := wanted.get(coding, others)) > 0
    ]
    best = min(welcome, default=None)
    if best is None or wanted.get(b"identity", 0.0) > -best[0]:
        return b"identity"
    return best[2]


def has_tag(listed: bytes | None, etag: bytes) -> bool:
    """Tell whether If-None-Match names this tag, weak or strong, or any (RFC 9110 §13.1.2)."""
    if listed is None:
        return False
    return any(item.strip().removeprefix(b"W/") in {etag, b"*"} for item in listed.split(b","))


def choose_range(wanted: bytes | None, if_range: bytes | None, etag: bytes, size: int) -> range | None:
    """Return the bytes that are asked for, an empty range when there are no such, None for the whole.

    One range alone is served; a server may ignore what it does not want to (RFC 9110 §14.2), and does so when the
    client's first part was of another version (§13.1.5).
    """
    if wanted is None or (if_range is not None and if_range != etag):
        return None
    found = _RANGE.match(wanted.strip())
    if found is None or found[1] == found[2] == b"":
        return None
    if not found[1]:
        last = int(found[2])
        return range(max(0, size - last), size)
    first = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < first:
        return None
    return range(first, max(first, end)) if first < size else range(0)


def _qualities(accepted: bytes) -> Iterable[tuple[bytes, float]]:
    for item in accepted.lower().split(b",")[:50]:
        coding, *parameters = (part.strip() for part in item.split(b";"))
        quality = next((part[2:] for part in parameters if part.startswith(b"q=")), b"1")
        yield coding, float(quality) if _QUALITY.match(quality) else 0.0
