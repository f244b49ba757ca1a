"""Who has access to what: subjects, the worksheet of a review, and the reviews that were recorded."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

from litestar import get, post
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, Parameter

from bff.access.review import Review, UnknownSubjectError
from bff.access.review_csv import build_header, build_lines
from bff.access.review_records import RecordedReview, Ruling
from bff.access.review_rows import Filters, Row
from bff.web.admin.answers import After, Limit
from bff.web.admin.cursors import Cursors
from bff.web.admin.download import Download
from bff.web.admin.errors import InvalidRequest, NotFound
from bff.web.admin.operators import Operator, describe_filters
from bff.web.admin.review_answers import (
    LatestDecision,
    ReviewItem,
    ReviewList,
    ReviewOrder,
    RulingItem,
    SubjectItem,
    SubjectList,
    Worksheet,
    WorksheetItem,
)
from bff.web.admin.sessions import build_opens, build_origin

Clock = Callable[[], float]
Days = Annotated[float | None, Parameter(ge=0, le=36_500, description="Without a sign of them for so many days.")]
_LARGEST = 1024 * 1024  # bytes of a recorded review
_LINES = 100  # in one piece of CSV


def review_handlers(
    review: Review, cursors: Cursors, clock: Clock, check_writable: Callable[[], None]
) -> list[HTTPRouteHandler]:
    """Return `/subjects`, `/review`, `/review.csv` and `/reviews`."""

    async def page(name: str, filters: dict[str, Any], after: str, limit: int) -> tuple[Sequence[Row], str | None]:
        position = cursors.open(name, filters, after)
        found = await review.page(build_filters(filters), clock(), after=position, limit=limit)
        return found.rows, cursors.seal(name, filters, found.position) if found.position is not None else None

    @get("/subjects")
    async def list_subjects(
        operator: Operator,
        q: FromQuery[str] = "",
        role: FromQuery[str] = "",
        finding: FromQuery[str] = "",
        unused_days: Days = None,
        after: After = "",
        limit: Limit = 50,
    ) -> SubjectList:
        """List everybody who was seen, in no order that means anything. `q` is part of a subject or a name."""
        filters = {"q": q, "role": role, "finding": finding, "unused_days": unused_days}
        rows, following = await page("subjects", filters, after, limit)
        operator.acted("subjects.list", describe_filters(filters))
        return SubjectList([build_subject(row) for row in rows], following)

    @get("/subjects/{entry_id:str}")
    async def show_subject(operator: Operator, entry_id: FromPath[str]) -> SubjectItem:
        """Show somebody who was seen, by the `id` that lists give."""
        row = await review.subject(entry_id, clock())
        if row is None:
            raise NotFound("Nobody with this id was seen.")
        operator.acted("subjects.show", f"subject:{row.seen.subject}")
        return build_subject(row)

    @get("/review")
    async def show_worksheet(
        operator: Operator,
        q: FromQuery[str] = "",
        role: FromQuery[str] = "",
        finding: FromQuery[str] = "",
        unused_days: Days = None,
        after: After = "",
        limit: Limit = 50,
    ) -> Worksheet:
        """List everybody who was seen, each with what has been decided in the review that is open now."""
        filters = {"q": q, "role": role, "finding": finding, "unused_days": unused_days}
        rows, following = await page("review", filters, after, limit)
        operator.acted("review.show", describe_filters(filters))
        return Worksheet([build_worksheet_item(row) for row in rows], following)

    @get("/review.csv", media_type="text/csv")
    async def download_worksheet(
        operator: Operator,
        q: FromQuery[str] = "",
        role: FromQuery[str] = "",
        finding: FromQuery[str] = "",
        unused_days: Days = None,
    ) -> Download:
        """Download the whole worksheet for a spreadsheet. No cell is ever taken for a formula."""
        filters = {"q": q, "role": role, "finding": finding, "unused_days": unused_days}
        rows = review.rows(build_filters(filters), clock)
        first = await anext(rows, None)  # a store that is away is told before anything has been sent
        operator.acted("review.download", describe_filters(filters))
        headers = {"content-disposition": 'attachment; filename="access-review.csv"'}
        return Download(iterator=_csv(first, rows), media_type="text/csv; header=present", headers=headers)

    @get("/reviews")
    async def list_reviews(operator: Operator, after: After = "", limit: Limit = 50) -> ReviewList:
        """List the reviews that were recorded, the latest first."""
        position = cursors.open("reviews", {}, after)
        found, following = await review.history(clock(), after=position, limit=limit)
        operator.acted("reviews.list")
        return ReviewList(
            [build_review(review_id, recorded) for review_id, recorded in found],
            cursors.seal("reviews", {}, following) if following is not None else None,
        )

    @post("/reviews", status_code=201, request_max_body_size=_LARGEST)
    async def record_review(operator: Operator, data: JSONBody[ReviewOrder]) -> ReviewItem:
        """Record what was decided, for good. `revoke` ends the subject's sessions at once.

        It does not take the roles away: that is done where they come from.
        """
        rulings = build_rulings(data, review.issuer)
        check_writable()
        try:
            review_id, recorded = await review.record(operator.name, data.note, rulings, clock(), operator.address)
        except UnknownSubjectError as error:
            position = next(n for n, ruling in enumerate(rulings) if ruling.subject == str(error))
            raise InvalidRequest(f"decisions[{position}].subject: nobody of this name was seen.") from error
        counts: dict[str, Any] = {"kept": recorded.count("keep"), "revoked": recorded.count("revoke")}
        operator.acted("review.record", f"review:{review_id}", **counts)
        return build_review(review_id, recorded)

    return [list_subjects, show_subject, show_worksheet, download_worksheet, list_reviews, record_review]


def build_filters(filters: dict[str, Any]) -> Filters:
    """Return the filters that parameters ask for; empty ones ask for nothing."""
    days = filters["unused_days"]
    return Filters(
        text=filters["q"] or None,
        role=filters["role"] or None,
        finding=filters["finding"] or None,
        unused=days * 86_400 if days is not None else None,
    )


def build_rulings(order: ReviewOrder, issuer: str) -> list[Ruling]:
    """Return the decisions of an order.

    Raises:
        InvalidRequest: somebody is in it twice.
    """
    rulings: dict[tuple[str, str], Ruling] = {}
    for position, each in enumerate(order.decisions):
        name = (each.issuer or issuer, each.subject)
        if name in rulings:
            raise InvalidRequest(f"decisions[{position}].subject: it was decided before in the same review.")
        rulings[name] = Ruling(each.subject, name[0], each.decision, each.note)
    return list(rulings.values())


def build_subject(row: Row) -> SubjectItem:
    """Return a row as it is shown."""
    return SubjectItem(**_fields(row))


def build_worksheet_item(row: Row) -> WorksheetItem:
    """Return a row with what is decided."""
    return WorksheetItem(**_fields(row), decision=row.decision)  # type: ignore[arg-type]  # one of the two words


def build_review(review_id: str, recorded: RecordedReview) -> ReviewItem:
    """Return a recorded review as it is shown."""
    return ReviewItem(
        id=review_id,
        at=recorded.at,
        by=recorded.by,
        note=recorded.note,
        kept=recorded.count("keep"),
        revoked=recorded.count("revoke"),
        due_at=recorded.due_at,
        decisions=[
            RulingItem(ruling.subject, ruling.issuer, ruling.decision, ruling.note) for ruling in recorded.decisions
        ],
    )


def _fields(row: Row) -> dict[str, Any]:
    seen, mark = row.seen, row.seen.mark
    return {
        "id": row.id,
        "subject": seen.subject,
        "name": seen.name,
        "issuer": seen.issuer,
        "roles": list(row.roles),
        "origins": [build_origin(origin) for origin in row.origins],
        "opens": [build_opens(opening) for opening in row.opens],
        "first_seen_at": seen.first_seen_at if seen.first_seen_at < float("inf") else None,
        "last_login_at": seen.last_login_at or None,
        "last_use_at": seen.last_use_at or None,
        "live_sessions": row.live_sessions,
        "findings": list(row.findings),
        "review": LatestDecision(mark.decision, mark.at, mark.by, mark.note) if mark is not None else None,
    }


async def _csv(first: Row | None, rows: AsyncIterator[Row]) -> AsyncIterator[str]:
    yield build_header()
    lines = [first] if first is not None else []
    async for row in rows:
        lines.append(row)
        if len(lines) >= _LINES:
            yield build_lines(lines)
            lines = []
    yield build_lines(lines)
