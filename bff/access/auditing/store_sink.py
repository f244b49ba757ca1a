"""The log in the session store: every process of every machine appends to one chain."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bff.access.auditing.chain import Chain, Head, NoLine, new_chain
from bff.access.auditing.ends import INNOCENT, ROLLED_BACK, OwnLast
from bff.access.auditing.events import AuditEvent, build_event
from bff.access.auditing.matching import decode
from bff.access.auditing.sinks import AuditSinkFailed
from bff.crypto.key_ring import CannotOpenError
from bff.errors import SessionStoreUnavailable
from bff.session.audit_records import AuditRow, AuditStore

_TRIES = 50  # to be the one whose lines are next
_CUT = 500  # lines removed at once
_CUTS = 40  # times that, in one purge


@dataclass(frozen=True, slots=True)
class StoreSink:
    """Implements `AuditSink`. Compare and append: who finds that another was faster chains its lines anew."""

    store: AuditStore
    chain: Chain
    retention: float  # seconds for which a line is kept
    max_lines: int | None = None
    _last: OwnLast = field(default_factory=OwnLast, init=False, repr=False, compare=False)

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """See `AuditSink`."""
        try:
            for attempt in range(_TRIES):
                if await self._append_once(events):
                    return
                await asyncio.sleep(random.uniform(0, 0.002 * min(attempt + 1, 10)))  # noqa: S311 -- jitter
        except SessionStoreUnavailable as error:
            raise AuditSinkFailed("store_unavailable") from error
        raise AuditSinkFailed("contended")

    async def purge(self, now: float) -> int:
        """Remove what is older than the retention, from the beginning of the chain on."""
        removed = 0
        try:
            for _ in range(_CUTS):
                count = await self._cut_once(now - self.retention)
                removed += count
                if count < _CUT:
                    break
        except SessionStoreUnavailable as error:
            raise AuditSinkFailed("store_unavailable") from error
        return removed

    async def close(self) -> None:
        """The store is closed by whoever opened it."""

    async def _append_once(self, events: Sequence[AuditEvent]) -> bool:
        record = await self.store.head()
        head, reason = await self._resume(record)
        if reason in INNOCENT and await self._misses_own_line(head):
            reason = ROLLED_BACK
        opened = [build_event("audit.opened", {"reason": reason}, events[0].time)] if reason is not None else []
        every = [*opened, *events]
        lines, lateness, after = self.chain.extend(head, every)
        rows = [
            build_row(head.seq + place, event, line, late=late)
            for place, (event, line, late) in enumerate(zip(every, lines, lateness, strict=True), start=1)
        ]
        done = await self.store.append(record, rows, self.chain.build_head(after))
        if done:
            self._last.head = after
        return done

    async def _misses_own_line(self, head: Head) -> bool:
        last = self._last.head
        if last is None or self._last.is_behind(head):
            return last is not None
        if (head.seq, head.mac) == (last.seq, last.mac) or last.seq <= head.floor:
            return False
        # Purged meanwhile, it is not there either; but then the head is another one, and this is tried again.
        found = decode((await self.store.read(last.seq - 1, 1) or [""])[0])
        return found is None or (found["seq"], found.get("mac")) != (last.seq, last.mac)

    async def _resume(self, record: str | None) -> tuple[Head, str | None]:
        if record is not None:
            try:
                return self.chain.parse_head(record), None
            except CannotOpenError:
                pass
        last = await self._last_seq()
        if record is None and last == 0:
            return new_chain(), "new"
        # A new chain, whose numbers go on so that no line is written over.
        return replace(new_chain(), seq=last), "head_missing" if record is None else "head_unreadable"

    async def _last_seq(self) -> int:
        last = 0
        while lines := await self.store.read(last, 1000):
            last = max(last + 1, *(int(str(found["seq"])) for line in lines if (found := decode(line)) is not None))
        return last

    async def _cut_once(self, before: float) -> int:
        record = await self.store.head()
        if record is None:
            return 0
        try:
            head = self.chain.parse_head(record)
        except CannotOpenError:
            return 0
        surplus = head.seq - head.floor - self.max_lines if self.max_lines is not None else 0
        over: list[AuditRow] = []
        mac = ""
        for line in await self.store.read(head.floor, _CUT):
            try:
                parsed = self.chain.parse(line.encode())
            except NoLine:
                break  # damaged: left for whoever verifies
            if parsed.time >= before and len(over) >= surplus:
                break
            over.append(parse_row(line))
            mac = parsed.mac
        if not over:
            return 0
        after = replace(head, floor=over[-1].seq, floor_mac=mac)
        return len(over) if await self.store.cut(record, over, self.chain.build_head(after)) else 0


def build_row(seq: int, event: AuditEvent, line: bytes, *, late: bool) -> AuditRow:
    """Return a line with the fields by which it is found."""
    return _row(seq, event.fields, line.decode(), late=late)


def parse_row(line: str) -> AuditRow:
    """Do the same from the line alone; it has been parsed before."""
    fields = decode(line) or {}
    return _row(int(str(fields["seq"])), fields, line, late=bool(fields.get("late")))


def _row(seq: int, fields: object, line: str, *, late: bool) -> AuditRow:
    get = fields.get  # type: ignore[attr-defined]

    def text(name: str) -> str | None:
        value = get(name)
        return value if isinstance(value, str) else None

    return AuditRow(
        seq=seq,
        time=float(get("time", 0.0)),
        late=late,
        event=text("event") or "",
        subject=text("subject"),
        session=text("session"),
        route=text("route"),
        method=text("method"),
        outcome=text("outcome"),
        reason=text("reason"),
        line=line,
    )
