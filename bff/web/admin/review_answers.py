"""The shapes of what the admin API says of subjects and reviews. Times are epoch seconds; null is never."""

from typing import Annotated, Literal

import msgspec

from bff.web.admin.answers import Opens, Origin

Verdict = Literal["keep", "revoke"]
Note = Annotated[str, msgspec.Meta(max_length=2000)]


class LatestDecision(msgspec.Struct, frozen=True):
    """What was decided of a subject in the latest review that named them."""

    decision: Verdict
    at: float
    by: str
    note: str


class SubjectItem(msgspec.Struct, frozen=True):
    """Somebody who was seen: their roles at this moment, what these open, and whether they are used."""

    id: str
    subject: str
    name: str
    issuer: str
    roles: list[str]
    origins: list[Origin]
    opens: list[Opens]
    first_seen_at: float | None
    last_login_at: float | None
    last_use_at: float | None
    live_sessions: int
    findings: list[str]
    review: LatestDecision | None


class WorksheetItem(SubjectItem, frozen=True):
    """A line of the worksheet. `decision` of the review that is open now; null: still to be decided."""

    decision: Verdict | None


class SubjectList(msgspec.Struct, frozen=True):
    """A page of subjects. Fewer items than asked for, even none, do not mean the end: `next` being null does."""

    items: list[SubjectItem]
    next: str | None


class Worksheet(msgspec.Struct, frozen=True):
    """A page of the worksheet; it ends where `next` is null."""

    items: list[WorksheetItem]
    next: str | None


class RulingItem(msgspec.Struct, frozen=True):
    """One decision of a review."""

    subject: str
    issuer: str
    decision: Verdict
    note: str


class ReviewItem(msgspec.Struct, frozen=True):
    """A recorded review."""

    id: str
    at: float
    by: str
    note: str
    kept: int
    revoked: int
    due_at: float | None
    decisions: list[RulingItem]


class ReviewList(msgspec.Struct, frozen=True):
    """A page of recorded reviews, the latest first."""

    items: list[ReviewItem]
    next: str | None


class RulingOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision about a subject, at `issuer` or, without one, at the configured issuer."""

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    decision: Verdict
    note: Note = ""
    issuer: str | None = None


class ReviewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A review to be recorded: at least one decision, a thousand at most."""

    decisions: Annotated[list[RulingOrder], msgspec.Meta(min_length=1, max_length=1000)]
    note: Note = ""
