"""The names of the keys, and what keeps lists of sessions true. No I/O.

<prefix>:s:{<key>}   a session's record        <prefix>:l:{<key>}   its lease        <prefix>:n:{<name>}   a name
<prefix>:subject:{…}, :sid:{…}, :handle:{…}   indexes: sorted sets of record keys by their absolute end
<prefix>:all   sorted set: keys of live records in their order        <prefix>:ends   sorted set: keys by their end

What is in braces decides where a cluster puts a key: those of one session lie together, each index by itself.

On one server every script takes the record and its indexes along in one step. In a cluster they lie on several
servers, `all` and `ends` in sixteen shards by the first four bits of the key, and a process may die between two
steps. The record is what counts and is written first; what that leaves behind is put right by readers:

- The cookie of a new session leaves after its indexes have been written. So a record without indexes is one that
  nobody can use; and no index points to a record that is yet to come, so that readers may take out of it whatever
  has no live record.
- Each renewal enters its session again. An index that missed a change, or lost its newest entries because a replica
  took over from a primary that died, is whole again within the life of a token.
- Readers look whether a record still belongs under the index where they found it.
- What has ended and is still among the live ones is taken out by whoever lists it, and by the purge.
- `ends` may be early, never late: the purge looks at the record.
"""

import base64
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from bff.session.records import StoredSession
from bff.session.ticket import handle_of

SHARDS = 16
_ENOUGH = 16  # bytes
_KEY = 32  # bytes
_HANDLE = re.compile("[0-9a-f]{24}")  # as `handle_of` gives it


class Layout:
    """The names under one prefix."""

    def __init__(self, prefix: str, *, is_cluster: bool) -> None:
        self.prefix = prefix
        self.is_cluster = is_cluster
        # In a cluster a lease counts for itself: one counter for all of them would lie on another server.
        self.fence = [] if is_cluster else [f"{prefix}:fence"]

    def record(self, key: bytes) -> str:
        """The hash that holds a session."""
        return self._key("s", key)

    def lease(self, key: bytes) -> str:
        """The hash that holds a lease."""
        return self._key("l", key)

    def name(self, name: bytes) -> str:
        """The hash that holds a remembered name."""
        return self._key("n", name)

    def subject(self, subject: bytes) -> str:
        """The index of one user's sessions."""
        return self._index("subject", subject)

    def issuer_sid(self, issuer_sid: bytes) -> str:
        """The index of the sessions under one session of the issuer."""
        return self._index("sid", issuer_sid)

    def handle(self, handle: str) -> str:
        """The index of one handle."""
        return f"{self.prefix}:handle:{{{handle}}}"

    def indexes_of(self, record: StoredSession) -> list[str]:
        """Every index that a record belongs into. A handle that is how the key begins needs none."""
        indexes = [self.subject(record.subject)]
        if handle_of(record.key) != record.handle:
            indexes.append(self.handle(record.handle))
        return indexes if record.issuer_sid is None else [*indexes, self.issuer_sid(record.issuer_sid)]

    def is_under(self, record: StoredSession, wanted: AbstractSet[str]) -> bool:
        """Whether the record belongs into any of these indexes, those that need not be among them."""
        return not wanted.isdisjoint({*self.indexes_of(record), self.handle(record.handle)})

    def range_of(self, handle: str) -> tuple[str, bytes, bytes] | None:
        """Where `all` has a key that begins with this handle, and between what; None when no key can."""
        if _HANDLE.fullmatch(handle) is None:
            return None
        first = bytes.fromhex(handle)
        return self.shard_of(first)[0], b"[" + first, b"[" + first + b"\xff" * _KEY

    def shard_of(self, key: bytes) -> tuple[str, str]:
        """The `all` and the `ends` that this record is in."""
        return self._shard(key[0] >> 4)

    def beside(self, key: bytes) -> tuple[str, ...]:
        """What a script may change in the same step as a record, besides it."""
        return () if self.is_cluster else self.shard_of(key)

    def beside_all(self, record: StoredSession) -> tuple[str, ...]:
        """As `beside`, with the record's indexes."""
        return () if self.is_cluster else (*self.shard_of(record.key), *self.indexes_of(record))

    def shards(self, after: bytes = b"") -> Iterator[tuple[str, str]]:
        """The pairs of `all` and `ends`, in the order of the keys, from the one on that `after` is in."""
        first = after[0] >> 4 if after else 0
        for number in range(first, SHARDS) if self.is_cluster else (0,):
            yield self._shard(number)

    def _key(self, family: str, name: bytes) -> str:
        return f"{self.prefix}:{family}:{{{_text(name)}}}"

    def _index(self, family: str, name: bytes) -> str:
        # 128 bits of a hash tell any number of users apart.
        return self._key(family, name[:_ENOUGH])

    def _shard(self, number: int) -> tuple[str, str]:
        tag = f":{{live:{number:x}}}" if self.is_cluster else ""
        return f"{self.prefix}:all{tag}", f"{self.prefix}:ends{tag}"


def _text(name: bytes) -> str:
    # Names are a good part of what a session takes: base64, for hexadecimal takes half as much again.
    return base64.urlsafe_b64encode(name).rstrip(b"=").decode("ascii")
