"""The hash chain: each line carries its number, the tag of the line before, and its own tag. Pure but for new ids.

A tag is HMAC-SHA-256 (RFC 2104) over the line's very bytes up to the tag, under a key that is derived from the
server's for this use alone. The key's name is in the line, so that lines outlive a rotation as long as the key is
kept. The head record says where the chain ends: without it, the last lines could go and nobody would know.
"""

import base64
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from bff.access.auditing.events import AuditEvent
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.session.audit_records import SLACK

_LINE = b"audit-line"
_HEAD = b"audit-head"
_TAG_KEY = b',"mac":"'
_TAG_TEXT = 43  # characters of 32 bytes in base64url
_END = b'"}'
_TAIL = len(_TAG_KEY) + _TAG_TEXT + len(_END)
MAX_SEQ = 2**53  # beyond it, readers that know no integers would count wrongly


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends."""

    chain: str  # names the chain: 12 hexadecimal digits
    seq: int = 0  # of the last line
    mac: str = ""  # of the last line
    newest: float = 0.0  # the latest time of any line
    floor: int = 0  # lines up to this one have been removed when their time was over
    floor_mac: str = ""  # of the line at the floor
    inode: int = 0  # of the file, for a chain in a file
    size: int = 0  # of the file, in bytes


class Line(msgspec.Struct, frozen=True):
    """What the chain reads of a line."""

    seq: int
    time: float
    event: str
    chain: str
    key: str
    prev: str
    mac: str
    reason: str | None = None
    torn: str | None = None


class NoLine(Exception):
    """These bytes are no line of an audit log."""


def build_tail(mac: str) -> bytes:
    """Return how a line with this tag ends."""
    return _TAG_KEY + mac.encode() + _END


def new_chain() -> Head:
    """Return the head of a chain that has no line yet."""
    return Head(os.urandom(6).hex())


class Chain:
    """Makes and checks lines and head records with one key ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._lines = msgspec.json.Decoder(Line)

    def extend(self, head: Head, events: Sequence[AuditEvent]) -> tuple[list[bytes], list[bool], Head]:
        """Return the lines (without line feeds), which of them are late, and the head after them."""
        key = self._ring.sealing_id
        seq, mac, newest = head.seq, head.mac, head.newest
        lines, lateness = [], []
        for event in events:
            seq += 1
            late = event.time < newest - SLACK
            newest = max(newest, event.time)
            body = b'{"seq":%d,%s%s,"chain":"%s","key":"%s","prev":"%s"' % (
                seq,
                event.text,
                b',"late":true' if late else b"",
                head.chain.encode(),
                key.encode(),
                mac.encode(),
            )
            mac = self._tag(_LINE, body, key)
            lines.append(body + build_tail(mac))
            lateness.append(late)
        return lines, lateness, replace(head, seq=seq, mac=mac, newest=newest)

    def parse(self, line: bytes) -> Line:
        """Read a line, whoever wrote it.

        Raises:
            NoLine: it is none.
        """
        if line[-_TAIL : -_TAIL + len(_TAG_KEY)] != _TAG_KEY or not line.endswith(_END):
            raise NoLine
        try:
            parsed = self._lines.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NoLine from error
        if not 1 <= parsed.seq <= MAX_SEQ:
            raise NoLine
        return parsed

    def is_genuine(self, line: bytes, parsed: Line) -> bool:
        """Tell whether the tag is right.

        Raises:
            CannotOpenError: the key that made it is not in the ring.
        """
        return _is_same(self._tag(_LINE, line[:-_TAIL], parsed.key), parsed.mac)

    def follow(self, head: Head, line: bytes) -> Head | None:
        """Return the head after this line if it is the genuine next one of the chain."""
        try:
            parsed = self.parse(line)
            if (parsed.chain, parsed.seq, parsed.prev) != (head.chain, head.seq + 1, head.mac):
                return None
            if not self.is_genuine(line, parsed):
                return None
        except (NoLine, CannotOpenError):
            return None
        return replace(head, seq=parsed.seq, mac=parsed.mac, newest=max(head.newest, parsed.time))

    def build_head(self, head: Head) -> str:
        """Write a head record."""
        key = self._ring.sealing_id
        text = msgspec.json.encode(head).decode()
        return msgspec.json.encode([text, key, self._tag(_HEAD, text.encode(), key)]).decode()

    def parse_head(self, text: str | bytes) -> Head:
        """Read a head record.

        Raises:
            CannotOpenError: it is damaged, forged, or made with a key that is gone.
        """
        try:
            body, key, tag = msgspec.json.decode(text, type=tuple[str, str, str])
            if not _is_same(self._tag(_HEAD, body.encode(), key), tag):
                raise CannotOpenError
            return msgspec.json.decode(body, type=Head)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise CannotOpenError from error

    def _tag(self, use: bytes, value: bytes, key: str) -> str:
        return base64.urlsafe_b64encode(self._ring.tag(use, value, key)).rstrip(b"=").decode("ascii")


def _is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
