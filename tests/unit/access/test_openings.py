"""What is open to somebody, in particular cases; the general one is held to `decide` by property."""

from bff.access.openings import METHODS, Holder, Opening, ReviewedRoute, openings, roles_asked_for
from bff.access.policy import Allow, Deny
from tests.unit.access.policies import person, policy


def opened(toml: str, who, scope: str = "", **more):
    """Route by route: the rules, counted from 1, with their methods."""
    route = ReviewedRoute("/api", policy(toml, **more), "policies:decide" if "function" in more else None)
    return [(opening.rule, " ".join(opening.methods)) for opening in openings([route], Holder(who, scope))]


def test_each_rule_is_listed_with_the_methods_that_it_opens():
    """Those that an earlier rule decides anyway are that rule's."""
    rules = (
        '{ methods = ["GET"], roles = ["a"] }, { methods = ["GET", "PUT"], roles = ["a", "b"] }, { roles = ["c"] }'
    )

    assert [(1, "GET"), (2, "PUT")] == opened(rules, person("a"))
    assert [(2, "GET PUT")] == opened(rules, person("b"))
    assert [(3, " ".join(METHODS))] == opened(rules, person("c"))
    assert [] == opened(rules, person("d"))


def test_a_denial_closes_what_it_surely_covers_and_nothing_else():
    """One for a part of the paths, or for other hours, leaves the rest open."""
    allow = '{ methods = ["GET"], roles = ["a"] }'

    assert [] == opened('{ roles = ["x"], deny = true }, ' + allow, person("a", "x"))
    assert [(2, "GET")] == opened('{ roles = ["x"], deny = true }, ' + allow, person("a"))
    assert [(2, "GET")] == opened('{ path = "/x/**", deny = true }, ' + allow, person("a"))
    assert [(2, "GET")] == opened('{ times = ["sat-sun"], deny = true }, ' + allow, person("a"))
    within = '{ methods = ["GET"], path = "/x/y", roles = ["a"] }'
    assert [] == opened('{ path = "/x/**", deny = true }, ' + within, person("a"))


def test_scopes_and_claims_are_asked_for_and_the_moment_is_not():
    """A rule for office hours is open at night too, as far as a review is concerned."""
    rules = """
    { methods = ["GET"], scopes = ["orders"] },
    { methods = ["PUT"], claims.dept = "sales" },
    { methods = ["POST"], times = ["mon 08:00-08:01"], networks = ["10.0.0.1/32"], acr = ["gold"], max_age = "1s" },
    { methods = ["DELETE"], path = "/{team}", match = { team = "team" } }
    """

    assert [(3, "POST")] == opened(rules, person("a"))
    assert [(1, "GET"), (2, "PUT"), (3, "POST")] == opened(rules, person(dept="sales"), "openid orders")
    assert [(3, "POST"), (4, "DELETE")] == opened(rules, person(team="red"))
    assert [(3, "POST")] == opened(rules, person(team=["red"]))


def test_methods_that_rules_name_are_listed_beside_the_usual_ones():
    """As WebDAV has them."""
    assert [(1, "GET PROPFIND")] == opened('{ methods = ["GET", "PROPFIND"] }', person("a"))


def test_a_route_without_rules_is_open_to_whoever_is_signed_in():
    """And says so."""
    assert [(None, " ".join(METHODS))] == opened("", person())


def test_a_callable_is_asked_about_the_route_itself():
    """What it answers is listed under its name; one that fails opens nothing."""

    def decides(facts, principal):
        return Allow() if facts.method == "GET" and "a" in principal.roles else Deny("no")

    assert [(None, "GET")] == opened("", person("a"), function=decides)
    assert [] == opened("", person("b"), function=decides)
    assert [] == opened("", person("a"), function=lambda *_: 1 / 0)
    route = ReviewedRoute("/api", policy("", function=decides), "policies:decide")
    assert (
        Opening("/api", ("GET",), None, "policies:decide allows it, asked about the route itself"),
    ) == openings([route], Holder(person("a")))


def test_roles_that_open_something_are_those_that_rules_allow_for():
    """Not those of denials; with a callable nobody can know."""
    routes = [
        ReviewedRoute("/a", policy('{ roles = ["x"], all_roles = ["y"] }, { roles = ["z"], deny = true }')),
        ReviewedRoute("/b", policy('{ none_roles = ["w"] }')),
    ]

    assert {"x", "y"} == roles_asked_for(routes)
    assert roles_asked_for([*routes, ReviewedRoute("/c", policy("", function=lambda *_: None), "p:f")]) is None
