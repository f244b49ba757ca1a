"""What breaks good practice: each rule with a configuration or a token that breaks it, and one that does not."""

import pytest

from bff.access.inspection import TokenInspection
from bff.access.lint import lint_settings, unreachable_routes
from bff.access.token_lint import has_iban_check, has_luhn, lint_claims
from bff.config import load_config
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet

BASE = """
public_url = "https://app.example.com"
[oidc]
issuer = "https://id.example.com"
client_id = "spa"
client_secret = {{ env = "S" }}
{oidc}
[server]
{server}
[session]
{session}
[keys]
secrets = [{{ env = "K" }}]
[tokens]
{tokens}
[roles]
{roles}
[[api]]
path = "/api"
upstream = "https://orders.internal"
{api}
"""
EVERYBODY, MANY = 'trusted_proxies = ["0.0.0.0/0"]', 'trusted_proxies = ["10.0.0.0/7"]'
OUTSIDE = 'management_listen = "[::]:9090"'
WITHHELD = "(a name that is not shown)"
PARTS = ("oidc", "server", "session", "tokens", "roles", "api")
FINE = 'allow = [{ roles = ["admin"] }]'
CORS_ORIGIN = "api.0.cors.origins.0"


def cors(origins, more="credentials = true"):
    """A route's `cors` with these origins, which may use the session."""
    more = more if "credentials" in more else f"credentials = true, {more}"
    return f'cors = {{ origins = ["{origins}"], {more} }}\n'


def rules(tmp_path, **parts):
    """The findings of the valid configuration with these lines, as rule → (level, where)."""
    file = tmp_path / "bff.toml"
    file.write_text(BASE.format(**{name: parts.get(name, FINE if name == "api" else "") for name in PARTS}))
    settings = load_config(file, environ={"S": "secret", "K": "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"})
    return {finding.rule: (finding.level.value, finding.where) for finding in lint_settings(settings)}


@pytest.mark.parametrize(
    ("parts", "rule", "level", "where"),
    [
        (
            {"tokens": 'max_access_token_lifetime = "2h"'},
            "access_token_lifetime",
            "warning",
            "tokens.max_access_token_lifetime",
        ),
        ({}, "refresh_token_lifetime", "info", "tokens.max_refresh_token_lifetime"),
        ({"tokens": 'on_violation = "warn"'}, "rules_not_enforced", "warning", "tokens.on_violation"),
        ({}, "audience_not_checked", "warning", "tokens.access_token_audience"),
        ({"tokens": 'access_token_audience = ["a"]'}, "type_not_demanded", "info", "tokens.access_token_type"),
        ({}, "algorithm_weak", "info", "tokens.algorithms"),
        ({}, "logins_not_limited", "info", "limits.logins_per_address"),
        (
            {"session": 'absolute_timeout = "48h"', "tokens": 'max_session_lifetime = "48h"'},
            "session_lifetime",
            "warning",
            "session.absolute_timeout",
        ),
        ({"session": 'idle_timeout = "5h"'}, "idle_lifetime", "warning", "session.idle_timeout"),
        ({"session": 'same_site = "lax"'}, "cookie_weaker", "warning", "session.same_site"),
        ({"session": 'at_rest = "server"'}, "sessions_open_with_server_key", "info", "session.at_rest"),
        ({}, "client_secret_shared", "info", "oidc.client_auth"),
        ({"server": EVERYBODY}, "trusted_proxies_wide", "error", "server.trusted_proxies.0"),
        ({"server": MANY}, "trusted_proxies_wide", "warning", "server.trusted_proxies.0"),
        ({"server": OUTSIDE}, "management_exposed", "warning", "server.management_listen"),
        ({"server": 'management_listen = "same"'}, "management_exposed", "warning", "server.management_listen"),
        ({"api": "csrf = false\n" + FINE}, "csrf_off", "error", "api.0.csrf"),
        ({"api": ""}, "route_without_rules", "warning", "api.0.allow"),
        ({"api": "allow = [{ deny = true }]"}, "route_unreachable", "error", "api.0.allow"),
        (
            {"api": 'allow = [{ roles = ["a"] }, { path = "/x/**", deny = true }]'},
            "denial_partly_hidden",
            "warning",
            "api.0.allow.1",
        ),
        ({"api": cors("https://a.example.com", 'methods = ["GET"]')}, "cors_wide", "warning", "api.0.cors"),
        ({"api": cors("https://a.example.com") + FINE}, "cors_wide", "info", "api.0.cors.methods"),
        ({"api": cors("http://localhost:3000", 'methods = ["GET"]') + FINE}, "cors_wide", "error", CORS_ORIGIN),
        (
            {"api": "csrf = false\n" + cors("https://a.example.com", 'methods = ["GET"]') + FINE},
            "cors_wide",
            "error",
            "api.0.cors",
        ),
        (
            {"api": cors('", "'.join(f"https://a{n}.example.com" for n in range(6)), 'methods = ["GET"]') + FINE},
            "cors_wide",
            "warning",
            "api.0.cors.origins",
        ),
        ({"roles": 'rename = { x = "y" }'}, "rename_unused", "warning", "roles.rename.x"),
        ({"roles": 'subjects = { s = ["clerk"] }'}, "role_opens_nothing", "warning", "roles.subjects.s.0"),
        ({"roles": 'known = ["admin", "clerk"]'}, "role_opens_nothing", "warning", "roles.known"),
    ],
)  # fmt: skip
def test_each_rule_finds_what_it_is_about(tmp_path, parts, rule, level, where):
    """At its key, as bad as it is."""
    assert (level, where) == rules(tmp_path, **parts)[rule]


def test_plain_upstreams_are_told(tmp_path):
    """RFC 6750 §5.3: the token crosses the network in clear."""
    file = tmp_path / "bff.toml"
    text = BASE.format(**{name: FINE if name == "api" else "" for name in PARTS}).replace(
        "https://orders", "http://orders"
    )
    file.write_text(text)
    settings = load_config(file, environ={"S": "secret", "K": "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"})

    assert "upstream_in_clear" in {finding.rule for finding in lint_settings(settings)}


def test_a_configuration_can_be_without_findings(tmp_path):
    """Every finding can be mended."""
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    (tmp_path / "key.pem").chmod(0o600)
    found = rules(
        tmp_path,
        oidc='client_auth = "private_key_jwt"\nprivate_key = { file = "key.pem" }',
        server='[limits]\nlogins_per_address = "60/1m"',
        tokens='access_token_audience = ["a"]\naccess_token_type = "at+jwt"\nalgorithms = ["ES256"]\n'
        'max_refresh_token_lifetime = "12h"',
        roles='implies = { admin = ["reader"], boss = ["admin"] }\nrename = { x = "boss" }',
        api='allow = [{ roles = ["reader"] }]',
    )

    assert {} == found


def test_roles_of_routes_with_a_callable_are_not_judged(tmp_path):
    """What it asks for cannot be known."""
    assert "role_opens_nothing" not in rules(tmp_path, roles='known = ["x"]', api='policy = "a:b"')


def test_routes_that_nobody_can_reach_are_found_for_the_roles_that_are_held(tmp_path):
    """A review asks with the roles that it has seen; implied ones count."""
    file = tmp_path / "bff.toml"
    roles = 'implies = { admin = ["reader"] }'
    api = 'allow = [{ roles = ["reader"] }, { methods = ["PUT"], all_roles = ["a", "b"] }]'
    file.write_text(BASE.format(**{**dict.fromkeys(PARTS, ""), "roles": roles, "api": api}))
    settings = load_config(file, environ={"S": "secret", "K": "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"})

    assert [0, 0, 0, 1, 1] == [
        len(list(unreachable_routes(settings, held))) for held in (None, {"admin"}, {"a", "b"}, {"a"}, set())
    ]


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "rule", "level", "where"),
    [
        ({"email": "a@b.example"}, "email_in_token", "warning", "email"),
        ({"upn": "a@b.example"}, "email_in_token", "warning", "upn"),
        ({"phone": "+49 30 1234567"}, "phone_in_token", "warning", "phone"),
        ({"x": {"y": ["+4930123456"]}}, "phone_in_token", "warning", "x.y"),
        ({"mobilePhone": "030 1234"}, "personal_data_in_token", "warning", "mobilePhone"),
        ({"birthdate": "1990-01-01"}, "personal_data_in_token", "warning", "birthdate"),
        ({"https://x.example/ssn": "1"}, "personal_data_in_token", "warning", "https://x.example/ssn"),
        ({"number": "078-05-1120"}, "national_id_in_token", "warning", "number"),
        ({"account": "DE89370400440532013000"}, "bank_account_in_token", "warning", "account"),
        ({"pan": "4111-1111-1111-1111"}, "card_number_in_token", "error", "pan"),
        ({"pan": 4111111111111111}, "card_number_in_token", "error", "pan"),
        ({"password": "x"}, "secret_in_token", "error", "password"),
        ({"apiKey": "x"}, "secret_in_token", "error", "apiKey"),
        ({"k": "-----BEGIN RSA PRIVATE KEY-----"}, "secret_in_token", "error", "k"),
        ({"k": "AKIAABCDEFGHIJKLMNOP"}, "secret_in_token", "error", "k"),
        ({"k": "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.x"}, "secret_in_token", "error", "k"),
        ({"groups": [f"g{n}" for n in range(101)]}, "claim_large", "warning", "groups"),
        (
            {"users": {"a@b.example": "a@b.example"}},
            "email_in_token",
            "warning",
            "users." + WITHHELD,
        ),
    ],
)
def test_personal_data_and_secrets_are_found_by_name_and_form(claims, rule, level, where):
    """RFC 7519 §12: a claim is readable by whoever holds the token; only its name is told."""
    assert [(level, rule, f"access_token {where}")] == [
        (finding.level.value, finding.rule, finding.where) for finding in lint_claims(claims, "access_token")
    ]


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": True, "ip_address": "10.0.0.1", "password_expired": False},
        {"pan": "4111-1111-1111-1112", "account": "DE89370400440532013001", "n": "000-12-3456"},
        {"sub": "4111111111111111", "jti": "a@b.example", "exp": 4111111111111111, "amr": ["pwd", "pin"]},
        {"email": "", "phone": None},
        {"roles": ["admin"], "name": "Alice", "level": 3.5},
    ],
)
def test_what_only_looks_alike_is_left_alone(claims):
    """Flags, numbers without their check digit, what the protocol needs, and what is empty."""
    assert [] == lint_claims(claims, "access_token")


def test_what_an_id_token_was_asked_for_is_only_noted():
    """OIDC Core §5.1; it stays on the server."""
    found = lint_claims({"email": "a@b.example", "address": {"street_address": "x"}}, "id_token")

    assert ["info", "info"] == [finding.level.value for finding in found]


def test_size_and_lifetime_are_looked_at():
    """RFC 6750 §5.3, and servers that stop at 8 KiB of headers."""
    found = lint_claims({"iat": 0, "exp": 3601}, "access_token", 5000)

    assert {"token_large", "access_token_lifetime"} == {finding.rule for finding in found}


def test_check_digits():
    """ISO/IEC 7812-1 and ISO 13616."""
    assert (True, False) == (has_luhn("4111111111111111"), has_luhn("4111111111111112"))
    assert (True, False) == (has_iban_check("GB82WEST12345698765432"), has_iban_check("GB83WEST12345698765432"))


def test_a_worker_tells_each_finding_once():
    """However many users log in; never a value."""
    events = []
    inspect = TokenInspection(lambda name, fields: events.append((name, fields)))
    for number in range(3):
        grant = Grant(
            TokenSet("t" * 5000, 0.0, 1.0, id_token="i"),
            {"sub": "1", "email": f"user{number}@example.com"},
            {"password": f"hunter{number}"},
        )
        inspect(grant)

    assert [
        ("email_in_token", "info", "id_token email"),
        ("secret_in_token", "error", "access_token password"),
        ("token_large", "warning", "access_token"),
    ] == [(fields["rule"], fields["level"], fields["where"]) for name, fields in events if name == "token_finding"]
    assert "hunter" not in str(events)
    assert "@" not in str(events)
