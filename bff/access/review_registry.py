"""The registry of subjects seen, and the reviews made of it: sealed documents beside the sessions.

What lies in the store is keyed hashes, times and sealed bytes. Every document is sealed under a key of its own, for
some of them are written once a minute (NIST SP 800-38D §8.3 bounds what one key may seal).
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bff.access.review_records import RecordedReview, Seen, encode, merge, parse_review, parse_seen
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.session.documents import Document, Documents

SUBJECTS, ROLES, REVIEWS, BEGINNING = "subjects", "roles", "reviews", "beginning"
_PURPOSE = b"review-document"
_SUBJECT, _ROLE = b"review-subject", b"review-role"
_BATCH = 200  # documents read or written at once
_TRIES = 8  # of compare-and-set
_LATEST = 2**63
_FOR_EVER = 100 * 365 * 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """A subject in the registry; `id` opens nothing."""

    id: str
    seen: Seen


class Registry:
    """Reads and writes. Every method raises `SessionStoreUnavailable`."""

    def __init__(
        self, documents: Documents, ring: KeyRing, keep: float, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """`keep`: seconds from the last sign of somebody, or from a review, until it is forgotten."""
        self._documents = documents
        self._ring = ring
        self._keep = keep
        self._random = random

    # ── subjects ────────────────────────────────────────────────────────────────────────────────────────

    async def merge(self, seen: Sequence[Seen], now: float) -> list[Seen]:
        """Add what was seen to what is known. No two of them may be of one subject.

        Returns those that others wrote at the same time again and again: to be tried later.
        """
        late: list[Seen] = []
        for start in range(0, len(seen), _BATCH):
            rest = list(seen[start : start + _BATCH])
            for _ in range(_TRIES):
                rest = await self._merge_batch(rest, now)
                if not rest:
                    break
            late += rest
        return late

    async def find(self, issuer: str, subject: str, now: float) -> Entry | None:
        """Return a subject by its name."""
        keys = self._keys_of(issuer, subject)
        found = await self._documents.read(SUBJECTS, keys, now)
        return next(
            (entry for key in keys if key in found and (entry := self._entry(found[key])) is not None), None
        )

    async def get(self, entry_id: str, now: float) -> Entry | None:
        """Return a subject by the id that lists give."""
        try:
            key = bytes.fromhex(entry_id)
        except ValueError:
            return None
        found = await self._documents.read(SUBJECTS, [key], now) if len(key) == 32 else {}
        return self._entry(found[key]) if key in found else None

    async def page(self, now: float, after: bytes, limit: int) -> tuple[list[Entry], bytes | None]:
        """Return the next subjects, and where to go on (None: there are no more)."""
        page = await self._documents.page(SUBJECTS, now, after=after, limit=limit)
        entries = [entry for document in page if (entry := self._entry(document)) is not None]
        # After a new key came, somebody may lie under the old one and the new one: the new one counts.
        current = {entry.id: self._keys_of(entry.seen.issuer, entry.seen.subject)[0] for entry in entries}
        moved = {key for entry_id, key in current.items() if key.hex() != entry_id}
        doubled = await self._documents.read(SUBJECTS, sorted(moved), now) if moved else {}
        kept = [each for each in entries if current[each.id].hex() == each.id or current[each.id] not in doubled]
        return kept, page[-1].key if len(page) == limit and page else None

    async def _merge_batch(self, seen: Sequence[Seen], now: float) -> list[Seen]:
        """Return those that another worker was quicker with."""
        keys = [self._keys_of(each.issuer, each.subject) for each in seen]
        found = await self._documents.read(SUBJECTS, [key for some in keys for key in some], now)
        writes: dict[bytes, Document] = {}
        outdated: dict[bytes, list[bytes]] = {}
        for each, some in zip(seen, keys, strict=True):
            known = [entry.seen for key in some if key in found and (entry := self._entry(found[key])) is not None]
            merged = each
            for other in known:
                merged = merge(merged, other)
            older = [key for key in some[1:] if key in found]
            if merged in known and not older:
                continue
            version = found[some[0]].version if some[0] in found else 0
            ends = max(merged.active_at, now) + self._keep
            writes[some[0]] = self._seal(SUBJECTS, some[0], encode(merged), version + 1, now, ends)
            outdated[some[0]] = older
        written = await self._documents.write(SUBJECTS, list(writes.values()), now)
        for key in written:
            for old in outdated[key]:
                await self._documents.remove(SUBJECTS, old)
        lost = writes.keys() - written
        return [each for each, some in zip(seen, keys, strict=True) if some[0] in lost]

    # ── roles ───────────────────────────────────────────────────────────────────────────────────────────

    async def tell_roles(self, roles: Iterable[str], now: float) -> None:
        """Note that somebody holds these roles."""
        keys = {self._ring.keyed_hash(_ROLE, encode(role)): role for role in roles}
        found = await self._documents.read(ROLES, list(keys), now)
        ends = now + self._keep
        documents = [
            self._seal(ROLES, key, encode(role), found[key].version + 1 if key in found else 1, now, ends)
            for key, role in keys.items()
        ]
        await self._documents.write(ROLES, documents, now)  # of two that tell of it at once, one is enough

    async def roles(self, now: float) -> frozenset[str]:
        """Return every role that somebody was seen with, as long as it is kept."""
        found: set[str] = set()
        after = b""
        while True:
            page = await self._documents.page(ROLES, now, after=after, limit=_BATCH)
            for document in page:
                encoded = self._open(ROLES, document)
                if encoded is not None:
                    found.add(msgspec.msgpack.decode(encoded, type=str))
            if len(page) < _BATCH:
                return frozenset(found)
            after = page[-1].key

    # ── reviews ─────────────────────────────────────────────────────────────────────────────────────────

    async def append(self, review: RecordedReview, now: float) -> str:
        """Add a review, and return its id. Nothing ever writes over it."""
        # The latest one comes first.
        key = (_LATEST - int(review.at * 1000)).to_bytes(8, "big") + self._random(8)
        document = self._seal(REVIEWS, key, encode(review), 1, now, now + self._keep)
        await self._documents.write(REVIEWS, [document], now)
        return key.hex()

    async def reviews(
        self, now: float, after: bytes, limit: int
    ) -> tuple[list[tuple[str, RecordedReview]], bytes | None]:
        """Return recorded reviews with their ids, the latest first, and where to go on (None: no more)."""
        page = await self._documents.page(REVIEWS, now, after=after, limit=limit)
        opened = ((document.key.hex(), self._open(REVIEWS, document)) for document in page)
        found = [(key, parse_review(encoded)) for key, encoded in opened if encoded is not None]
        return found, page[-1].key if len(page) == limit and page else None

    async def begin(self, now: float) -> None:
        """Note that there is a registry from now on; only the first call counts."""
        document = self._seal(BEGINNING, BEGINNING.encode(), encode(now), 1, now, now + _FOR_EVER)
        await self._documents.write(BEGINNING, [document], now)

    async def began_at(self, now: float) -> float | None:
        """Return since when there is one."""
        found: Mapping[bytes, Document] = await self._documents.read(BEGINNING, [BEGINNING.encode()], now)
        return next((document.updated_at for document in found.values()), None)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    def _keys_of(self, issuer: str, subject: str) -> list[bytes]:
        """Return where somebody lies: under the key that seals first, then under every other."""
        name = encode([issuer, subject])
        current = self._ring.keyed_hash(_SUBJECT, name)
        return [current, *(key for key in self._ring.keyed_hashes(_SUBJECT, name) if key != current)]

    def _entry(self, document: Document) -> Entry | None:
        encoded = self._open(SUBJECTS, document)
        try:
            return Entry(document.key.hex(), parse_seen(encoded)) if encoded is not None else None
        except msgspec.DecodeError:  # another release's
            return None

    def _seal(
        self, collection: str, key: bytes, plaintext: bytes, version: int, now: float, expires_at: float
    ) -> Document:
        sealed = self._ring.seal(_PURPOSE, plaintext, associated=collection.encode(), bound_to=key)
        return Document(key, version, sealed, now, expires_at)

    def _open(self, collection: str, document: Document) -> bytes | None:
        """Return what is in it; None when it is damaged, or sealed with a key that is gone."""
        try:
            return self._ring.open(_PURPOSE, document.sealed, associated=collection.encode(), bound_to=document.key)
        except CannotOpenError:
            return None
