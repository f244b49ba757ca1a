"""Rules of access in the running product: paths, claims, denials, stronger logins, roles that end or go."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.product import Bff, Browser
from tests.world import AT_ONCE, World, eventually

pytestmark = pytest.mark.integration

RULES = """
[[api]]
path = "/guarded"
upstream = "{echo}/guarded"
allow = [
  {{ path = "/secret/**", none_roles = ["admin"], deny = true }},
  {{ methods = ["GET"], path = "/users/{{user}}/**", match = {{ user = "sub" }} }},
  {{ methods = ["GET"], path = "/mail", claims = {{ email = "alice@demo.example" }} }},
  {{ methods = ["GET"], path = "/secret/**", roles = ["admin"] }},
  {{ methods = ["DELETE"], roles = ["admin"], acr = ["gold"], max_age = "5m" }},
  {{ methods = ["PATCH"], roles = ["contractor"] }},
  {{ methods = ["PUT"], scopes = ["email"], networks = ["127.0.0.0/8"] }},
]

[[api]]
path = "/own"
upstream = "{echo}/own"
policy = "house_rules:decide"

[[api]]
path = "/optional"
upstream = "{echo}/optional"
token = "user_optional"
allow = [{{ methods = ["GET"] }}]

[roles]
claims = ["roles"]
assignments = "{assignments}"
"""
HOUSE_RULES = """
from bff.access.policy import Allow, Deny
def decide(facts, principal):
    return Allow() if principal.subject == "alice" else Deny("only_alice")
"""


@pytest.fixture(scope="module")
def started(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bff]:
    """The product with such rules; `bff.assignments` is the file of assignments."""
    assignments = tmp_path_factory.mktemp("rules") / "assignments.toml"
    assignments.write_text("")
    apis = RULES.format(echo=world.echo.url, assignments=assignments)
    with world.build(world.issuer, port=world.port(), apis=apis, wait=False) as bff:
        (bff.folder / "house_rules.py").write_text(HOUSE_RULES)
        bff.wait_ready()
        bff.assignments = assignments
        yield bff


@pytest.fixture
def ruled(started: Bff, issuer, echo) -> Bff:
    """That, with no assignment, and everything behind it as new."""
    write(started, "")
    return started


def write(bff, text):
    """At once: a file that is read half written would say something else for a second."""
    new = bff.assignments.with_suffix(".new")
    new.write_text(text)
    new.replace(bff.assignments)


def assign(bff, role, until):
    moment = datetime.fromtimestamp(until, UTC).isoformat()
    write(bff, f'[[assignment]]\nsubject = "bob"\nrole = "{role}"\nuntil = {moment}\n')


async def outcome(browser, method, path):
    answer = await browser.request(method, path)
    return answer.status_code, answer.json().get("reason") if answer.status_code >= 400 else None


async def test_paths_claims_and_denials_decide(ruled: Bff):
    """What is one's own, what a claim opens, what is forbidden in any spelling (OWASP ASVS 8.2.1 to 8.3.1)."""
    async with Browser(ruled) as alice, Browser(ruled) as bob:
        await alice.log_in("alice")
        await bob.log_in("bob")

        assert (200, None) == await outcome(bob, "GET", "/guarded/users/bob/orders/7")
        assert (403, "no_rule_for_method") == await outcome(bob, "POST", "/guarded/nowhere")
        assert (403, "not_own") == await outcome(bob, "GET", "/guarded/users/alice/orders/7")
        assert (200, None) == await outcome(alice, "GET", "/guarded/mail")
        assert (403, "claim_mismatch") == await outcome(bob, "GET", "/guarded/mail")
        assert (200, None) == await outcome(alice, "GET", "/guarded/secret/plans")
        for spelling in ("secret/plans", "SECRET/plans", "%73ecret/plans", "/secret/plans", "secret;x/plans"):
            assert (403, "denied_by_rule") == await outcome(bob, "GET", f"/guarded/{spelling}"), spelling
        assert (200, None) == await outcome(bob, "PUT", "/guarded/anything")

    def denied():
        return [line for line in ruled.audited("access.denied") if line["reason"] == "not_own"]

    await eventually(denied, "the audit line")  # written beside the request
    assert [("bob", "/guarded", "GET", None)] == [
        (line["subject"], line["route"], line["method"], line.get("rule")) for line in denied()
    ]


async def test_a_stronger_login_is_asked_for(ruled: Bff):
    """The page learns what to hand to the login endpoint (RFC 9470 §3)."""
    async with Browser(ruled) as alice, Browser(ruled) as bob:
        await alice.log_in("alice")
        await bob.log_in("bob")
        answer = await alice.delete("/guarded/1")

        assert 401 == answer.status_code
        problem = answer.json()
        assert ("step_up_required", "gold", 300) == tuple(problem[key] for key in ("code", "acr_values", "max_age"))
        assert (403, "role_missing") == await outcome(bob, "DELETE", "/guarded/1")


async def test_a_callable_of_the_operators_decides(ruled: Bff):
    """It is found beside the configuration, and its reason reaches the caller and the audit log."""
    async with Browser(ruled) as alice, Browser(ruled) as bob:
        await alice.log_in("alice")
        await bob.log_in("bob")

        assert (200, None) == await outcome(alice, "POST", "/own/x")
        assert (403, "only_alice") == await outcome(bob, "POST", "/own/x")


async def test_rules_on_a_route_with_an_optional_user_ask_to_sign_in(ruled: Bff):
    """Nobody is signed in: that is 401, which a page can mend, and no 403."""
    async with Browser(ruled) as browser:
        assert 401 == (await browser.get("/optional/x")).status_code
        await browser.log_in("bob")
        assert 200 == (await browser.get("/optional/x")).status_code


async def test_an_assigned_role_ends_by_itself(ruled: Bff):
    """It begins when the file says so, and ends on time, in the middle of a session and of a token's life."""
    async with Browser(ruled) as bob:
        await bob.log_in("bob")
        assert (403, "role_missing") == await outcome(bob, "PATCH", "/guarded/1")

        assign(ruled, "contractor", time.time() + 3600)

        async def is_allowed():
            return (await outcome(bob, "PATCH", "/guarded/1"))[0] == 200

        async def is_denied():
            return (403, "role_missing") == await outcome(bob, "PATCH", "/guarded/1")

        await eventually(is_allowed, "the assignment")
        assert ["contractor", "reader"] == (await bob.user())["roles"]
        ends_at = time.time() + 3
        assign(ruled, "contractor", ends_at)
        await eventually(is_denied, "its end", within=AT_ONCE)

        assert ends_at <= time.time()
        assert ["reader"] == (await bob.user())["roles"]


async def test_an_assignment_that_is_taken_back_bites_at_once(ruled: Bff):
    """Within about a second, on every worker, without a restart."""
    async with Browser(ruled) as bob:
        await bob.log_in("bob")
        assign(ruled, "contractor", time.time() + 3600)

        async def status():
            return (await outcome(bob, "PATCH", "/guarded/1"))[0]

        async def is_allowed():
            return await status() == 200

        async def is_denied():
            return await status() == 403

        await eventually(is_allowed, "the assignment")
        write(ruled, "")
        await eventually(is_denied, "its end")


async def test_roles_follow_the_issuer_at_every_renewal(world: World, brief: Bff):
    """A role that the issuer takes away is gone with the next token, and one that it gives is there."""
    async with Browser(brief) as bob:
        await bob.log_in("bob")
        assert (403, "role_missing") == await outcome(bob, "DELETE", "/guarded/1")

        await world.brief_issuer.set_roles("bob", ["admin"])

        async def is_allowed():
            return (await outcome(bob, "DELETE", "/guarded/1"))[0] == 200

        await eventually(is_allowed, "the new role")
        await world.brief_issuer.set_roles("bob", ["reader"])

        async def is_denied():
            return (await outcome(bob, "DELETE", "/guarded/1"))[0] == 403

        await eventually(is_denied, "its end")
