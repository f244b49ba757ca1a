"""The decision: which rule fits which request, as a table; deny by default; the first rule that fits wins."""

from datetime import datetime

import pytest

from bff.access.facts import RequestFacts, split_path
from bff.access.policy import Allow, Deny, StepUp, build_policy, decide
from tests.unit.access.policies import NOW, facts, person, policy


def at(text):
    return datetime.fromisoformat(text).timestamp()


# (rules, request, who, fits)
CONDITIONS = [
    ('{ methods = ["GET"] }', facts("GET"), person(), True),
    ('{ methods = ["GET"] }', facts("HEAD"), person(), False),
    ('{ roles = ["a", "b"] }', facts(), person("b"), True),
    ('{ roles = ["a", "b"] }', facts(), person("c"), False),
    ('{ all_roles = ["a", "b"] }', facts(), person("a", "b"), True),
    ('{ all_roles = ["a", "b"] }', facts(), person("a"), False),
    ('{ none_roles = ["a", "b"] }', facts(), person("c"), True),
    ('{ none_roles = ["a", "b"] }', facts(), person("c", "b"), False),
    ('{ scopes = ["r", "w"] }', facts(scope="w x r"), person(), True),
    ('{ scopes = ["r", "w"] }', facts(scope="rw r"), person(), False),
    ('{ path = "/" }', facts("GET"), person(), True),
    ('{ path = "/" }', facts("GET /"), person(), True),
    ('{ path = "/" }', facts("GET /x"), person(), False),
    ('{ path = "/users/*" }', facts("GET /users/7"), person(), True),
    ('{ path = "/users/*" }', facts("GET /users/7/"), person(), True),
    ('{ path = "/users/*" }', facts("GET /users"), person(), False),
    ('{ path = "/users/*" }', facts("GET /users/7/orders"), person(), False),
    ('{ path = "/users/{id}/orders/*" }', facts("GET /users/7/orders/9"), person(), True),
    ('{ path = "/users/{id}/orders/*" }', facts("GET /users/7/carts/9"), person(), False),
    ('{ path = "/files/**" }', facts("GET /files"), person(), True),
    ('{ path = "/files/**" }', facts("GET /files/a/b/c"), person(), True),
    ('{ path = "/files/**" }', facts("GET /filesystem"), person(), False),
    ('{ path = "/ü" }', facts("GET /%C3%BC"), person(), True),
    ('{ path = "/admin" }', facts("GET /%61dmin"), person(), True),
    ('{ path = "/admin" }', facts("GET /Admin"), person(), False),
    ('{ path = "/**" }', facts("GET /a//b"), person(), False),
    ('{ path = "/**" }', facts("GET /a%2Fb"), person(), False),
    ('{ path = "/**" }', facts("GET /a;x=1"), person(), False),
    ('{ path = "/**" }', facts("GET /%2561"), person(), False),
    ('{ path = "/**" }', facts("GET /%ff"), person(), False),
    ('{ path = "/{user}", match = { user = "sub" } }', facts("GET /alice"), person(), True),
    ('{ path = "/{user}", match = { user = "sub" } }', facts("GET /bob"), person(), False),
    ('{ path = "/{user}/**", match = { user = "sub" } }', facts("GET /alice/x/y"), person(), True),
    ('{ path = "/{t}", match = { t = "tenant.id" } }', facts("GET /7"), person(tenant={"id": 7}), True),
    ('{ path = "/{t}", match = { t = "tenant" } }', facts("GET /True"), person(tenant=True), False),
    ('{ path = "/{t}", match = { t = "tenant" } }', facts("GET /x"), person(tenant=["x"]), False),
    ('{ claims = { dept = "sales" } }', facts(), person(dept="sales"), True),
    ('{ claims = { dept = "sales" } }', facts(), person(dept=["sales"]), False),
    ('{ claims = { dept = "sales" } }', facts(), person(), False),
    ("{ claims = { level = 1 } }", facts(), person(level=1), True),
    ("{ claims = { level = 1 } }", facts(), person(level=True), False),
    ("{ claims = { level = 1 } }", facts(), person(level="1"), False),
    ("{ claims = { vip = true } }", facts(), person(vip=True), True),
    ("{ claims = { vip = true } }", facts(), person(vip=1), False),
    ('{ claims = { "org.unit" = "x" } }', facts(), person(org={"unit": "x"}), True),
    ('{ claims = { groups = { contains = "x" } } }', facts(), person(groups=["y", "x"]), True),
    ('{ claims = { groups = { contains = "x" } } }', facts(), person(groups="y x"), True),
    ('{ claims = { groups = { contains = "x" } } }', facts(), person(groups="xyz"), False),
    ('{ claims = { groups = { contains = "x" } } }', facts(), person(groups={"x": 1}), False),
    ("{ claims = { mail = { present = true } } }", facts(), person(mail="a"), True),
    ("{ claims = { mail = { present = true } } }", facts(), person(mail=""), False),
    ("{ claims = { mail = { present = false } } }", facts(), person(), True),
    ("{ claims = { mail = { present = false } } }", facts(), person(mail="a"), False),
    ('{ networks = ["10.0.0.0/8", "fd00::/8"] }', facts(address="10.1.2.3"), person(), True),
    ('{ networks = ["10.0.0.0/8"] }', facts(address="::ffff:10.1.2.3"), person(), True),
    ('{ networks = ["10.0.0.0/8"] }', facts(address="11.1.2.3"), person(), False),
    ('{ networks = ["10.0.0.0/8"] }', facts(address="fd00::1"), person(), False),
    ('{ networks = ["10.0.0.0/8"] }', facts(address="unknown"), person(), False),
    ('{ times = ["mon-fri 08:00-18:00 Europe/Berlin"] }', facts(now=at("2026-11-24T08:00+01:00")), person(), True),
    ('{ times = ["mon-fri 08:00-18:00 Europe/Berlin"] }', facts(now=at("2026-11-24T18:00+01:00")), person(), False),
    ('{ times = ["mon-fri 08:00-18:00 Europe/Berlin"] }', facts(now=at("2026-07-24T06:00Z")), person(), True),
    ('{ times = ["mon-fri 08:00-18:00 Europe/Berlin"] }', facts(now=at("2026-11-28T10:00+01:00")), person(), False),
    ('{ times = ["sat,sun"] }', facts(now=at("2026-11-28T23:59Z")), person(), True),
    ('{ times = ["fri 22:00-06:00"] }', facts(now=at("2026-11-27T23:00Z")), person(), True),
    ('{ times = ["fri 22:00-06:00"] }', facts(now=at("2026-11-28T05:59Z")), person(), True),
    ('{ times = ["fri 22:00-06:00"] }', facts(now=at("2026-11-27T05:59Z")), person(), False),
    ('{ times = ["08:00-12:00", "12:30-24:00"] }', facts(now=at("2026-11-27T12:45Z")), person(), True),
    ("{}", facts("PURGE"), person(), True),
]


@pytest.mark.parametrize(("rules", "request_", "who", "fits"), CONDITIONS)
def test_a_rule_fits_when_everything_it_asks_for_holds(rules, request_, who, fits):
    """Each condition by itself, with its neighbours (OWASP ASVS 8.2.1, 8.2.2, 8.3.1)."""
    assert fits == isinstance(decide(policy(rules), request_, who), Allow)


def test_the_first_rule_that_fits_wins():
    """An exception stands before what it is an exception to."""
    rules = policy('{ path = "/secret/**", deny = true }, { roles = ["reader"] }, { roles = ["reader", "admin"] }')

    assert Deny("denied_by_rule", rule=0) == decide(rules, facts("GET /secret/1"), person("reader"))
    assert Allow(1) == decide(rules, facts("GET /open"), person("reader"))
    assert Allow(2) == decide(rules, facts("GET /open"), person("admin"))


@pytest.mark.parametrize("path", ["/admin", "/ADMIN/x", "/%61dmin", "//admin", "/admin;a=b", "/a%2fdmin"])
def test_no_spelling_gets_past_a_denial(path):
    """A path that some server may read as the forbidden one is denied (OWASP ASVS 4.2, 8.3.1)."""
    rules = policy('{ path = "/admin/**", deny = true }, {}')

    assert Deny("denied_by_rule", rule=0) == decide(rules, facts(f"GET {path}"), person())


@pytest.mark.parametrize(
    ("rules", "request_", "who", "denial"),
    [
        ('{ methods = ["GET"] }', facts("POST"), person(), Deny("no_rule_for_method")),
        ('{ path = "/a" }', facts("GET /b"), person(), Deny("path_not_covered")),
        ('{ path = "/**" }', facts("GET //b"), person(), Deny("path_ambiguous")),
        ('{ roles = ["a"] }, { roles = ["b"] }', facts(), person(), Deny("role_missing", frozenset({"a", "b"}))),
        ('{ all_roles = ["a", "b"] }', facts(), person("a"), Deny("role_missing", frozenset({"a", "b"}))),
        ('{ none_roles = ["a"] }', facts(), person("a"), Deny("role_excluded")),
        ('{ scopes = ["w"] }', facts(), person(), Deny("scope_missing")),
        ("{ claims = { a = 1 } }", facts(), person(), Deny("claim_mismatch")),
        ('{ path = "/{u}", match = { u = "sub" } }', facts("GET /b"), person(), Deny("not_own")),
        ('{ times = ["sun"] }', facts(), person(), Deny("outside_hours")),
        ('{ networks = ["10.0.0.0/8"] }', facts(), person(), Deny("network_not_covered")),
        ("{ }", facts(), None, Deny("anonymous")),
    ],
)
def test_a_denial_says_what_was_lacking(rules, request_, who, denial):
    """One stable word, for the audit log, the answer and the explanation."""
    assert denial == decide(policy(rules), request_, who)


def test_a_route_without_rules_is_open():
    """Whoever got this far may use it; the session was asked for before."""
    assert [Allow(-1), Allow(-1)] == [decide(build_policy([]), facts(), who) for who in (person(), None)]


def test_a_route_without_users_asks_nobody_to_sign_in():
    """token = "none": rules about methods, paths, hours and networks still hold."""
    rules = policy('{ methods = ["GET"], networks = ["10.0.0.0/8"] }', for_anybody=True)

    assert Allow(0) == decide(rules, facts(address="10.0.0.1"), None)
    assert Deny("network_not_covered") == decide(rules, facts(), None)


# ── stronger logins ──────────────────────────────────────────────────────────────────────────────────────────

GOLD = '{ methods = ["DELETE"], roles = ["admin"], acr = ["gold", "silver"], max_age = "10m" }'


@pytest.mark.parametrize(
    ("who", "decision"),
    [
        (person("admin", acr="gold", auth_time=NOW - 60), Allow(0)),
        (person("admin", acr="bronze", auth_time=NOW - 60), StepUp(0, ("gold", "silver"), 600)),
        (person("admin", acr="gold", auth_time=NOW - 601), StepUp(0, ("gold", "silver"), 600)),
        (person("admin", acr=["gold"], auth_time=NOW), StepUp(0, ("gold", "silver"), 600)),
        (person("admin", acr="gold"), StepUp(0, ("gold", "silver"), 600)),
        (person("admin", acr="gold", auth_time=True), StepUp(0, ("gold", "silver"), 600)),
        (person("admin", acr="gold", auth_time=float("nan")), StepUp(0, ("gold", "silver"), 600)),
        (person("reader", acr="bronze"), Deny("role_missing", frozenset({"admin"}))),
    ],
)
def test_what_a_new_login_could_mend_is_no_denial(who, decision):
    """RFC 9470 §3: the page learns what to ask for, unless a role is missing as well."""
    assert decision == decide(policy(GOLD), facts("DELETE"), who)


def test_a_login_method_is_one_of_those_named():
    """RFC 8176; the protocol has no way to ask for methods, so the login is at least to be a new one."""
    rules = policy('{ amr = ["otp", "hwk"] }')

    assert Allow(0) == decide(rules, facts(), person(amr=["pwd", "otp"]))
    assert StepUp(0, (), 0.0, ("otp", "hwk")) == decide(rules, facts(), person(amr=["pwd"]))
    assert StepUp(0, (), 0.0, ("otp", "hwk")) == decide(rules, facts(), person(amr={"otp": 1}))


def test_a_later_rule_may_allow_without_a_stronger_login():
    """Nobody is sent to log in again for what another rule allows them anyway."""
    assert Allow(1) == decide(policy(GOLD + ', { roles = ["owner"] }'), facts("DELETE"), person("admin", "owner"))


def test_a_later_denial_does_not_hide_that_a_stronger_login_would_do():
    """After the login the earlier rule would fit first, so the answer is to log in."""
    decision = decide(policy(GOLD + ", { deny = true }"), facts("DELETE"), person("admin"))

    assert StepUp(0, ("gold", "silver"), 600) == decision


# ── callables ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_callable_decides_in_place_of_rules():
    """It sees the request and who makes it."""
    seen = []

    def function(facts, principal):
        seen.append((facts.segments, principal.subject))
        return Allow() if "admin" in principal.roles else Deny("read_only")

    rules = build_policy([], function=function)

    assert Allow() == decide(rules, facts("POST /a/b"), person("admin"))
    assert Deny("read_only") == decide(rules, facts("POST /a/b"), person())
    assert Deny("anonymous") == decide(rules, facts("POST /a/b"), None)
    assert [(("a", "b"), "alice")] * 2 == seen


@pytest.mark.parametrize("function", [lambda f, p: 1 / 0, lambda f, p: True, lambda f, p: None, Allow])
def test_a_callable_that_fails_opens_nothing(function):
    """An exception, a truth value, nothing at all: fail closed (OWASP ASVS 16.5.3)."""
    assert Deny("policy_failed") == decide(build_policy([], function=function), facts(), person("admin"))


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("", ()),
        ("/", ()),
        ("//", None),
        ("/a", ("a",)),
        ("/a/", ("a",)),
        ("/a//", None),
        ("/a/b%20c", ("a", "b c")),
        ("/a/b%2Fc", None),
        ("/a/b;c", None),
        ("/%2e", None),
        ("/a%5Cb", None),
        ("/%25", None),
    ],
)
def test_a_path_has_one_reading_or_none(path, segments):
    """RFC 3986 §6.2: what servers would take for different paths is taken for none."""
    assert segments == split_path(path) == RequestFacts("GET", path).segments
