"""`bff access explain`, `test` and `lint`: the same words as the running server's decision, and exit codes."""

import asyncio
import json
import time

import pytest

from bff.config import load_config
from bff.crypto.key_ring import KeyRing, new_key
from bff.oidc.token_set import TokenSet
from bff.session.principal import Principal
from bff.session.session import Session
from bff.session.stores import open_store
from bff.session.ticket import new_ticket
from bff.session.vault import Vault
from tests.forging import mac

RULES = """\
allow = [
  { path = "/admin/**", none_roles = ["admin"], deny = true },
  { methods = ["GET"], roles = ["reader"] },
  { methods = ["GET"], path = "/users/{user}", match = { user = "sub" } },
  { methods = ["POST"], roles = ["clerk"], claims.dept = "sales", times = ["mon-fri 08:00-18:00 Europe/Berlin"] },
  { methods = ["DELETE"], roles = ["admin"], networks = ["10.0.0.0/8"], acr = ["gold"] },
]
[roles]
implies = { admin = ["reader"] }
assignments = "assignments.toml"
"""
EVENING = ("--at", "2026-11-24T19:00:00+01:00")
AFTER = ("--at", "2026-11-27T18:00:00+01:00")  # when carol's assignment has ended
TUESDAY = ("--at", "2026-11-24T10:00:00+01:00")


@pytest.fixture
def ruled(configured, directory):
    """A configuration with rules, and one assignment."""
    (directory / "assignments.toml").write_text(
        '[[assignment]]\nsubject = "carol"\nrole = "admin"\nuntil = 2026-11-27T18:00:00+01:00\n'
    )
    return configured(RULES)


@pytest.mark.usefixtures("ruled")
def test_explain_tells_route_roles_rules_and_what_is_needed(bff):
    """One line for each, in the order in which they are decided."""
    result = bff("access", "explain", "post", "/api/orders?x=1", "--role", "reader", *TUESDAY)

    assert 0 == result.exit_code
    assert (
        "POST /api/orders\n"
        "  route   /api\n"
        "  roles   reader\n"
        "          reader: claim roles or groups or realm_access.roles in the tokens\n"
        "  rule    1. deny any method /admin/** without admin: needs a path like /admin/**\n"
        "  rule    2. allow GET for reader: needs the method GET\n"
        "  rule    3. allow GET /users/{user} where {user} is sub: "
        "needs the method GET, a path like /users/{user}, {user} to be the claim sub\n"
        "  rule    4. allow POST for clerk where dept equals 'sales' at mon-fri 08:00-18:00 Europe/Berlin: "
        "needs the role clerk, the claim dept that equals 'sales'\n"
        "  rule    5. allow DELETE for admin at acr gold from 10.0.0.0/8: "
        "needs the method DELETE, the role admin, an address in 10.0.0.0/8, a login with acr gold\n"
        "  result  denied: a role is missing\n"
        "  needed  the role clerk and the claim dept that equals 'sales'\n"
    ) == result.output


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize(
    ("arguments", "decision", "rule"),
    [
        (("GET", "/api/x", "--role", "reader"), "allow", 1),
        (("GET", "/api/x", "--role", "admin"), "allow", 1),
        (("GET", "/api/admin/x", "--role", "reader"), "deny", 0),
        (("GET", "/api/users/bob", "--sub", "bob"), "allow", 2),
        (("GET", "/api/users/bob", "--sub", "eve"), "deny", None),
        (("POST", "/api", "--role", "clerk", "--claim", "dept=sales", *TUESDAY), "allow", 3),
        (("POST", "/api", "--role", "clerk", "--claim", 'dept="sales"', *TUESDAY), "allow", 3),
        (
            ("POST", "/api", "--role", "clerk", "--claim", "dept=sales", "--at", "2026-11-24T19:00+01:00"),
            "deny",
            None,
        ),
        (("DELETE", "/api", "--sub", "carol", "--from", "10.1.1.1", *TUESDAY), "step_up", 4),
        (("DELETE", "/api", "--sub", "carol", "--from", "10.1.1.1", "--claim", "acr=gold", *TUESDAY), "allow", 4),
        (
            ("DELETE", "/api", "--sub", "carol", "--from", "10.1.1.1", "--at", "2026-11-27T18:00+01:00"),
            "deny",
            None,
        ),
        (("DELETE", "/api", "--sub", "carol", "--from", "11.1.1.1", *TUESDAY), "deny", None),
        (("GET", "/api/x"), "deny", None),
        (("GET", "/elsewhere", "--role", "reader"), "no_route", None),
    ],
)
def test_explain_decides_as_the_server_does(bff, arguments, decision, rule):
    """Roles that are implied or assigned, claims, times, addresses."""
    answer = json.loads(bff("access", "explain", *arguments, "--json").output)

    assert (decision, rule) == (answer["decision"], answer.get("rule"))


async def store_session(file, handle):
    """Put a session of alice, an admin, into the configured store."""
    settings = load_config(file)
    store = open_store(settings.session.store.reveal())
    await store.open()
    now = time.time()
    principal = Principal("https://id.example.com", "alice", frozenset({"admin", "reader"}))
    session = Session(handle, principal, {"sub": "alice"}, TokenSet("t", now, now + 60), now, now + 600)
    vault = Vault(KeyRing([secret.reveal() for secret in settings.keys.secrets]), "spa")
    await store.create(vault.seal(session, new_ticket(), version=1, idle_expires_at=now + 600))
    await store.close()


def test_explain_takes_a_live_session(bff, ruled):
    """Subject and roles come from the store; its tokens stay sealed."""
    asyncio.run(store_session(ruled, "0123456789ab"))
    answer = json.loads(
        bff("access", "explain", "GET", "/api/admin/x", "--session", "0123456789ab", "--json").output
    )

    assert ("alice", ["admin", "reader"], "allow") == (answer["subject"], answer["roles"], answer["decision"])
    assert [{"role": "admin", "from": "claim roles or groups or realm_access.roles in the tokens"}] == [
        origin for origin in answer["origins"] if origin["role"] == "admin"
    ]
    unknown = bff("access", "explain", "GET", "/api", "--session", "ffff")
    assert 1 == unknown.exit_code
    assert "no live session has this handle" in unknown.output


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize(
    "arguments",
    [("--session", "x", "--sub", "y"), ("--at", "friday"), ("--claim", "dept")],
)
def test_explain_refuses_what_it_cannot_read(bff, arguments):
    """A usage error, and no guess."""
    assert 2 == bff("access", "explain", "GET", "/api", *arguments).exit_code


# ── expectations ─────────────────────────────────────────────────────────────────────────────────────────────

CASES = """\
[[case]]
name = "bob may not delete orders"
subject = "bob"
roles = ["reader"]
request = "DELETE /api/7"
expect = "deny"
reason = "role_missing"

[[case]]
subject = "carol"
request = "DELETE /api/7"
from = "10.0.0.1"
at = 2026-11-24T10:00:00+01:00
expect = "step_up"

[[case]]
request = "GET /api/7"
expect = "deny"
reason = "anonymous"

[[case]]
request = "GET /elsewhere"
expect = "deny"
"""


def test_cases_that_hold_exit_with_0(bff, ruled, directory):
    """A line with the count, and nothing else."""
    (directory / "cases.toml").write_text(CASES)
    result = bff("access", "test", "cases.toml")

    assert (0, "4 of 4 as expected\n") == (result.exit_code, result.output)


def test_cases_that_fail_are_told_with_their_lines(bff, ruled, directory):
    """Which, why, and what would be needed; exit code 1."""
    (directory / "cases.toml").write_text(
        CASES.replace('"role_missing"', '"scope_missing"').replace("step_up", "allow")
    )
    result = bff("access", "test", "cases.toml")

    assert 1 == result.exit_code
    assert (
        "cases.toml:1: FAILED bob may not delete orders: expected the reason scope_missing, "
        "but it is role_missing\n"
        "cases.toml:9: FAILED carol DELETE /api/7: expected allow, but it is needs a stronger or fresher login, "
        "then rule 5 allows it (needed: a login with acr gold)\n"
        "2 of 4 as expected\n"
    ) == result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected [[case]] tables, and nothing else"),
        ("[[case]\n", "this is not TOML"),
        ('[[case]]\nrequest = "GET"\nexpect = "allow"\n', "cases.toml:1: request must be a method and a path"),
        (
            '[[case]]\nrequest = "GET /"\nexpect = "yes"\n',
            "cases.toml:1: expect must be one of allow, deny",
        ),
        ('[[case]]\nrequest = "GET /"\nexpect = "deny"\nrole = "x"\n', "cases.toml:1: unknown key role"),
        ('[[case]]\nrequest = "GET /"\nexpect = "deny"\nroles = "x"\n', "roles must be an array of strings"),
        ('[[case]]\nrequest = "GET /"\nexpect = "deny"\nclaims = "x"\n', "claims must be a table"),
        ('[[case]]\nrequest = "GET /"\nexpect = "deny"\nsubject = 7\n', "subject must be a string"),
        ('[[case]]\nrequest = "GET /"\nexpect = "deny"\nat = 2026-11-24T10:00:00\n', "at must be a time with an"),
    ],
)
def test_a_file_that_is_no_list_of_cases_is_refused(bff, ruled, directory, text, message):
    """With its line, and exit code 1: a pipeline must not pass for want of cases."""
    (directory / "cases.toml").write_text(text)
    result = bff("access", "test", "cases.toml")

    assert 1 == result.exit_code
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_policy_that_cannot_be_loaded_is_told(bff, configured):
    """The server would not start either; `bff check` says the same."""
    configured('policy = "nowhere:decide"')

    assert "the policy nowhere:decide cannot be loaded" in bff("access", "explain", "GET", "/api").output
    assert "FAIL  policy: /api: the policy nowhere:decide cannot be loaded" in bff("check").output


# ── lint ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lint_tells_what_to_change_and_by_whose_rule(bff, configured):
    """An error fails; warnings only when asked to."""
    configured("csrf = false")
    result = bff("access", "lint", "--json")
    found = {finding["rule"]: finding for finding in json.loads(result.stdout)}

    assert 1 == result.exit_code
    assert {
        "level": "error",
        "rule": "csrf_off",
        "where": "api.0.csrf",
        "message": "every web site can call /api in the user's name",
        "source": "OWASP ASVS 3.5.1",
        "change": 'set it to true, or to "origin" for what cannot send a header',
    } == found["csrf_off"]
    assert "warning" == found["route_without_rules"]["level"]


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
def test_warnings_fail_when_asked_to(bff, configured, strict, code):
    """For pipelines that want none."""
    configured()

    assert code == bff("access", "lint", *strict).exit_code


def test_lint_looks_into_a_token_and_never_shows_it(bff, directory):
    """From a file or from standard input; the configuration is not needed."""
    token = mac({"sub": "1", "email": "alice@example.com", "card": "4111 1111 1111 1111"}, b"k" * 32)
    (directory / "token").write_text(token)

    for result in (
        bff("access", "lint", "--token-file", "token"),
        bff("access", "lint", "--token-file", "-", input=token),
    ):
        assert 1 == result.exit_code
        assert "card_number_in_token: access_token card" in result.output
        assert "email_in_token: access_token email" in result.output
        assert all(secret not in result.output for secret in ("4111", "alice", *token.split(".")))


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "eyJ.e30"])
def test_what_is_no_token_is_refused(bff, directory, text):
    """With exit code 1, not as a token without findings."""
    (directory / "token").write_text(text)
    result = bff("access", "lint", "--token-file", "token")

    assert 1 == result.exit_code
    assert "this is no JWT" in result.output


def test_lint_needs_a_configuration_that_loads(bff, configured):
    """Mistakes come first, as for every command."""
    configured('[tokens]\nalgorithms = ["none"]')
    result = bff("access", "lint")

    assert 1 == result.exit_code
    assert 'tokens.algorithms.0: is "none"' in result.output


def test_lint_tells_of_secrets_in_the_file(bff, configured):
    """OWASP ASVS 13.3.1; where, not what."""
    file = configured()
    file.write_text(file.read_text().replace('{ env = "BFF_CLIENT_SECRET" }', '"a-secret-in-the-file"'))
    result = bff("access", "lint", "--json")
    found = [finding for finding in json.loads(result.stdout) if finding["where"] == "oidc.client_secret"]

    assert [("warning", "OWASP ASVS 13.3.1")] == [(finding["level"], finding["source"]) for finding in found]
    assert "a-secret-in-the-file" not in result.output


@pytest.mark.parametrize("arguments", [("lint", "--token-file"), ("test",)])
def test_a_file_that_is_not_there_is_told(bff, configured, arguments):
    """And fails."""
    configured()
    result = bff("access", *arguments, "nothing-here")

    assert 1 == result.exit_code
    assert "cannot be read" in result.output


@pytest.mark.usefixtures("ruled")
def test_a_path_without_a_route_is_told(bff):
    """For people as well."""
    assert (
        "GET /elsewhere\n  no [[api]] route fits this path: 404\n"
        == bff("access", "explain", "GET", "/elsewhere").output
    )


def test_a_session_under_a_lost_key_is_told(bff, ruled, directory):
    """Its summary opens with the configured keys alone."""
    asyncio.run(store_session(ruled, "0123456789ab"))
    (directory / "bff.keys").write_text(new_key())

    assert (
        "a key that is not in [keys]" in bff("access", "explain", "GET", "/api", "--session", "0123456789ab").output
    )


def test_a_store_that_is_away_is_told(bff, ruled, directory):
    """In place of an answer."""
    ruled.write_text(ruled.read_text() + '[session]\nstore = "sqlite:////proc/none/x.db"\n')

    assert 1 == bff("access", "explain", "GET", "/api", "--session", "0123456789ab").exit_code
