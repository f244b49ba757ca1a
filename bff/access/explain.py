"""Why a request is allowed or not: every rule in order, what it asks for and what was lacking. Pure.

The words are for people, and the same on the command line and in the console. The decision is `decide`'s, and a
property test holds what is told of the rules to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bff.access.facts import RequestFacts
from bff.access.policy import Allow, Decision, Deny, Policy, Rule, StepUp, decide
from bff.session.principal import Principal

_NOBODY = Principal("", "")
WORDS = {
    "anonymous": "nobody is signed in",
    "denied_by_rule": "a rule denies it",
    "no_rule_for_method": "no rule is about this method",
    "path_not_covered": "no rule is about this path",
    "path_ambiguous": "servers may read this path in several ways",
    "policy_failed": "the policy failed",
    "role_missing": "a role is missing",
    "role_excluded": "a role that is held excludes it",
    "scope_missing": "a scope is missing",
    "claim_mismatch": "a claim is not as demanded",
    "not_own": "the path is not the user's own",
    "outside_hours": "it is outside the hours",
    "network_not_covered": "the address is in none of the networks",
    "no_rule_fits": "no rule fits",
}


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule: what it lacked. `is_decisive`: it is the one that decided."""

    position: int
    text: str
    fits: bool
    lacks: tuple[str, ...]
    is_decisive: bool = False

    def __str__(self) -> str:
        if self.fits:
            verdict = "fits, and decides" if self.is_decisive else "would fit, but an earlier rule decides"
        else:
            verdict = "needs " + ", ".join(self.lacks)
        return f"{self.position + 1}. {self.text}: {verdict}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer."""

    route: str
    decision: Decision
    rules: tuple[RuleTrace, ...]
    needed: tuple[str, ...]  # what would have been enough, one alternative a line

    @property
    def verdict(self) -> str:
        """The decision in a sentence."""
        match self.decision:
            case Allow(rule=-1):
                return "allowed: the route has no rules, so whoever is signed in may use it"
            case Allow(rule):
                return f"allowed by rule {rule + 1}"
            case StepUp(rule):
                return f"needs a stronger or fresher login, then rule {rule + 1} allows it"
            case Deny(reason, rule=int(rule)):
                return f"denied by rule {rule + 1}" if reason == "denied_by_rule" else f"denied: {reason}"
            case Deny(reason):
                return f"denied: {WORDS.get(reason, reason)}"


def explain(route: str, policy: Policy, facts: RequestFacts, principal: Principal | None) -> Explanation:
    """Tell how `decide` comes to its decision."""
    decision = decide(policy, facts, principal)
    if policy.function is not None or (principal is None and not policy.for_anybody):
        needed = ("to be signed in",) if principal is None and not policy.is_open else ()
        return Explanation(route, decision, (), needed)
    who = principal or _NOBODY
    traces = tuple(_trace(rule, facts, who, decision.rule) for rule in policy.rules)
    return Explanation(route, decision, traces, _needed(policy.rules, traces, decision))


def build_explanation(explanation: Explanation) -> dict[str, object]:
    """Return the explanation as plain data, for JSON."""
    decision = explanation.decision
    kind = {Allow: "allow", StepUp: "step_up", Deny: "deny"}[type(decision)]
    return {
        "route": explanation.route,
        "decision": kind,
        "reason": decision.reason if isinstance(decision, Deny) else None,
        "rule": None if decision.rule in {None, -1} else decision.rule,
        "verdict": explanation.verdict,
        "rules": [
            {
                "position": trace.position,
                "rule": trace.text,
                "fits": trace.fits,
                "lacks": list(trace.lacks),
                "decides": trace.is_decisive,
            }
            for trace in explanation.rules
        ],
        "needed": list(explanation.needed),
    }


def _trace(rule: Rule, facts: RequestFacts, principal: Principal, decisive: int | None) -> RuleTrace:
    lacks = []
    if rule.methods and facts.method not in rule.methods:
        lacks.append(f"the method {' or '.join(sorted(rule.methods))}")
    lacks += [
        str(condition) for condition in (*rule.conditions, *rule.strength) if not condition.holds(facts, principal)
    ]
    return RuleTrace(rule.position, rule.text, not lacks, tuple(lacks), rule.position == decisive)


def _needed(rules: Sequence[Rule], traces: Sequence[RuleTrace], decision: Decision) -> tuple[str, ...]:
    """Return what would have opened it: for each rule about this method and path that comes before a denial."""
    if isinstance(decision, Allow):
        return ()
    found = []
    for rule, trace in zip(rules, traces, strict=True):
        if isinstance(decision, Deny) and decision.rule == rule.position:
            break
        is_about_this = not any(lack.startswith(("the method ", "a path like ")) for lack in trace.lacks)
        if isinstance(rule.outcome, Allow) and is_about_this and trace.lacks:
            found.append(" and ".join(trace.lacks))
    return tuple(found)
