"""Ending many sessions at once: of a user, a role, a client, an issuer, before a moment, or all.

Each end is pushed to every worker by the store. A worker that holds such a session revokes its tokens at the
issuer; where records open with the server's key alone, whoever ends them does it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bff.events import Emit
from bff.session.directory import Directory, Listed, Selection
from bff.session.records import Coordination

REASON = "revoked"
REVOKED_BEFORE = b"revoked-before"
LOGGED_OUT = b"logged-out:"  # and a keyed hash: of a user, or of a session of the issuer's
REMEMBER = 600.0  # seconds for which a revocation stops a login that was under way
AT_ONCE = 16
_KEY = 32  # bytes
MOST_KEYS = 1_000_000  # ended sessions whose tokens one run revokes itself: 32 MB of their keys

EndRecords = Callable[[Sequence[bytes], str, float], Awaitable[set[bytes]]]
RevokeTokens = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Progress:
    """How far a run has come; it is looked at while the run goes on."""

    matched: int = 0
    ended: int = 0
    revoking: int = 0  # ended sessions whose tokens are still to be revoked by this run


class Ending:
    """Ends what a selection names."""

    def __init__(
        self,
        *,
        store: Coordination,
        directory: Directory,
        end_records: EndRecords,
        revoke_tokens: RevokeTokens | None,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        """`revoke_tokens` is None where records open with their cookie alone."""
        self._store = store
        self._directory = directory
        self._end_records = end_records
        self._revoke_tokens = revoke_tokens
        self._clock = clock
        self._emit = emit

    async def run(
        self, selection: Selection, *, by: str, dry_run: bool = False, progress: Progress | None = None
    ) -> Progress:
        """End them all; `by` names the operator in the audit log.

        A second run ends what a first one that broke off has left.

        Raises:
            SessionStoreUnavailable: the store failed on the way; what `progress` counts is done.
        """
        progress = progress if progress is not None else Progress()
        if not dry_run:
            await self._stop_logins(selection)
        keys = bytearray()
        async for batch in self._directory.batches(selection, self._clock):
            progress.matched += len(batch)
            if dry_run or not batch:
                continue
            ended = await self._end(batch, by)
            progress.ended += len(ended)
            if self._revoke_tokens is not None and len(keys) < MOST_KEYS * _KEY:
                keys += b"".join(ended)
        await self._revoke_all(keys, progress)
        return progress

    async def _stop_logins(self, selection: Selection) -> None:
        """Leave word for logins under way, before anything is looked for: no order of events leaves one alive."""
        now = self._clock()
        if selection.handle is not None:
            return
        if selection.subject is not None:
            for name in self._directory.subject_hashes(selection):
                await self._store.remember(LOGGED_OUT + name, now, now + REMEMBER, now)
            return
        # Of a role, a client or an issuer too: whoever is just being let in may be one of them, and has to return.
        moment = selection.before if selection.before is not None else now
        await self._store.remember(REVOKED_BEFORE, now, now + REMEMBER, moment)

    async def _end(self, batch: list[Listed], by: str) -> set[bytes]:
        ended = await self._end_records([listed.record.key for listed in batch], REASON, self._clock())
        for listed in batch:
            if listed.record.key in ended:
                fields = {"session": listed.record.handle, "subject": listed.summary.subject, "by": by}
                self._emit("session.revoked", fields)
        return ended

    async def _revoke_all(self, keys: bytearray, progress: Progress) -> None:
        if self._revoke_tokens is None:
            return
        progress.revoking = len(keys) // _KEY
        for start in range(0, len(keys), AT_ONCE * _KEY):
            some = bytes(keys[start : start + AT_ONCE * _KEY])
            each = [some[at : at + _KEY] for at in range(0, len(some), _KEY)]
            await asyncio.gather(*(self._revoke_tokens(key) for key in each))
            progress.revoking -= len(each)
