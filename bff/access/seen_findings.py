"""What was found in tokens, kept beside the sessions: every worker shows what any of them has seen."""

from collections.abc import Callable, Iterable

import msgspec

from bff.access.findings import AccessFinding
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.session.background import Background
from bff.session.documents import Document, Documents

_COLLECTION = "token-findings"
_PURPOSE = b"token-finding"
_KEPT = 30 * 86400.0  # seconds after it was last found
_PAGE = 200
_MOST = 1_000
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(AccessFinding)


class SeenFindings:
    """Writes in the background; a store that is away costs a finding its place among those of other workers."""

    def __init__(
        self, documents: Documents, ring: KeyRing, background: Background, clock: Callable[[], float]
    ) -> None:
        self._documents = documents
        self._ring = ring
        self._background = background
        self._clock = clock

    def note(self, finding: AccessFinding) -> None:
        """Begin to write a finding down."""
        self._background.start(self._write(finding), "note-finding")

    async def all(self, own: Iterable[AccessFinding] = ()) -> list[AccessFinding]:
        """Return what this worker has found and what lies in the store. Raises `SessionStoreUnavailable`."""
        found = {_name(finding): finding for finding in own}
        after = b""
        while len(found) < _MOST:
            page = await self._documents.page(_COLLECTION, self._clock(), after=after, limit=_PAGE)
            for document in page:
                after = document.key
                if (finding := self._open(document)) is not None:
                    found.setdefault(_name(finding), finding)
            if len(page) < _PAGE:
                break
        return list(found.values())

    async def _write(self, finding: AccessFinding) -> None:
        key = self._ring.keyed_hash(_PURPOSE, _name(finding))
        now = self._clock()
        known = (await self._documents.read(_COLLECTION, [key], now)).get(key)
        sealed = self._ring.seal(_PURPOSE, _ENCODER.encode(finding), associated=key)
        version = known.version + 1 if known is not None else 1
        # Whoever comes first writes the same.
        await self._documents.write(_COLLECTION, [Document(key, version, sealed, now, now + _KEPT)], now)

    def _open(self, document: Document) -> AccessFinding | None:
        try:
            encoded = self._ring.open(_PURPOSE, document.sealed, associated=document.key)
            return _DECODER.decode(encoded)
        except (CannotOpenError, msgspec.DecodeError):  # sealed with a key that is gone: it will be found again
            return None


def _name(finding: AccessFinding) -> bytes:
    return f"{finding.rule}\0{finding.where}".encode()
