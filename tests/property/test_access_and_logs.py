"""Whatever shape claims and events have, they open nothing, crash nothing and give nothing away."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bff.access.conditions import AnyRole
from bff.access.facts import RequestFacts
from bff.access.policy import Allow, Deny, Rule, build_policy, decide
from bff.access.roles import RoleMap, RoleReader
from bff.observe.logs import redact
from bff.session.principal import Principal

NAMES = st.sampled_from(["roles", "groups", "realm_access", "a", "b", "a.b", "https://x.test/roles", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
CLAIMS = st.dictionaries(NAMES, JSON, max_size=5)
PATHS = st.lists(
    st.sampled_from(["roles", "realm_access.roles", "a.b.a", "a.b", "https://x.test/roles", "", ".", "a..b"]),
    max_size=4,
)
ROLES = st.frozensets(st.sampled_from(["reader", "writer", "admin"]), max_size=3)
METHODS = st.sampled_from(["GET", "POST", "DELETE"])
GIVEN = st.lists(st.tuples(st.frozensets(METHODS, max_size=2), ROLES), max_size=4)


@given(st.lists(CLAIMS, max_size=2), PATHS, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_no_shape_of_claims_crashes_or_makes_up_roles(sources, paths, rename):
    """A role is a string that stood where the configuration looks, renamed at most."""
    reader = RoleReader(RoleMap(tuple(paths), rename=rename, max_roles=10))
    named = dict(zip(("ID token", "access token"), sources, strict=False))
    roles = reader.read(named, "alice").roles

    assert len(roles) <= 10
    written = json.dumps(sources, ensure_ascii=False)
    for role in roles:
        assert role in rename.values() or json.dumps(role, ensure_ascii=False)[1:-1] in written
    assert roles == {origin.role for origin in reader.origins(named, "alice")}


def may(given_rules, method, roles):
    """Decide by rules that open a method to roles."""
    rules = [
        Rule(position, methods, (AnyRole(needed),) if needed else (), (), Allow(position))
        for position, (methods, needed) in enumerate(given_rules)
    ]
    return decide(build_policy(rules), RequestFacts(method), Principal("i", "s", roles))


@given(GIVEN, METHODS, ROLES)
def test_decision_agrees_with_its_explanation(rules, method, roles):
    """The rule that is named is the first that fits; the roles that are named would have opened the method."""
    fits = [
        position
        for position, (methods, needed) in enumerate(rules)
        if (not methods or method in methods) and (not needed or needed & roles)
    ]

    match may(rules, method, roles):
        case Allow(position):
            assert (fits[0] if rules else -1) == position
        case Deny(reason, needed):
            assert (True, []) == (bool(rules), fits)
            assert ("role_missing" if needed else "no_rule_for_method") == reason
            for role in needed:
                assert isinstance(may(rules, method, frozenset({role})), Allow)


@given(GIVEN, st.tuples(st.frozensets(METHODS, max_size=2), ROLES), st.integers(0, 4), METHODS, ROLES)
def test_adding_a_rule_takes_no_right_away(rules, added, position, method, roles):
    """Rules that allow only open: wherever one is put in, what a rule allowed stays allowed."""
    if rules and isinstance(may(rules, method, roles), Allow):
        assert isinstance(may([*rules[:position], added, *rules[position:]], method, roles), Allow)


@given(GIVEN, METHODS, ROLES, ROLES)
def test_another_role_takes_no_right_away(rules, method, roles, more):
    """Whoever holds more roles may do at least as much."""
    if isinstance(may(rules, method, roles), Allow):
        assert isinstance(may(rules, method, roles | more), Allow)


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────

B64 = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=64, max_size=90)
SECRETS = st.one_of(
    B64,
    st.builds(lambda head, body: f"eyJ{head}.{body}", B64, B64),
    st.builds(lambda head, body, tail: f"eyJ{head}.{body}.{tail}", B64, B64, B64),
    st.builds(lambda body, tail: f"{body}.aBcD12.{tail[:43]}", B64, B64),
)
WRAPPED = st.sampled_from(
    [
        lambda secret: secret,
        lambda secret: f"before {secret} after",
        lambda secret: [secret],
        lambda secret: {"inner": {"deeper": [secret]}},
        lambda secret: (secret, 1),
        lambda secret: secret.encode(),
        lambda secret: {secret},
        lambda secret: {secret: 1},
    ]
)


@given(st.text(max_size=10), SECRETS, WRAPPED)
def test_nothing_that_looks_like_a_token_is_logged(name, secret, wrap):
    """A JWT or one of our envelopes, wherever it hides in a field."""
    event = redact(None, "info", {"event": "x", name or "field": wrap(secret)})

    if name not in {"event", "level", "timestamp", "code"}:
        assert max(secret.split("."), key=len)[:64] not in repr(event)


@given(
    st.sampled_from(["access_token", "client_secret", "Cookie", "Authorization", "code_verifier", "PASSWORD"]),
    st.one_of(
        st.text(min_size=1, max_size=9),
        st.lists(st.text(min_size=1, max_size=9), min_size=1),
        st.binary(min_size=1),
    ),
)
def test_fields_that_are_named_like_secrets_are_blank(name, value):
    """Whatever their type."""
    assert {"event": "x", name: "***"} == redact(None, "info", {"event": "x", name: value})
