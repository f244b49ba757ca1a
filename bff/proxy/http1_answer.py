"""What the head of an HTTP/1.1 answer says of itself. Pure."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]  # names in small letters

# Bytes. A server's table of headers ends at some 24,000 of them, and the name of one at 65,535 bytes: whoever
# serves what has more may not survive it.
MAX_HEAD = 64 * 1024


def is_too_large(headers: Headers) -> bool:
    """Whether these are more than anybody passes on."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in headers) > MAX_HEAD


def has_length(headers: Headers) -> bool:
    """Whether the body ends before its connection does (RFC 9112 §6.3)."""
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers)


def ends_a_head(data: bytes) -> bool:
    """Whether a head that was completed by this has nothing after it."""
    return data.endswith(b"\r\n\r\n") or data in {b"\n", b"\r\n"}
