"""What somebody may do: the routes, methods and rules that are open to a principal, for reviews. Pure.

Some conditions are settled by who somebody is (roles, scopes, claims); others by the request and its moment (path,
hours, network, freshness of the login). A rule is open when the settled ones hold and no earlier rule decides
whatever it would. So whatever `decide` allows is among the openings; the rule's text says what else it asks for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bff.access.claim_paths import claim_value
from bff.access.conditions import AllRoles, AnyRole, Claim, Condition, Matches, NoRole, Path, Scopes
from bff.access.facts import RequestFacts
from bff.access.policy import Allow, Policy, Rule, StepUp, decide
from bff.config.conditions import covers
from bff.session.principal import Principal

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SETTLED = (AnyRole, AllRoles, NoRole, Scopes, Claim)


@dataclass(frozen=True, slots=True)
class ReviewedRoute:
    """A route that has a user. `function` names the callable that decides in place of rules."""

    path: str
    policy: Policy
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """What one rule opens. `rule` counts from 1, as the explanation does; None where the route has no rules."""

    route: str
    methods: tuple[str, ...]
    rule: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody, as far as rules may ask. `claims_known` is False when not every claim that rules name was kept."""

    principal: Principal
    scope: str = ""
    claims_known: bool = True


def openings(routes: Sequence[ReviewedRoute], who: Holder) -> tuple[Opening, ...]:
    """Return everything that is open to somebody, in the order of routes and rules."""
    return tuple(opening for route in routes for opening in _openings_of(route, who))


def open_rules(policy: Policy, method: str, who: Holder) -> list[Rule]:
    """Return the rules that may allow this method to somebody, in their order."""
    earlier: list[Rule] = []
    found = []
    for rule in policy.by_method.get(method, policy.otherwise):
        if not fits(rule, who) or any(is_covered(rule, other, who) for other in earlier):
            continue
        earlier.append(rule)
        if isinstance(rule.outcome, Allow):
            found.append(rule)
    return found


def fits(rule: Rule, who: Holder) -> bool:
    """Whether what is settled by who somebody is lets the rule fit; the rest depends on the request."""
    facts = RequestFacts("", scope=who.scope)
    for condition in rule.conditions:
        if isinstance(condition, Claim) and not who.claims_known:
            continue
        if isinstance(condition, SETTLED) and not condition.holds(facts, who.principal):
            return False
        if isinstance(condition, Matches) and who.claims_known and not _can_match(condition, who.principal):
            return False
    return True


def is_covered(rule: Rule, other: Rule, who: Holder) -> bool:
    """Whether each request of somebody's that fits `rule` fits `other` as well; errs to False."""
    conditions = _unsettled(rule, who)
    return all(any(_implies(one, wanted) for one in conditions) for wanted in _unsettled(other, who))


def methods_of(policy: Policy) -> tuple[str, ...]:
    """Return the usual methods, and those that rules name beside them."""
    return (*METHODS, *sorted(set(policy.by_method) - set(METHODS)))


def roles_asked_for(routes: Sequence[ReviewedRoute]) -> frozenset[str] | None:
    """Return the roles that some rule allows something to; None when a callable decides and nobody can know."""
    if any(route.policy.function is not None for route in routes):
        return None
    return frozenset(
        role
        for route in routes
        for rule in route.policy.rules
        if isinstance(rule.outcome, Allow)
        for condition in rule.conditions
        if isinstance(condition, AnyRole | AllRoles)
        for role in condition.roles
    )


def claims_asked_for(routes: Sequence[ReviewedRoute]) -> frozenset[str]:
    """Return the paths of the claims that rules look at."""
    return frozenset(
        condition.claim
        for route in routes
        for rule in route.policy.rules
        for condition in rule.conditions
        if isinstance(condition, Claim) or (isinstance(condition, Matches) and condition.claim != "sub")
    )


def claims_kept(claims: Mapping[str, object], paths: frozenset[str]) -> dict[str, object]:
    """Return those of the claims that lie on these paths: enough to decide alike."""
    return {
        name: value
        for name, value in claims.items()
        if name in paths or any(path.startswith(f"{name}.") for path in paths)
    }


def _openings_of(route: ReviewedRoute, who: Holder) -> Iterator[Opening]:
    policy = route.policy
    if policy.function is not None:
        allowed = tuple(method for method in METHODS if _allows(policy, method, who))
        if allowed:
            yield Opening(route.path, allowed, None, f"{route.function} allows it, asked about the route itself")
        return
    if policy.is_open:
        yield Opening(route.path, METHODS, None, "the route has no rules: whoever is signed in may use it")
        return
    by_rule: dict[int, list[str]] = {}
    for method in methods_of(policy):
        for rule in open_rules(policy, method, who):
            by_rule.setdefault(rule.position, []).append(method)
    for rule in policy.rules:
        if rule.position in by_rule:
            yield Opening(route.path, tuple(by_rule[rule.position]), rule.position + 1, rule.text)


def _allows(policy: Policy, method: str, who: Holder) -> bool:
    return isinstance(decide(policy, RequestFacts(method, scope=who.scope), who.principal), Allow | StepUp)


def _unsettled(rule: Rule, who: Holder) -> list[Condition]:
    return [
        condition
        for condition in (*rule.conditions, *rule.strength)
        if not isinstance(condition, SETTLED) or (isinstance(condition, Claim) and not who.claims_known)
    ]


def _implies(one: Condition, wanted: Condition) -> bool:
    if isinstance(one, Path) and isinstance(wanted, Path):
        # A path that can be read in several ways fits what denies, and nothing that allows.
        return covers(wanted.pattern, one.pattern) and (wanted.denies or not one.denies)
    if isinstance(one, Matches) and isinstance(wanted, Matches):
        same = (one.position, one.claim) == (wanted.position, wanted.claim)
        return same and (wanted.denies or not one.denies)
    return one == wanted


def _can_match(condition: Matches, principal: Principal) -> bool:
    if condition.claim == "sub":
        return True
    value = claim_value(principal.claims, condition.claim)
    return condition.denies or (isinstance(value, int | str) and not isinstance(value, bool))
