"""The shapes of the admin API's answers and of its requests' bodies. The OpenAPI document is made of them.

Times are epoch seconds.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many items at most.")]
After = Annotated[str, QueryParameter(description="The cursor that the previous page gave as `next`.")]


# Up to the year 9000: beyond, calendars end.
Moment = Annotated[float, msgspec.Meta(ge=0, le=221_845_392_000)]


class Audit(msgspec.Struct, frozen=True):
    """Where audit lines go, and whether they can be searched here."""

    sink: Literal["file", "stdout", "store"]
    searchable: bool


class Me(msgspec.Struct, frozen=True):
    """Who is asking, and what is being administered."""

    operator: str
    kind: Literal["session", "token"]
    version: str
    public_url: str
    issuer: str
    client_id: str
    store: Literal["memory", "sqlite", "redis"]
    audit: Audit
    claims: dict[str, Any]


class SessionItem(msgspec.Struct, frozen=True):
    """A live session. `session` is its public handle."""

    session: str
    subject: str
    name: str
    roles: list[str]
    issuer: str
    client: str
    created_at: float
    idle_expires_at: float
    expires_at: float


class SessionList(msgspec.Struct, frozen=True):
    """A page of sessions. Fewer items than asked for, even none, do not mean the end: `next` being null does."""

    items: list[SessionItem]
    next: str | None


class Origin(msgspec.Struct, frozen=True):
    """Where a role comes from, and the same in words."""

    role: str
    kind: Literal["claim", "renamed", "implied", "subject", "assignment"]
    source: str
    text: str


class Opens(msgspec.Struct, frozen=True):
    """What roles open: a rule of a route, by its position from 1 (null: the route has no rules)."""

    route: str
    methods: list[str]
    rule: int | None
    text: str


class SessionDetail(SessionItem, frozen=True):
    """A live session, where its roles come from and what they open."""

    origins: list[Origin]
    opens: list[Opens]


class RevocationOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to end: exactly one of the criteria. `before` ends what began before that time."""

    session: str | None = None
    subject: str | None = None
    role: str | None = None
    client: str | None = None
    issuer: str | None = None
    before: float | None = None
    all: bool = False
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    dry_run: bool = False


class RevocationOutcome(msgspec.Struct, frozen=True):
    """How many sessions matched and how many of them were ended. `partial`: it goes on after this answer."""

    matched: int
    ended: int
    partial: bool


class RuleItem(msgspec.Struct, frozen=True):
    """A rule of a route in words, by its position from 1."""

    position: int
    text: str


class FindingItem(msgspec.Struct, frozen=True):
    """Something that breaks good practice: how bad it is, whose rule it is, and what to change."""

    level: Literal["error", "warning", "info"]
    rule: str
    where: str
    message: str
    source: str
    change: str


class FindingList(msgspec.Struct, frozen=True):
    """All findings, the worst first."""

    items: list[FindingItem]
    next: None = None


class RouteItem(msgspec.Struct, frozen=True):
    """A route. `reachable`: somebody can get through with the roles that there are."""

    path: str
    upstream: str
    token: str
    csrf: str
    websocket: bool
    reachable: bool
    rules: list[RuleItem]
    findings: list[FindingItem]


class RouteList(msgspec.Struct, frozen=True):
    """All routes, in the order of the configuration."""

    items: list[RouteItem]
    next: None = None


class DecisionQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """May somebody do this? Nothing but method and path given: nobody is signed in.

    `session` takes subject and roles from a live session. `roles` are what the tokens say: implied, constant and
    assigned ones are added.
    """

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    subject: str | None = None
    roles: list[str] = []
    claims: dict[str, Any] = {}
    scope: str = ""
    address: str = ""
    at: Moment | None = None
    session: str | None = None


class Step(msgspec.Struct, frozen=True):
    """One rule on the way to the decision. `needs`: what it asked for in vain; empty when it fits."""

    position: int
    text: str
    fits: bool
    needs: str


class DecisionAnswer(msgspec.Struct, frozen=True):
    """What is decided and why; `text` is what `bff access explain` prints.

    `rule` is the position from 1 of the rule that decides; `needed` holds what would have been enough, one
    alternative an entry.
    """

    outcome: Literal["allow", "deny", "step_up", "no_route"]
    route: str | None
    rule: int | None
    reason: str | None
    needed: list[str]
    roles: list[str]
    origins: list[Origin]
    steps: list[Step]
    text: str


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457); `code` is stable, see docs/errors.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
