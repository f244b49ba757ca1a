"""One subject of a review: their roles and origins, what these open, and what is to be said of it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cachetools import LRUCache

from bff.access.assigned import Assigned
from bff.access.openings import Holder, Opening, ReviewedRoute, openings, roles_asked_for
from bff.access.principals import Principals
from bff.access.review_findings import Subject, Thresholds, direct_roles, findings_of, is_kind
from bff.access.review_records import Seen, encode
from bff.access.review_registry import Entry
from bff.access.roles import RoleOrigin, RoleReader
from bff.session.principal import Principal

_REMEMBERED = 1024  # kinds of holders whose openings are known


@dataclass(frozen=True, slots=True)
class Filters:
    """Which subjects. None: any.

    Attributes:
        text: part of the subject or the name, whatever the case.
        role: one that is held now.
        finding: a kind, or a whole finding.
        unused: seconds without a sign of them.
        since: epoch seconds; there was a sign of them from then on.
        subject: the whole name.
    """

    text: str | None = None
    role: str | None = None
    finding: str | None = None
    unused: float | None = None
    since: float | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One subject in a review. Times are epoch seconds; 0: never."""

    id: str
    seen: Seen
    roles: tuple[str, ...]
    origins: tuple[RoleOrigin, ...]
    opens: tuple[Opening, ...]
    findings: tuple[str, ...]
    live_sessions: int
    decision: str | None  # of the review that is open now


class RowBuilder:
    """Builds rows by the rules of a configuration."""

    def __init__(
        self,
        *,
        routes: Sequence[ReviewedRoute],
        principals: Principals,
        reader: RoleReader,
        assigned: Assigned,
        thresholds: Thresholds,
        interval: float | None,
    ) -> None:
        self._routes = tuple(routes)
        self._asked_for = roles_asked_for(routes)
        self._has_function = any(route.policy.function is not None for route in routes)
        self._principals = principals
        self._reader = reader
        self._assigned = assigned
        self._thresholds = thresholds
        self._interval = interval
        self._openings: LRUCache[bytes, tuple[Opening, ...]] = LRUCache(_REMEMBERED)

    def opens_of(self, principal: Principal, scope: str = "", *, claims_known: bool = True) -> tuple[Opening, ...]:
        """Return what is open to somebody with these roles."""
        return self._opens(Holder(principal, scope, claims_known))

    def given_roles(self, now: float) -> frozenset[str]:
        """Return the roles that the configuration gives to somebody, whatever tokens say."""
        return self._assigned.all_roles(now).union(*self._reader.map.subjects.values())

    def build(self, entry: Entry, now: float, unused: float | None = None) -> Row:
        """Return the row of a subject at this moment; `unused`: seconds, in place of the configured ones."""
        seen = entry.seen
        principal = Principal(seen.issuer, seen.subject, frozenset(seen.roles), seen.claims or {})
        holder = Holder(self._principals.now(principal, now), seen.scope, seen.claims is not None)
        origins = self._origins(seen, principal, now)
        subject = Subject(seen, holder, origins, self._assigned.of(seen.subject))
        thresholds = self._thresholds if unused is None else replace(self._thresholds, unused=unused)
        findings = findings_of(
            subject,
            now=now,
            thresholds=thresholds,
            routes=self._routes,
            asked_for=self._asked_for,
            expand=self._reader.expand,
            without=self._without,
        )
        mark = seen.mark
        is_open = mark is not None and (self._interval is None or now < mark.at + self._interval)
        decision = mark.decision if mark is not None and is_open else None
        roles = tuple(sorted(holder.principal.roles))
        return Row(entry.id, seen, roles, origins, self._opens(holder), findings, 0, decision)

    def _origins(self, seen: Seen, principal: Principal, now: float) -> tuple[RoleOrigin, ...]:
        told = seen.role_origins()
        known = {origin.role for origin in told}
        found = [
            origin
            for origin in self._principals.origins_of(principal, now)
            if origin.via not in {"claim", "renamed"} or origin.role not in known
        ]
        return tuple(dict.fromkeys([*told, *found]))

    def _without(self, subject: Subject, role: str) -> Holder:
        held = set(direct_roles(subject.origins)) - {role}
        principal = replace(subject.holder.principal, roles=self._reader.expand(held))
        return replace(subject.holder, principal=principal)

    def _opens(self, holder: Holder) -> tuple[Opening, ...]:
        if self._has_function:
            return openings(self._routes, holder)
        principal = holder.principal
        try:  # most people are like many others
            key = encode([sorted(principal.roles), holder.scope, holder.claims_known, dict(principal.claims)])
        except (TypeError, ValueError, OverflowError, RecursionError):
            return openings(self._routes, holder)
        known = self._openings.get(key)
        if known is None:
            known = self._openings[key] = openings(self._routes, holder)
        return known


def fits(row: Row, filters: Filters, now: float) -> bool:
    """Whether a row passes the filters."""
    seen = row.seen
    text = filters.text.casefold() if filters.text else None
    return (
        (text is None or text in seen.subject.casefold() or text in seen.name.casefold())
        and (filters.role is None or filters.role in row.roles)
        and (filters.finding is None or any(is_kind(finding, filters.finding) for finding in row.findings))
        and (filters.unused is None or now - seen.active_at >= filters.unused)
        and (filters.since is None or seen.active_at >= filters.since)
    )
