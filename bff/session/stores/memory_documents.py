"""Documents in the memory of one process."""

import heapq
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from bff.session.documents import Document
from bff.session.stores.lifetime import unavailable

SWEEP = 2  # documents removed for each one added


@dataclass(slots=True)
class Shelf:
    """One collection: the documents, and their keys in order."""

    documents: dict[bytes, Document] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)


class MemoryDocuments:
    """Implements `Documents`. Every method runs to its end without giving way, which is what makes it atomic."""

    def __init__(self, *, limit: int = 100_000) -> None:
        self._limit = limit
        self._shelves: dict[str, Shelf] = {}
        self._ends: list[tuple[float, str, bytes]] = []  # may be early for a document, never late
        self._count = 0

    async def read(self, collection: str, keys: Sequence[bytes], now: float) -> dict[bytes, Document]:
        """Return those that are there."""
        found = self._shelf(collection).documents
        return {key: found[key] for key in keys if key in found and now < found[key].expires_at}

    async def write(self, collection: str, documents: Sequence[Document], now: float) -> set[bytes]:
        """Write each whose turn it is. Raises `SessionStoreUnavailable` when there is no room for a new one."""
        shelf = self._shelf(collection)
        written = set()
        for document in documents:
            self._sweep(now, SWEEP)
            current = shelf.documents.get(document.key)
            lives = current is not None and now < current.expires_at
            if document.version != (current.version if current is not None and lives else 0) + 1:
                continue
            if current is None:
                if self._count >= self._limit:
                    raise unavailable("full")
                insort(shelf.keys, document.key)
                self._count += 1
            shelf.documents[document.key] = document
            if current is None or document.expires_at < current.expires_at:
                heapq.heappush(self._ends, (document.expires_at, collection, document.key))
            written.add(document.key)
        return written

    async def page(self, collection: str, now: float, *, after: bytes = b"", limit: int = 100) -> list[Document]:
        """Return what follows `after`."""
        shelf = self._shelf(collection)
        found: list[Document] = []
        for position in range(bisect_right(shelf.keys, after), len(shelf.keys)):
            if len(found) >= limit:
                break
            document = shelf.documents[shelf.keys[position]]
            if now < document.expires_at:
                found.append(document)
        return found

    async def remove(self, collection: str, key: bytes) -> bool:
        """Remove one."""
        shelf = self._shelf(collection)
        if shelf.documents.pop(key, None) is None:
            return False
        del shelf.keys[bisect_right(shelf.keys, key) - 1]
        self._count -= 1
        return True

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end."""
        return self._sweep(now, limit)

    def _sweep(self, now: float, limit: int) -> int:
        removed = 0
        while removed < limit and self._ends and self._ends[0][0] <= now:
            _, collection, key = heapq.heappop(self._ends)
            shelf = self._shelf(collection)
            document = shelf.documents.get(key)
            if document is None:
                continue
            if document.expires_at > now:
                heapq.heappush(self._ends, (document.expires_at, collection, key))
            else:
                del shelf.documents[key]
                del shelf.keys[bisect_right(shelf.keys, key) - 1]
                self._count -= 1
                removed += 1
        return removed

    def _shelf(self, collection: str) -> Shelf:
        return self._shelves.setdefault(collection, Shelf())
