"""Reading the log back from the session store."""

import time
from dataclasses import dataclass, replace

from bff.access.auditing.chain import Chain, Head
from bff.access.auditing.matching import decode, fits
from bff.access.auditing.reading import verify_aside
from bff.access.auditing.sinks import Problem, Verification
from bff.access.auditing.verification import RawLine, Walk
from bff.crypto.key_ring import CannotOpenError
from bff.errors import AuditUnavailable, SessionStoreUnavailable
from bff.session.audit_records import AuditPage, AuditQuery, AuditStore, build_cursor

_PATIENCE = 0.8  # seconds for one page
_PAGE = 1000  # lines read at once
_TRIES = 5  # while lines are being purged


@dataclass(frozen=True, slots=True)
class StoreReader:
    """Implements `AuditReader`."""

    store: AuditStore
    chain: Chain
    begin_at: int | None = None  # verify from this `seq` on

    async def search(self, query: AuditQuery) -> AuditPage:
        """See `AuditReader`."""
        give_up_at = time.monotonic() + _PATIENCE
        items: list[dict[str, object]] = []
        try:
            while True:
                found = await self.store.find(replace(query, limit=query.limit - len(items)))
                for line in found.lines:
                    item = decode(line)
                    if item is not None and fits(query, item):
                        items.append(dict(item))
                full = len(items) == query.limit or time.monotonic() > give_up_at
                following = build_cursor(found.resume) if found.resume is not None else None
                if full or following is None:
                    return AuditPage(tuple(items), following)
                query = replace(query, after=following)
        except SessionStoreUnavailable as error:
            raise _unreadable() from error

    async def verify(self) -> Verification:
        """See `AuditReader`."""
        try:
            for _ in range(_TRIES):
                found = await self._verify_once()
                if found is not None:
                    return found
        except SessionStoreUnavailable as error:
            raise _unreadable() from error
        raise AuditUnavailable("Lines are being removed faster than they can be verified. Try again.")

    async def _verify_once(self) -> Verification | None:
        """Verify; None when lines were purged meanwhile."""
        record = await self.store.head()
        if record is None and not await self.store.read(0, 1):
            return Walk(self.chain).result(None)
        try:
            head = self.chain.parse_head(record or "")
        except CannotOpenError:
            said = "there is no head record" if record is None else "the head record is damaged or forged"
            return Walk(self.chain).result(Problem(0, f"{said}: lines at the end may have been cut off"))
        walk = Walk(self.chain, self.begin_at, head)
        problem = await self._walk(walk, head)
        if problem is None:
            problem = walk.check_end(head)
        if problem is not None and await self._floor() not in {head.floor, None}:
            return None
        return walk.result(problem)

    async def _walk(self, walk: Walk, head: Head) -> Problem | None:
        after = max(head.floor, (self.begin_at or 1) - 1)
        if stray := await self._before(head):
            return Problem(stray, "it is older than the first line that is kept: inserted")
        number = 0
        while lines := await self.store.read(after, _PAGE):
            raw = [RawLine(line.encode(), number + place) for place, line in enumerate(lines, start=1)]
            number += len(raw)
            problem = await verify_aside(walk.run, raw)
            if problem is not None:
                return problem
            if walk.last is None or walk.last.seq <= after:
                break
            after = walk.last.seq
        return None

    async def _before(self, head: Head) -> int:
        """Return the number of a line that lies below the floor, where none may be."""
        lines = await self.store.read(0, 1)
        found = decode(lines[0]) if lines else None
        seq = int(str(found["seq"])) if found is not None else 0
        return seq if seq <= head.floor else 0

    async def _floor(self) -> int | None:
        record = await self.store.head()
        try:
            return self.chain.parse_head(record).floor if record is not None else None
        except CannotOpenError:
            return None


def _unreadable() -> AuditUnavailable:
    return AuditUnavailable("The session store, which holds the audit log, does not answer.")
