"""The decision for any rules, any request and any claims."""

import random

from hypothesis import given
from hypothesis import strategies as st

from bff.access.configured import build_rule
from bff.access.explain import explain
from bff.access.facts import RequestFacts
from bff.access.policy import Allow, Deny, StepUp, build_policy, decide
from bff.access.roles import RoleMap, RoleReader
from bff.access.token_lint import lint_claims
from bff.config.conditions import ClaimTest, covers, overlaps, parse_path_pattern, parse_time_window
from bff.config.rule_sets import find_conflicts
from bff.config.settings import AllowSettings
from bff.config.values import read_network
from bff.session.principal import Principal

ROLES = ("a", "b", "c")
WORDS = ("x", "y", "alice")
PATTERNS = ("/", "/x", "/*", "/{p}", "/x/*", "/*/x", "/{p}/y", "/x/**", "/**", "/*/**")


def some(*values, most=2):
    return st.lists(st.sampled_from(values), unique=True, max_size=most).map(tuple)


@st.composite
def entries(draw):
    """Any entry of `allow` that a file could hold."""
    path = draw(st.none() | st.sampled_from(PATTERNS).map(parse_path_pattern))
    has_parameter = path is not None and path.parameters
    denies = draw(st.booleans())
    strength = st.just(()) if denies else some("gold", "silver", most=1)
    return AllowSettings(
        methods=draw(some("GET", "POST")),
        roles=draw(some(*ROLES)),
        all_roles=draw(some(*ROLES, most=1)),
        none_roles=draw(some(*ROLES, most=1)),
        path=path,
        scopes=draw(some("r", "w", most=1)),
        claims=draw(
            st.dictionaries(
                st.sampled_from(("dept", "auth.x")),
                st.sampled_from((ClaimTest("equals", "x"), ClaimTest("contains", "y"), ClaimTest("present", True))),
                max_size=1,
            )
        ),
        match={"p": draw(st.sampled_from(("sub", "dept")))} if has_parameter and draw(st.booleans()) else {},
        acr=draw(strength),
        amr=() if denies else draw(some("otp", most=1)),
        max_age=None if denies else draw(st.none() | st.just(60.0)),
        times=draw(st.just(()) | st.just((parse_time_window("mon-fri 08:00-18:00"),))),
        networks=draw(st.just(()) | st.just((read_network("10.0.0.0/8"),))),
        deny=denies,
    )


requests = st.builds(
    RequestFacts,
    method=st.sampled_from(("GET", "POST", "PUT")),
    path=st.lists(st.sampled_from((*WORDS, "%78", "a%2Fb", "", "X")), max_size=3).map(
        lambda parts: "".join(f"/{part}" for part in parts)
    ),
    now=st.sampled_from((1795514400.0, 1795860000.0)),
    address=st.sampled_from(("10.0.0.1", "11.0.0.1", "fd00::1", "")),
    scope=st.sampled_from(("", "r", "r w")),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
claims = st.dictionaries(
    st.sampled_from(("dept", "auth", "acr", "amr", "auth_time", "roles", "groups", "email")),
    json_values,
    max_size=5,
)
people = st.builds(
    lambda roles, claims: Principal("i", "alice", frozenset(roles), {"sub": "alice", **claims}),
    some(*ROLES),
    claims,
)
rule_lists = st.lists(entries(), max_size=5)


def compiled(entries_):
    return build_policy([build_rule(position, entry) for position, entry in enumerate(entries_)])


@given(rule_lists, entries(), st.randoms(use_true_random=False), requests, people)
def test_adding_a_rule_that_allows_never_removes_a_right(rules, extra, where: random.Random, request, who):
    """Wherever it is put."""
    allowed = isinstance(decide(compiled(rules), request, who), Allow) and bool(rules)
    at = where.randint(0, len(rules))
    extra = AllowSettings(**{**{name: getattr(extra, name) for name in extra.__slots__}, "deny": False})
    after = decide(compiled([*rules[:at], extra, *rules[at:]]), request, who)

    assert isinstance(after, Allow) or not allowed


@given(rule_lists, entries(), st.randoms(use_true_random=False), requests, people)
def test_adding_a_rule_that_denies_never_adds_a_right(rules, extra, where: random.Random, request, who):
    """Wherever it is put; a route without any rule has every right to begin with."""
    allowed = isinstance(decide(compiled(rules), request, who), Allow)
    at = where.randint(0, len(rules))
    extra = AllowSettings(**{**{name: getattr(extra, name) for name in extra.__slots__}, "deny": True})
    after = decide(compiled([*rules[:at], extra, *rules[at:]]), request, who)

    assert allowed or not isinstance(after, Allow)


@given(rule_lists.filter(bool), requests, people)
def test_what_is_told_of_the_rules_agrees_with_the_decision(rules, request, who):
    """The first rule that fits by its trace decided, unless an earlier one only wants a new login."""
    explanation = explain("/api", compiled(rules), request, who)
    fitting = [trace.position for trace in explanation.rules if trace.fits]
    decisive = [trace.position for trace in explanation.rules if trace.is_decisive]
    first = fitting[0] if fitting else None

    match explanation.decision:
        case Allow(rule) | Deny("denied_by_rule", rule=int(rule)):
            assert [rule] == decisive
            assert rule in fitting
            assert rule == first or not rules[first].deny
            assert all(rules[position].deny is False for position in fitting if position < rule)
            assert explanation.decision == decide(compiled(rules), request, who)
        case StepUp(rule):
            lacks = explanation.rules[rule].lacks
            assert lacks
            assert all(lack.startswith("a login") for lack in lacks)
            assert first is None or first > rule
            assert first is None or rules[first].deny
        case Deny():
            assert fitting == decisive == []
            assert not isinstance(decide(compiled(rules), request, who), Allow)


@given(rule_lists, st.lists(st.tuples(requests, people), min_size=2, max_size=6))
def test_what_a_policy_remembers_changes_no_decision(rules, asked):
    """A policy that has decided before decides, and gives its reasons, as a new one does."""
    used = compiled(rules)

    assert [decide(compiled(rules), *one) for one in asked] == [decide(used, *one) for one in asked]


@given(rule_lists, requests, people)
def test_a_rule_that_is_called_dead_never_decides(rules, request, who):
    """Start-up refuses such rules, so it must be right about them."""
    dead = {conflict.later for conflict in find_conflicts(rules, {}) if "can never decide" in conflict.message}
    decision = decide(compiled(rules), request, who)

    assert decision.rule not in dead


@given(st.sampled_from(PATTERNS), st.sampled_from(PATTERNS), requests)
def test_patterns_know_how_they_lie_to_each_other(one, other, request):
    """What is covered fits both, and what fits both overlaps."""
    first, second = parse_path_pattern(one), parse_path_pattern(other)
    fits = [
        isinstance(decide(compiled([AllowSettings(path=pattern)]), request, Principal("i", "s")), Allow)
        for pattern in (first, second)
    ]

    assert not (covers(first, second) and fits[1]) or fits[0]
    assert not all(fits) or overlaps(first, second)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5), st.lists(st.text(max_size=8), max_size=3))
def test_no_shape_of_claims_crashes_the_reader_of_roles(claims, paths):
    """Whatever the issuer sends; and every role is a string."""
    reader = RoleReader(RoleMap(tuple(paths)))
    found = reader.read({"ID token": claims}, "alice").roles

    assert all(isinstance(role, str) for role in found)
    assert found == {origin.role for origin in reader.origins({"ID token": claims}, "alice")}


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_no_shape_of_claims_crashes_the_linter(claims):
    """Nor does any value of six characters and more come out of it."""
    for finding in lint_claims(claims, "access_token"):
        assert finding.where.startswith("access_token")
