"""Who may call which method on which route: data and one pure function. Deny by default."""

from collections.abc import Sequence
from dataclasses import dataclass

from bff.session.principal import Principal


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `allow`. Empty `methods`: any method; empty `roles`: any signed-in user."""

    methods: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes, because of the rule at this position (-1: the route has no rules)."""

    rule: int


@dataclass(frozen=True, slots=True)
class Deny:
    """No. `needed` are the roles that would have opened this method, if any would."""

    reason: str  # "no_rule_for_method", "role_missing" or "anonymous"
    needed: frozenset[str] = frozenset()


Decision = Allow | Deny
_NO_RULES = Allow(-1)
_ANONYMOUS = Deny("anonymous")


def decide(rules: Sequence[Rule], method: str, principal: Principal | None) -> Decision:
    """Decide; the first rule that matches wins. A route without rules is open to every signed-in user."""
    if principal is None:
        return _ANONYMOUS if rules else _NO_RULES
    if not rules:
        return _NO_RULES
    needed: frozenset[str] = frozenset()
    for position, rule in enumerate(rules):
        if rule.methods and method not in rule.methods:
            continue
        if not rule.roles or not rule.roles.isdisjoint(principal.roles):
            return Allow(position)
        needed |= rule.roles
    return Deny("role_missing", needed) if needed else Deny("no_rule_for_method")
