"""Who may do what on a route: compiled rules and one pure function. Deny by default; the first fit wins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bff.access.conditions import AllRoles, AnyRole, Condition, Path
from bff.access.facts import RequestFacts
from bff.session.principal import Principal


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes, because of the rule at this position (-1: the route has no rules)."""

    rule: int = -1


@dataclass(frozen=True, slots=True)
class Deny:
    """No. `needed` are the roles that would have opened this, if any would; `rule` is the one that denied."""

    reason: str  # "anonymous", "denied_by_rule", "no_rule_for_method", or a condition's
    needed: frozenset[str] = frozenset()
    rule: int | None = None


@dataclass(frozen=True, slots=True)
class StepUp:
    """Not with this login: the rule would allow it after a stronger or fresher one (RFC 9470 §3)."""

    rule: int
    acr_values: tuple[str, ...] = ()
    max_age: float | None = None  # seconds
    amr_values: tuple[str, ...] = ()


Decision = Allow | Deny | StepUp
PolicyFunction = Callable[[RequestFacts, Principal], Decision]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `allow`. No methods: any. `strength` is what a new login could mend."""

    position: int
    methods: frozenset[str]
    conditions: tuple[Condition, ...]
    strength: tuple[Condition, ...]
    outcome: Allow | Deny
    text: str = ""
    step_up: StepUp | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a route. `for_anybody`: the route has no user, so nobody need be signed in."""

    rules: tuple[Rule, ...] = ()
    for_anybody: bool = False
    function: PolicyFunction | None = None
    by_method: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict, compare=False)
    otherwise: tuple[Rule, ...] = ()  # for methods that no rule names
    denials: dict[tuple[str | None, int, bool], Deny] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to decide."""
        return not self.rules and self.function is None


_NO_RULES = Allow()
_MOST_DENIALS = 1024  # that a policy remembers
_ANONYMOUS = Deny("anonymous")
_NOBODY = Principal("", "")
_FAILED = Deny("policy_failed")
_DECISIONS: tuple[type[object], ...] = (Allow, Deny, StepUp)  # a function of the operator's may return anything


def build_policy(
    rules: Sequence[Rule], *, for_anybody: bool = False, function: PolicyFunction | None = None
) -> Policy:
    """Return the rules sorted by the methods that they name."""
    named = {method for rule in rules for method in rule.methods}
    return Policy(
        tuple(rules),
        for_anybody,
        function,
        {method: tuple(rule for rule in rules if not rule.methods or method in rule.methods) for method in named},
        tuple(rule for rule in rules if not rule.methods),
    )


def decide(policy: Policy, facts: RequestFacts, principal: Principal | None) -> Decision:
    """Decide. A route without rules is open to whoever got this far."""
    if policy.is_open:
        return _NO_RULES
    if principal is None:
        if not policy.for_anybody:
            return _ANONYMOUS
        principal = _NOBODY
    if policy.function is not None:
        return _ask(policy.function, facts, principal)
    weak: Rule | None = None
    for rule in policy.by_method.get(facts.method, policy.otherwise):
        for condition in rule.conditions:
            if not condition.holds(facts, principal):
                break
        else:
            if not rule.strength or _hold(rule.strength, facts, principal):
                # A denial further down does not matter to whoever would be let through up there after a new login.
                return rule.outcome if weak is None or isinstance(rule.outcome, Allow) else _step_up(weak)
            if weak is None and isinstance(rule.outcome, Allow):
                weak = rule
    return _step_up(weak) if weak is not None else _denial(policy, facts, principal)


def _ask(function: PolicyFunction, facts: RequestFacts, principal: Principal) -> Decision:
    try:
        decision = function(facts, principal)
    except Exception:  # noqa: BLE001 - the operator's own code: whatever it raises, nothing is opened
        return _FAILED
    return decision if isinstance(decision, _DECISIONS) else _FAILED


def _step_up(rule: Rule) -> StepUp:
    return rule.step_up or StepUp(rule.position)


def _hold(conditions: tuple[Condition, ...], facts: RequestFacts, principal: Principal) -> bool:
    for condition in conditions:  # noqa: SIM110 - a generator would cost more than all the rest
        if not condition.holds(facts, principal):
            return False
    return True


def _denial(policy: Policy, facts: RequestFacts, principal: Principal) -> Deny:
    """Say why. That depends on nothing but what does not hold, so it is worked out once for each such set."""
    rules = policy.by_method.get(facts.method)
    method = facts.method if rules is not None else None
    lacking = 0
    bit = 1
    for rule in rules if rules is not None else policy.otherwise:
        for condition in rule.conditions:
            if not condition.holds(facts, principal):
                lacking |= bit
            bit <<= 1
    known = policy.denials
    key = (method, lacking, facts.segments is None)
    denial = known.get(key)
    if denial is None:
        if len(known) >= _MOST_DENIALS:
            known.clear()
        denial = known[key] = _work_out(policy, facts, principal)
    return denial


def _work_out(policy: Policy, facts: RequestFacts, principal: Principal) -> Deny:
    """Return why: of the rules about this method and path, what the nearest ones lack."""
    rules = [
        rule for rule in policy.by_method.get(facts.method, policy.otherwise) if isinstance(rule.outcome, Allow)
    ]
    if not rules:
        return Deny("no_rule_for_method")
    lacking = [[c for c in rule.conditions if not c.holds(facts, principal)] for rule in rules]
    near = [missing for missing in lacking if not any(isinstance(condition, Path) for condition in missing)]
    if not near:
        return Deny("path_ambiguous" if facts.segments is None else "path_not_covered")
    roles = [c for missing in near for c in missing if isinstance(c, AnyRole | AllRoles)]
    if roles:
        return Deny("role_missing", frozenset[str]().union(*(condition.roles for condition in roles)))
    fewest = min(near, key=len)
    return Deny(fewest[0].reason if fewest else "no_rule_fits")
