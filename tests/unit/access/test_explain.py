"""What is told of a decision: every rule in order, what it lacked, and what would have been enough."""

from bff.access.explain import build_explanation, explain
from bff.access.policy import Allow, Deny, build_policy
from tests.unit.access.policies import facts, person, policy

ORDERS = """
{ path = "/admin/**", none_roles = ["admin"], deny = true },
{ methods = ["GET", "HEAD"], roles = ["reader"] },
{ methods = ["POST"], roles = ["admin"], scopes = ["w"] },
{ methods = ["POST"], roles = ["clerk"], acr = ["gold"] }
"""


def told(request, who, **more):
    return explain("/api/orders", policy(ORDERS), facts(request, **more), who)


def test_a_denial_tells_what_would_have_opened_it():
    """One alternative for each rule about this method and path."""
    explanation = told("POST /1", person("reader"))

    assert "denied: a role is missing" == explanation.verdict
    assert ("the role admin and the scope w", "the role clerk and a login with acr gold") == explanation.needed
    assert [
        "1. deny any method /admin/** without admin: needs a path like /admin/**",
        "2. allow GET, HEAD for reader: needs the method GET or HEAD",
        "3. allow POST for admin with scope w: needs the role admin, the scope w",
        "4. allow POST for clerk at acr gold: needs the role clerk, a login with acr gold",
    ] == list(map(str, explanation.rules))


def test_a_rule_that_denies_is_named():
    """What comes behind it is told, and does not count."""
    explanation = told("GET /admin/x", person("reader"))

    assert ("denied by rule 1", ()) == (explanation.verdict, explanation.needed)
    assert "2. allow GET, HEAD for reader: would fit, but an earlier rule decides" == str(explanation.rules[1])


def test_a_rule_that_allows_is_named():
    """With its place in the file."""
    explanation = told("GET /1", person("reader"))

    assert ("allowed by rule 2", ()) == (explanation.verdict, explanation.needed)
    assert "2. allow GET, HEAD for reader: fits, and decides" == str(explanation.rules[1])


def test_a_stronger_login_is_told_as_such():
    """RFC 9470."""
    explanation = told("POST /1", person("clerk"))

    assert "needs a stronger or fresher login, then rule 4 allows it" == explanation.verdict
    assert "a login with acr gold" in explanation.needed


def test_nobody_is_to_sign_in():
    """The rules do not matter before that."""
    explanation = told("GET /1", None)

    assert ("denied: nobody is signed in", ("to be signed in",)) == (explanation.verdict, explanation.needed)


def test_routes_without_rules_and_with_a_callable_are_told():
    """There is nothing to list."""
    open_one = explain("/api", build_policy([]), facts(), person())
    own = explain("/api", build_policy([], function=lambda _f, _p: Deny("because")), facts(), person())

    assert "allowed: the route has no rules, so whoever is signed in may use it" == open_one.verdict
    assert ("denied: because", ()) == (own.verdict, own.rules)


def test_an_explanation_is_plain_data_too():
    """For the console and for pipelines."""
    data = build_explanation(told("GET /admin/1", person("reader")))

    assert ("/api/orders", "deny", "denied_by_rule", 0) == tuple(
        data[key] for key in ("route", "decision", "reason", "rule")
    )
    assert {
        "position": 1,
        "rule": "allow GET, HEAD for reader",
        "fits": True,
        "lacks": [],
        "decides": False,
    } == data["rules"][1]
    assert (None, "allow") == tuple(
        build_explanation(explain("/a", build_policy([], function=lambda _f, _p: Allow()), facts(), person()))[key]
        for key in ("rule", "decision")
    )
