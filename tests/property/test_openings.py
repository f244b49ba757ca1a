"""What a review says that somebody may do, held to what `decide` decides, for any rules, requests and claims."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bff.access.facts import RequestFacts
from bff.access.openings import METHODS, Holder, ReviewedRoute, claims_asked_for, claims_kept, open_rules, openings
from bff.access.policy import Allow, StepUp, decide
from tests.property.test_access import compiled, json_values, people, requests, rule_lists

odd_claims = st.dictionaries(st.sampled_from(("dept", "auth", "auth.x", "acr", "sub", "", "a.b")), json_values)


@given(rule_lists, requests, people)
def test_whatever_is_allowed_is_among_the_openings(rules, request, who):
    """Route, method and rule alike: nothing that somebody can do is left out of the review."""
    policy = compiled(rules)
    decision = decide(policy, request, who)
    found = openings([ReviewedRoute("/api", policy)], Holder(who, request.scope))

    if isinstance(decision, Allow | StepUp):
        rule = decision.rule + 1 if decision.rule >= 0 else None
        assert [True] == [request.method in opening.methods for opening in found if opening.rule == rule]


@given(rule_lists, requests, people)
def test_what_is_settled_by_who_somebody_is_opens_exactly_what_is_decided(rules, request, who):
    """Where rules ask for roles, scopes and claims alone, openings and decisions are the same."""
    plain = [
        replace(rule, path=None, match={}, acr=(), amr=(), max_age=None, times=(), networks=()) for rule in rules
    ]
    policy = compiled(plain)
    found = openings([ReviewedRoute("/api", policy)], Holder(who, request.scope))
    opened = {(method, opening.rule) for opening in found for method in opening.methods}

    for method in METHODS:
        decision = decide(policy, RequestFacts(method, "", request.now, request.address, request.scope), who)
        rule = decision.rule + 1 if isinstance(decision, Allow) and decision.rule >= 0 else None
        assert {(method, rule)} & opened == ({(method, rule)} if isinstance(decision, Allow) else set())


@given(rule_lists, requests, people)
def test_openings_by_the_claims_that_are_kept_are_those_by_all_claims(rules, request, who):
    """A review needs no more of the claims than the rules name."""
    routes = [ReviewedRoute("/api", compiled(rules))]
    kept = replace(who, claims=claims_kept(who.claims, claims_asked_for(routes)))

    assert openings(routes, Holder(who, request.scope)) == openings(routes, Holder(kept, request.scope))


@given(rule_lists, requests, people)
def test_unknown_claims_hide_no_opening(rules, request, who):
    """What was too large to keep may open whatever it could."""
    routes = [ReviewedRoute("/api", compiled(rules))]
    known = openings(routes, Holder(who, request.scope))
    unknown = openings(routes, Holder(replace(who, claims={}), request.scope, claims_known=False))
    may = {(opening.rule, method) for opening in unknown for method in opening.methods}

    assert {(opening.rule, method) for opening in known for method in opening.methods} <= may


@given(rule_lists, people, odd_claims)
def test_no_shape_of_a_claim_breaks_a_review(rules, who, claims):
    """Whatever an issuer sends."""
    who = replace(who, claims=claims)
    policy = compiled(rules)

    for method in METHODS:
        assert all(isinstance(rule.outcome, Allow) for rule in open_rules(policy, method, Holder(who)))
    claims_kept(claims, claims_asked_for([ReviewedRoute("/api", policy)]))
