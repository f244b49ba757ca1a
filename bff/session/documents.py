"""Small sealed things that outlive sessions and lie beside them in the same store: who was seen, what was reviewed.

As with sessions, the store sees keyed hashes, times and sealed bytes, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Document:
    """One document. All times are epoch seconds handed in by the caller."""

    key: bytes  # 1 to 64 bytes; pages are in the order of the keys
    version: int  # starts at 1; compare-and-set
    sealed: bytes  # whoever writes it seals it
    updated_at: float
    expires_at: float  # from then on it is as if it had never been


class Documents(Protocol):
    """Collections of documents. Every method raises `SessionStoreUnavailable` on any fault, and nothing else."""

    async def read(self, collection: str, keys: Sequence[bytes], now: float) -> dict[bytes, Document]:
        """Return those of the documents that are there."""
        ...

    async def write(self, collection: str, documents: Sequence[Document], now: float) -> set[bytes]:
        """Write each document whose turn it is, and return the keys of those that were written.

        Version 1 is written where there is none; any other only over the version before it. No two of the
        documents may have one key. Each is written wholly or not at all; all of them need not be.
        """
        ...

    async def page(self, collection: str, now: float, *, after: bytes = b"", limit: int = 100) -> list[Document]:
        """Return the documents that follow `after`, in the order of their keys; fewer than `limit`: the last."""
        ...

    async def remove(self, collection: str, key: bytes) -> bool:
        """Remove a document. False when there was none."""
        ...

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end, whatever its collection; the number removed."""
        ...


@runtime_checkable
class KeepsDocuments(Protocol):
    """A session store that keeps documents as well."""

    @property
    def documents(self) -> Documents:
        """Where they are. Opened, purged and closed with the store."""
        ...
