"""What a reviewer should look at: of one subject, as short stable words. Pure."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from bff.access.openings import Holder, ReviewedRoute, fits, is_covered, open_rules
from bff.access.policy import Rule
from bff.access.review_records import Seen, Use, parse_use
from bff.access.roles import RoleOrigin
from bff.access.usage import NO_RULE, name_rule
from bff.config.assignments import Assignment

KINDS = (
    "unused",
    "role_never_needed",
    "role_opens_nothing",
    "assignment_ends_soon",
    "assignment_ended",
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something is a finding; seconds."""

    unused: float = 90 * 86400.0
    ends_soon: float = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody with all that a review knows of them at this moment."""

    seen: Seen
    holder: Holder  # with the roles of this moment
    origins: Sequence[RoleOrigin]
    assignments: Sequence[Assignment]

    @property
    def roles(self) -> frozenset[str]:
        """The roles of this moment."""
        return self.holder.principal.roles


Without = Callable[[Subject, str], Holder]
Expand = Callable[[Collection[str]], frozenset[str]]


def findings_of(
    subject: Subject,
    *,
    now: float,
    thresholds: Thresholds,
    routes: Sequence[ReviewedRoute],
    asked_for: frozenset[str] | None,
    expand: Expand,
    without: Without,
) -> tuple[str, ...]:
    """Return the findings, by `KINDS`, each with the role that it is about after a colon."""
    found = []
    if now - subject.seen.active_at >= thresholds.unused:
        found.append(unused_word(thresholds.unused))
    held = direct_roles(subject.origins)
    if subject.seen.last_use_at:
        by_path = {route.path: route for route in routes}
        uses = [parse_use(key) for key, at in subject.seen.uses.items() if now - at <= thresholds.unused]
        found += [
            f"role_never_needed:{role}"
            for role in held
            if not any(_needs(use, by_path.get(use.route), without(subject, role)) for use in uses)
        ]
    if asked_for is not None:
        found += [f"role_opens_nothing:{role}" for role in held if asked_for.isdisjoint(expand({role}))]
    found.extend(_of_assignments(subject.assignments, now, thresholds.ends_soon))
    return tuple(dict.fromkeys(found))


def unused_word(seconds: float) -> str:
    """Return the word for access that was not used for so long."""
    return f"unused_{seconds / 86400:g}_days"


def direct_roles(origins: Sequence[RoleOrigin]) -> list[str]:
    """Return the roles that were given, without those that others only bring along."""
    return sorted({origin.role for origin in origins if origin.via != "implied"})


def is_kind(finding: str, wanted: str) -> bool:
    """Whether a finding is the wanted one: by its whole text, or by its kind."""
    return wanted in (finding, finding.partition(":")[0]) or (wanted == "unused" and finding.startswith("unused_"))


def _needs(use: Use, route: ReviewedRoute | None, without: Holder) -> bool:
    """Whether this use would not have been allowed without the role that `without` lacks; in doubt it would not."""
    if route is None or (use.rule == NO_RULE and route.policy.is_open):
        return False  # of a route that is gone, or one that asks for no role
    if route.policy.function is not None:
        return True  # what it asks for cannot be known
    rule = _rule_of(use, route)
    if rule is None:
        return True  # it has been written anew since
    if fits(rule, without):
        return False
    return not any(is_covered(rule, other, without) for other in open_rules(route.policy, use.method, without))


def _rule_of(use: Use, route: ReviewedRoute) -> Rule | None:
    return next((rule for rule in route.policy.rules if name_rule(rule.text) == use.rule), None)


def _of_assignments(assignments: Sequence[Assignment], now: float, ends_soon: float) -> Iterator[str]:
    for assignment in assignments:
        if assignment.ends_at <= now:
            yield f"assignment_ended:{assignment.role}"
        elif math.isfinite(assignment.ends_at) and assignment.ends_at - now <= ends_soon:
            yield f"assignment_ends_soon:{assignment.role}"
