"""The access review: everybody who was seen, what they hold and why, what it opens, and whether they use it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from bff.access.findings import AccessFinding, Level
from bff.access.review_records import Mark, RecordedReview, Ruling, Seen, encode
from bff.access.review_registry import Registry
from bff.access.review_rows import Filters, Row, RowBuilder, fits
from bff.events import Emit

SCAN = 2_000  # subjects looked at for one page, at most: what matches rarely is found over several pages
_BATCH = 100  # subjects read at once, before others get their turn
MOST_RULINGS = 1_000  # in one recorded review

LiveSessions = Callable[[Sequence[tuple[str, str]], float], Awaitable[dict[tuple[str, str], int]]]
EndSubject = Callable[[str, str, str], Awaitable[int]]  # issuer, subject, operator → sessions ended
WriteNotes = Callable[[], Awaitable[object]]
Unreachable = Callable[[Collection[str]], Iterable[AccessFinding]]


@dataclass(frozen=True, slots=True)
class Rows:
    """A page. `position` is where to go on; None: there are no more. Few rows do not mean the end."""

    rows: tuple[Row, ...]
    position: bytes | None


@dataclass(frozen=True, slots=True)
class Due:
    """When access was last reviewed, and when it is to be reviewed next; epoch seconds."""

    last_at: float | None
    due_at: float | None
    is_overdue: bool


class UnknownSubjectError(ValueError):
    """A decision is about somebody who was never seen."""


class Review:
    """Reads the registry and the rules. Every `async` method raises `SessionStoreUnavailable`."""

    def __init__(
        self,
        *,
        registry: Registry,
        builder: RowBuilder,
        issuer: str,
        unreachable: Unreachable,
        live_sessions: LiveSessions,
        end_subject: EndSubject,
        interval: float | None,
        emit: Emit,
        write_notes: WriteNotes | None = None,
    ) -> None:
        """`issuer` is meant where a subject is named without one; `write_notes`: those of this worker that wait."""
        self._registry = registry
        self._builder = builder
        self.issuer = issuer
        self._unreachable = unreachable
        self._live_sessions = live_sessions
        self._end_subject = end_subject
        self._interval = interval
        self._emit = emit
        self._write_notes = write_notes
        self.opens_of = builder.opens_of

    # ── subjects ────────────────────────────────────────────────────────────────────────────────────────

    async def subject(self, entry_id: str, now: float) -> Row | None:
        """Return one subject by the id that lists give."""
        entry = await self._registry.get(entry_id, now)
        return (await self._counted([self._builder.build(entry, now)], now))[0] if entry is not None else None

    async def page(self, filters: Filters, now: float, *, after: bytes = b"", limit: int = 50) -> Rows:
        """Return the next subjects that fit, `limit` at most, looking at a bounded number of them."""
        if not after and self._write_notes is not None:
            await self._write_notes()  # whoever looks sees who has just signed in, themselves first of all
        if filters.subject is not None:
            found = await self._registry.find(self.issuer, filters.subject, now)
            rows = [self._builder.build(found, now, filters.unused)] if found is not None else []
            return Rows(await self._counted([row for row in rows if fits(row, filters, now)], now), None)
        fitting: list[Row] = []
        position: bytes | None = after
        looked = 0
        while position is not None and looked < SCAN and len(fitting) < limit:
            size = min(_BATCH, limit - len(fitting)) if filters == Filters() else _BATCH
            last = position
            entries, position = await self._registry.page(now, position, size)
            for entry in entries:
                if len(fitting) == limit:
                    position = last
                    break
                last = bytes.fromhex(entry.id)
                row = self._builder.build(entry, now, filters.unused)
                if fits(row, filters, now):
                    fitting.append(row)
            looked += size
            await asyncio.sleep(0)
        return Rows(await self._counted(fitting, now), position)

    async def rows(self, filters: Filters, clock: Callable[[], float]) -> AsyncIterator[Row]:
        """Yield every subject that fits, a page at a time."""
        position: bytes | None = b""
        while position is not None:
            page = await self.page(filters, clock(), after=position, limit=_BATCH)
            for row in page.rows:
                yield row
            position = page.position

    # ── the whole ───────────────────────────────────────────────────────────────────────────────────────

    async def findings(self, now: float) -> list[AccessFinding]:
        """Return what is to be said of the whole: routes that nobody who was seen can reach, an overdue review."""
        found = []
        roles = await self._registry.roles(now)
        if roles:
            found = [
                replace(each, level=Level.WARNING, message=f"{each.message}, among everybody who was seen")
                for each in self._unreachable(roles | self._builder.given_roles(now))
            ]
        due = await self.due(now)
        if due.is_overdue:
            found.append(OVERDUE)
        return found

    async def due(self, now: float) -> Due:
        """Tell when access was last reviewed, and when it is to be again."""
        return await find_due(self._registry, self._interval, now)

    # ── recording ───────────────────────────────────────────────────────────────────────────────────────

    async def record(
        self, by: str, note: str, rulings: Sequence[Ruling], now: float, address: str | None = None
    ) -> tuple[str, RecordedReview]:
        """End the sessions of those whose access is revoked, then record what was decided.

        In this order, whatever fails can be tried again as a whole: nothing is on record that was not done.

        Raises:
            UnknownSubjectError: somebody was never seen; nothing has been done.
        """
        await self.check_known(rulings, now)
        for ruling in rulings:
            if ruling.decision == "revoke":
                await self._end_subject(ruling.issuer, ruling.subject, by)
        due_at = now + self._interval if self._interval is not None else None
        review = RecordedReview(now, by, note, due_at, tuple(rulings))
        review_id = await self._registry.append(review, now)
        self._emit(
            "review.recorded",
            {
                "operator": by,
                "review": review_id,
                "kept": review.count("keep"),
                "revoked": review.count("revoke"),
                "digest": hashlib.sha256(encode(review)).hexdigest(),
                **({"address": address} if address else {}),
            },
        )
        await self._registry.merge(
            [
                Seen(ruling.issuer, ruling.subject, mark=Mark(ruling.decision, now, by, ruling.note or note))
                for ruling in rulings
            ],
            now,
        )
        return review_id, review

    async def check_known(self, rulings: Sequence[Ruling], now: float) -> None:
        """Raise `UnknownSubjectError` for the first who was never seen."""
        for ruling in rulings:
            if await self._registry.find(ruling.issuer, ruling.subject, now) is None:
                raise UnknownSubjectError(ruling.subject)

    async def history(
        self, now: float, *, after: bytes = b"", limit: int = 50
    ) -> tuple[list[tuple[str, RecordedReview]], bytes | None]:
        """Return recorded reviews, the latest first, and where to go on (None: there are no more)."""
        return await self._registry.reviews(now, after, limit)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _counted(self, rows: Sequence[Row], now: float) -> tuple[Row, ...]:
        names = [(row.seen.issuer, row.seen.subject) for row in rows]
        counts = await self._live_sessions(names, now) if names else {}
        return tuple(replace(row, live_sessions=counts.get(name, 0)) for row, name in zip(rows, names, strict=True))


async def find_due(registry: Registry, interval: float | None, now: float) -> Due:
    """Tell when access was last reviewed, and when it is to be again; raises `SessionStoreUnavailable`."""
    latest, _ = await registry.reviews(now, b"", 1)
    last_at = latest[0][1].at if latest else None
    if interval is None:
        return Due(last_at, None, is_overdue=False)
    since = last_at if last_at is not None else await registry.began_at(now)
    due_at = since + interval if since is not None else None
    return Due(last_at, due_at, due_at is not None and due_at <= now)


OVERDUE = AccessFinding(
    Level.WARNING,
    "review_overdue",
    "review.interval",
    "the review of who has access to what is overdue",
    "OWASP ASVS 8.1.1",
    "look through `bff access review` or the console's worksheet, and record what you decide",
)
