"""What `[roles]`, `[tokens]` and the entries of `allow` must be to each other, at their lines."""

import re

import pytest

from bff.config.conditions import covers, overlaps, parse_path_pattern, parse_time_window
from bff.config.implied import closure, find_cycle
from bff.config.rule_sets import describe
from tests.unit.config.conftest import VALID

FORBIDDEN = "can never match: it demands one of admin and forbids each of them"
NO_ZONE = "(or this machine has no time zone database: install tzdata)"


def allow(*rules):
    """The valid file with these rules, the first of them on line 12."""
    return VALID + "allow = [\n" + "".join(f"  {rule},\n" for rule in rules) + "]\n"


def errors(disk, text):
    """Each error as (where, key, message, hint)."""
    return [complaint[1:] for complaint in disk.complaints(text) if complaint[0] == "error"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{}", '{ methods = ["GET"] }'),
        ('{ roles = ["a"] }', '{ roles = ["a"] }'),
        ('{ roles = ["a", "b"] }', '{ methods = ["GET"], roles = ["b"] }'),
        ('{ path = "/**" }', '{ path = "/x/{y}" }'),
        ('{ path = "/*/x" }', '{ path = "/a/x", deny = true }'),
        ('{ scopes = ["r"] }', '{ scopes = ["r", "w"] }'),
        ('{ roles = ["a"] }', '{ all_roles = ["a", "b"] }'),
        ('{ none_roles = ["a"] }', '{ none_roles = ["a", "b"] }'),
        ("{ claims = { a = { present = true } } }", "{ claims = { a = 1, b = 2 } }"),
        ('{ acr = ["x", "y"] }', '{ acr = ["y"] }'),
        ('{ max_age = "1h" }', '{ max_age = "5m" }'),
        ('{ networks = ["10.0.0.0/8"] }', '{ networks = ["10.1.0.0/16"] }'),
        ('{ times = ["mon", "tue"] }', '{ times = ["tue"] }'),
        ('{ path = "/{a}", match = { a = "sub" } }', '{ path = "/{b}", match = { b = "sub" }, roles = ["r"] }'),
    ],
)
def test_a_rule_that_is_shadowed_stops_the_start(disk, first, second):
    """The later rule is named at its line, the earlier one by its own."""
    ((where, key, message, hint),) = errors(disk, allow(first, second))

    assert ("bff.toml:13", "api.0.allow.1") == (where, key)
    assert message.startswith("can never decide: ")
    assert hint.endswith("bff.toml:12; put the narrower rule first, or remove one")


def test_a_rule_may_be_shadowed_by_several(disk):
    """Each of its methods and roles by one of them."""
    rules = (
        '{ methods = ["GET"] }',
        '{ methods = ["POST"], roles = ["a"] }',
        '{ methods = ["GET", "POST"], roles = ["a"] }',
    )

    assert ["api.0.allow.2"] == [key for _, key, _, _ in errors(disk, allow(*rules))]


def test_implied_roles_count_for_shadows(disk):
    """Whoever is an admin is a reader already."""
    text = allow('{ roles = ["reader"] }', '{ roles = ["admin"] }') + '[roles]\nimplies = { admin = ["reader"] }\n'

    assert ["api.0.allow.1"] == [key for _, key, _, _ in errors(disk, text)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{ methods = ["GET"] }', '{ methods = ["GET", "POST"] }'),
        ('{ roles = ["a"] }', '{ roles = ["a", "b"] }'),
        ('{ roles = ["a"] }', "{}"),
        ('{ path = "/x" }', '{ path = "/*" }'),
        ('{ path = "/x/*" }', '{ path = "/x/**" }'),
        ('{ path = "/a", deny = true }', '{ path = "/a/b" }'),
        ('{ all_roles = ["a", "b"] }', '{ roles = ["a"] }'),
        ('{ scopes = ["r", "w"] }', '{ scopes = ["r"] }'),
        ('{ networks = ["10.1.0.0/16"] }', '{ networks = ["10.0.0.0/8"] }'),
        ('{ max_age = "5m" }', '{ max_age = "1h" }'),
        ('{ path = "/{a}/{b}", match = { a = "sub" } }', '{ path = "/{a}/{b}", match = { b = "sub" } }'),
        ('{ path = "/*/x", deny = true }', '{ path = "/x/*", deny = true }'),
        ('{ path = "/x/*", methods = ["GET"] }', '{ path = "/*/x", methods = ["POST"], deny = true }'),
    ],
)
def test_neighbours_of_shadows_are_fine(disk, first, second):
    """What some request reaches is no mistake."""
    assert [] == errors(disk, allow(first, second))


def test_patterns_that_overlap_ambiguously_stop_the_start(disk):
    """Same specificity, different outcome: /users/admin would depend on the order alone."""
    ((where, key, message, hint),) = errors(
        disk, allow('{ path = "/users/*" }', '{ path = "/*/admin", deny = true }')
    )

    assert ("bff.toml:13", "api.0.allow.1") == (where, key)
    assert (
        "is ambiguous: deny any method /*/admin and allow any method /users/* both fit some paths, "
        "neither is the more specific, and they decide differently"
    ) == message
    assert "bff.toml:12" in hint


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('{ all_roles = ["a"], none_roles = ["a"] }', "can never match: it demands and forbids the role a"),
        ('{ roles = ["a"], none_roles = ["a"] }', "can never match: it demands one of a and forbids each of them"),
        ('{ roles = ["admin"], none_roles = ["reader"] }', FORBIDDEN),
        ('{ path = "/{sub}", match = { user = "sub" } }', "is no parameter of `path`, so the rule can never match"),
        ('{ match = { user = "sub" } }', "is no parameter of `path`, so the rule can never match"),
        ('{ deny = true, acr = ["x"] }', "would deny those who signed in as strongly as it asks"),
        ('{ deny = true, max_age = "1m" }', "would deny those who signed in as strongly as it asks"),
        ('{ methods = ["GTE"] }', "GTE is no HTTP method that is registered"),
        ('{ path = "x" }', '"x" does not start with a slash'),
        ('{ path = "/**/x" }', '"/**/x" has ** before its end'),
        ('{ path = "/{a}/{a}" }', '"/{a}/{a}" has two parameters named a'),
        ('{ path = "/x{a}" }', '"/x{a}" has a segment that is neither a plain name, nor {name}, nor *'),
        ('{ path = "/%61" }', '"/%61" has a segment that is neither a plain name, nor {name}, nor *'),
        ('{ path = "/../x" }', '"/../x" has a segment that is neither a plain name, nor {name}, nor *'),
        ('{ times = ["mon-fri 8-18"] }', f'"mon-fri 8-18" has the unknown time zone 8-18 {NO_ZONE}'),
        ('{ times = ["25:00-26:00"] }', '"25:00-26:00" has hours that no clock shows'),
        ('{ times = ["08:00-08:00"] }', '"08:00-08:00" begins and ends at the same time'),
        ('{ times = ["mon tue"] }', '"mon tue" has two parts for its days, or one that is not understood'),
        ('{ claims = { a = ["x"] } }', "is an array"),
        ('{ claims = { a = { is = "x" } } }', 'has "is" with a value it does not take'),
        ('{ claims = { a = { present = "x" } } }', 'has "present" with a value it does not take'),
        ('{ scopes = ["a b"] }', "holds characters that a scope cannot hold"),
        ('{ max_age = "0s" }', "is zero"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant_stops_the_start(disk, rule, message):
    """At its line."""
    text = allow(rule) + '[roles]\nimplies = { admin = ["reader"] }\n'

    assert [("bff.toml:12", message)] == [(where, found) for where, _, found, _ in errors(disk, text)]


@pytest.mark.parametrize("condition", ['scopes = ["r"]', "claims = { a = 1 }", 'acr = ["x"]', 'all_roles = ["a"]'])
def test_rules_about_users_need_a_route_with_users(disk, condition):
    """Nobody is signed in on a route without a token."""
    text = VALID + f'token = "none"\nallow = [{{ {condition} }}]\n'

    assert [f"asks for {condition.split()[0]} on a route without a user"] == [
        m for _, _, m, _ in errors(disk, text)
    ]


def test_a_callable_decides_alone(disk):
    """`allow` beside it would be read by nobody."""
    text = VALID + 'policy = "a.b:c"\nallow = [{}]\n'

    assert [("api.0.policy", "stands beside `allow`")] == [found[1:3] for found in errors(disk, text)]
    assert ['"a.b" names no callable'] == [found[2] for found in errors(disk, VALID + 'policy = "a.b"\n')]


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_roles_that_imply_themselves_stop_the_start(disk):
    """The whole circle is told."""
    text = VALID + '[roles]\nimplies = { a = ["b"], b = ["c"], c = ["a"] }\n'

    assert [("bff.toml:12", "roles.implies.a", "implies itself: a → b → c → a")] == [
        found[:3] for found in errors(disk, text)
    ]


def test_unknown_roles_are_errors_where_the_known_ones_are_named(disk):
    """In rules, implications, constants and renamings alike."""
    text = allow('{ roles = ["admn"] }') + (
        '[roles]\nknown = ["admin"]\nimplies = { admin = ["reader"] }\n'
        'subjects = { s = ["root"] }\nrename = { x = "y" }\n'
    )

    assert [
        ("bff.toml:12", "api.0.allow.0.roles.0", '"admn" is not in roles.known', 'did you mean "admin"?'),
        ("bff.toml:16", "roles.implies.admin.0", '"reader" is not in roles.known', ""),
        ("bff.toml:17", "roles.subjects.s.0", '"root" is not in roles.known', ""),
        ("bff.toml:18", "roles.rename.x", '"y" is not in roles.known', ""),
    ] == errors(disk, text)


def test_roles_that_look_mistaken_are_warnings_otherwise(disk):
    """Two spellings, and a role that is renamed away."""
    text = allow('{ roles = ["admin", "Admin", "kc-x"] }') + '[roles]\nrename = { "kc-x" = "x" }\n'

    assert [
        ("warning", '"Admin" is unknown, and elsewhere "admin" is written'),
        ("warning", '"kc-x" is unknown: roles.rename makes it "x"'),
    ] == [(complaint[0], complaint[3]) for complaint in disk.complaints(text)]


def test_the_file_of_assignments_is_checked_at_the_start(disk):
    """Its mistakes are told like the others, with its own lines."""
    text = VALID + '[roles]\nassignments = "assignments.toml"\nknown = ["admin"]\n'
    assert ["the assignments cannot be read: no such file or directory"] == [m for _, _, m, _ in errors(disk, text)]

    disk.write("assignments.toml", '[[assignment]]\nsubject = "a"\nrole = 7\n')
    assert [("assignments.toml:3", "is an integer")] == [
        (where, message) for where, _, message, _ in errors(disk, text)
    ]

    disk.write("assignments.toml", '[[assignment]]\nsubject = "a"\nrole = "root"\n')
    assert ['the role "root" is not in roles.known'] == [m for _, _, m, _ in errors(disk, text)]

    disk.write("assignments.toml", '[[assignment]]\nsubject = "a"\nrole = "admin"\n')
    assert str(disk.directory / "assignments.toml") == disk.settings(text).roles.assignments


def test_trusted_issuers_hold_our_own(disk):
    """RFC 9068 §4: otherwise no token would be accepted."""
    text = VALID + '[tokens]\ntrusted_issuers = ["https://other.example.com"]\n'

    assert ["does not hold oidc.issuer"] == [message for _, _, message, _ in errors(disk, text)]


def test_values_of_new_keys_are_checked(disk):
    """Key sizes, curves, kinds."""
    text = VALID + '[tokens]\nmin_rsa_bits = 1024\ncurves = ["P-255"]\naccess_token_type = "jwt"\n'

    assert [
        ("tokens.min_rsa_bits", "is out of range"),
        ("tokens.curves.0", 'is "P-255"'),
        ("tokens.access_token_type", 'is "jwt"'),
    ] == [(key, message) for _, key, message, _ in errors(disk, text)][:3]


def test_tables_of_arrays_can_be_overridden(disk):
    """From the environment, as a whole or by key."""
    disk.environ["BFF__ROLES__IMPLIES"] = '{"admin": ["reader"]}'
    disk.environ["BFF__ROLES__SUBJECTS__ALICE"] = "auditor,reader"
    roles = disk.settings().roles

    assert ({"admin": ("reader",)}, {"alice": ("auditor", "reader")}) == (dict(roles.implies), dict(roles.subjects))


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_patterns_and_windows_are_taken_apart():
    """As values that can be compared."""
    pattern = parse_path_pattern("/users/{sub}/**")
    window = parse_time_window("FRI-mon  22:00-06:00 Europe/Berlin")

    assert (("users", None), (("sub", 1),), True) == pattern[1:]
    assert ({4, 5, 6, 0}, 1320, 360, "Europe/Berlin") == (set(window.days), *window[2:])


def test_implications_are_closed():
    """At any remove, without the role itself; a circle is found wherever it begins."""
    assert {"a": {"b", "c"}, "b": {"c"}} == closure({"a": ["b"], "b": ["c"]})
    assert ["b", "c", "b"] == find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]})
    assert find_cycle({"a": ["b", "c"], "b": ["c"]}) is None


def test_a_rule_is_told_in_words(disk):
    """Every condition has its own."""
    text = allow(
        '{ methods = ["GET"], path = "/{u}", roles = ["a", "b"], all_roles = ["c"], none_roles = ["d"], '
        'scopes = ["r"], claims = { k = { contains = 1 } }, match = { u = "sub" }, acr = ["g"], amr = ["otp"], '
        'max_age = "1m", times = ["mon"], networks = ["10.0.0.0/8"] }'
    )

    assert (
        "allow GET /{u} for a or b for holders of c without d with scope r where k contains 1 where {u} is sub "
        "at acr g by amr otp signed in within 60 seconds at mon from 10.0.0.0/8"
    ) == describe(disk.settings(text).api[0].allow[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "is empty"),
        ("mon-tue-wed", "has the unknown time zone mon-tue-wed"),
        ("../etc/passwd", "has the unknown time zone ../etc/passwd"),
        ("08:60-09:00", "has hours that no clock shows"),
        ("08:00-09:00 10:00-11:00", "has two parts for its hours"),
    ],
)
def test_a_window_that_is_none_is_refused(text, message):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_time_window(text)


def test_patterns_lie_within_those_that_take_more():
    """None takes every path, and so does /**; the shorter of two open ones reaches further."""
    everything, users, one = map(parse_path_pattern, ("/**", "/users/**", "/users/*"))

    assert [True, True, False] == [covers(everything, None), covers(None, users), covers(users, None)]
    assert [True, False, False] == [covers(users, one), covers(one, users), covers(users, everything)]
    assert [True, True, False] == [
        overlaps(None, one),
        overlaps(everything, one),
        overlaps(one, parse_path_pattern("/users")),
    ]


def test_conditions_of_another_type_are_refused(disk):
    """Dates are no claims, text is no number of bits."""
    text = allow("{ claims = { a = 2026-11-24 } }") + '[tokens]\nmin_rsa_bits = "2048"\n'

    assert [("api.0.allow.0.claims.a", "is a date or time"), ("tokens.min_rsa_bits", "is a string")] == [
        (key, message) for _, key, message, _ in errors(disk, text)
    ]
