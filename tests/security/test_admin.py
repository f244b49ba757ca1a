"""Attacks on the admin API: who is not let in, and what those who are cannot reach."""

import base64
import hmac
import os
from dataclasses import replace
from ipaddress import ip_network

import pytest

from bff.config.settings import AuditSettings
from tests.administered import ADDRESS, TOKEN, administered, handle_of, managed, management, signed_in
from tests.internet import Browser, World, make_settings

pytestmark = pytest.mark.security

CALLS = [
    ("GET", "/me"),
    ("GET", "/overview"),
    ("GET", "/sessions"),
    ("GET", "/sessions/x"),
    ("POST", "/revocations"),
    ("GET", "/subjects"),
    ("GET", "/subjects/x"),
    ("GET", "/routes"),
    ("POST", "/decisions"),
    ("GET", "/findings"),
    ("GET", "/audit"),
    ("POST", "/audit/verification"),
    ("GET", "/review"),
    ("GET", "/review.csv"),
    ("GET", "/reviews"),
    ("POST", "/reviews"),
    ("GET", "/openapi.json"),
]


@pytest.fixture
async def world():
    """A product that is administered."""
    async with World(settings=administered()) as world:
        yield world


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_no_call_answers_anybody_unknown(world, method, path):
    """Every call asks who is there before it looks at anything else (OWASP ASVS 8.2.1)."""
    stranger = world.browser()
    bob = await signed_in(world, "bob")

    for token in (None, "wrong-token-0123456789abcdefghijklmnop"):
        answer = await managed(world, method, f"/admin{path}?junk=1", b"not json", token=token)
        assert (401, "operator_required") == (answer.status, answer.code)
        assert 'Bearer realm="bff"' == answer.header("www-authenticate")
    refused = await stranger.request(method, f"/bff/admin{path}?junk=1", body=b"not json")
    assert (401, "session_required") == (refused.status, refused.code)
    forbidden = await bob.request(method, f"/bff/admin{path}?junk=1", body=b"not json")
    assert (403, "access_denied") == (forbidden.status, forbidden.code)
    assert "admin" in forbidden.document["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer"},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"},
        {"x-authorization": f"Bearer {TOKEN}"},
        {"cookie": f"token={TOKEN}"},
    ],
    ids=range(9),
)
async def test_nothing_but_the_whole_token_in_its_place_opens(world, headers):
    """RFC 6750 §2.1: one header, one scheme, the whole token."""
    assert 401 == (await managed(world, "GET", "/admin/me", token=None, headers=headers)).status


async def test_two_tokens_are_none(world):
    """A header that came twice is not searched for the one that fits."""
    answer = await managed(world, "GET", "/admin/me", headers={"authorization": f"Bearer {TOKEN}"})

    assert 401 == answer.status


async def test_token_in_the_query_opens_nothing(world):
    """Queries stand in logs (RFC 6750 §2.3, OWASP ASVS 14.2.1)."""
    assert 401 == (await managed(world, "GET", f"/admin/me?access_token={TOKEN}", token=None)).status


async def test_tokens_are_compared_in_constant_time(world, monkeypatch):
    """Equal lengths go into a comparison that says nothing about where they differ (CWE-208)."""
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr("bff.web.admin.guards.hmac.compare_digest", compare)
    await managed(world, "GET", "/admin/me", token="x")
    await managed(world, "GET", "/admin/me")

    assert [(32, 32), (32, 32)] == compared


async def test_guessing_is_slowed_down_by_address_and_told_without_what_was_guessed(world):
    """After ten wrong tokens an address has to wait; others, and other addresses, are served (OWASP ASVS 6.3.1)."""
    guess = "guess-0123456789abcdefghijklmnopqrstuv"
    for _ in range(10):
        assert 401 == (await managed(world, "GET", "/admin/me", token=guess)).status

    shut = await managed(world, "GET", "/admin/me")
    assert (429, "too_many_requests", "60") == (shut.status, shut.code, shut.header("retry-after"))
    assert 200 == (await managed(world, "GET", "/admin/me", address="198.51.100.5")).status
    world.clock.advance(61)
    assert 200 == (await managed(world, "GET", "/admin/me")).status
    refused = world.told("admin.refused")
    assert ["wrong_token"] * 9 + ["too_many_wrong_tokens"] == [each["reason"] for each in refused]
    assert {ADDRESS} == {each["address"] for each in refused}
    assert guess not in repr(world.events)
    assert TOKEN not in repr(world.events)


async def test_addresses_of_one_ipv6_network_count_together(world):
    """A customer's /64 holds more addresses than anybody can count."""
    for number in range(10):
        await managed(world, "GET", "/admin/me", token="wrong", address=f"2001:db8:1:2::{number}")

    assert 429 == (await managed(world, "GET", "/admin/me", address="2001:db8:1:2:ffff::1")).status
    assert 200 == (await managed(world, "GET", "/admin/me", address="2001:db8:1:3::1")).status


async def test_proofs_count_in_their_own_place_alone(world):
    """The token opens nothing to the public, and a session's cookie nothing on the management listener."""
    alice = await signed_in(world)
    stranger = world.browser()

    by_token = await stranger.get("/bff/admin/me", headers={"authorization": f"Bearer {TOKEN}"})
    cookies = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    by_cookie = await managed(world, "GET", "/admin/me", token=None, headers={"cookie": cookies, "x-csrf": "1"})

    assert (401, "session_required") == (by_token.status, by_token.code)
    assert (401, "operator_required") == (by_cookie.status, by_cookie.code)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"csrf": False}, "csrf_header_required"),
        ({"headers": {"origin": "https://evil.test"}}, "cross_site_request"),
        ({"headers": {"origin": "null"}}, "cross_site_request"),
        ({"headers": {"sec-fetch-site": "cross-site"}}, "cross_site_request"),
        ({"headers": {"sec-fetch-site": "same-site"}}, "cross_site_request"),
    ],
    ids=["no header", "origin", "null origin", "cross-site", "same-site"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_other_sites_cannot_use_an_administrators_session(world, method, options, code):
    """Every call of a page, reading or not, is held to our own pages (OWASP ASVS 3.5.1)."""
    alice = await signed_in(world)
    path = {"GET": "/bff/admin/sessions", "POST": "/bff/admin/revocations"}[method]
    body = b"" if method == "GET" else b'{"all": true}'

    answer = await alice.request(method, path, body=body, **options)

    assert (403, code) == (answer.status, answer.code)
    assert await alice.user() is not None


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
async def test_method_is_the_one_of_the_request_line(world, name):
    """A GET that claims to be a POST ends nothing."""
    alice = await signed_in(world)

    answer = await managed(world, "GET", "/admin/revocations", b'{"all": true}', headers={name: "POST"})

    assert (405, "method_not_allowed") == (answer.status, answer.code)
    assert await alice.user() is not None


async def test_role_that_is_gone_opens_nothing_any_more(world):
    """Roles are looked at with every call: a session that lost its role is refused with the next one."""
    alice = await signed_in(world)
    assert 200 == (await alice.get("/bff/admin/me")).status

    (live,) = world.bffs[0].sessions.known()
    live.principal = replace(live.principal, roles=frozenset())

    assert 403 == (await alice.get("/bff/admin/me")).status
    assert ["role_missing"] == [each["reason"] for each in world.told("admin.refused")]


async def test_revoked_administrator_is_refused_at_once(world):
    """Ending an administrator's session ends what it can do here as well."""
    alice = await signed_in(world)

    await managed(world, "POST", "/admin/revocations", {"subject": "alice"})

    answer = await alice.get("/bff/admin/me")
    assert (401, "session_expired") == (answer.status, answer.code)


@pytest.mark.parametrize(
    "settings",
    [make_settings(), administered(token=None, roles=()), administered(token=None), administered(roles=())],
    ids=["no table", "empty table", "roles alone", "token alone"],
)
async def test_what_is_not_configured_is_not_there(settings):
    """Closed unless configured: without its key, that half answers 404 as any unknown path does."""
    async with World(settings=settings) as world:
        alice = await signed_in(world)
        for base in ("admin/me", "console/", "admin/openapi.json"):
            answer = await managed(world, "GET", f"/{base}")
            opened = settings.admin is not None and settings.admin.token is not None
            assert (200 if opened else 404) == (200 if answer.status == 503 else answer.status), base
            answer = await alice.get(f"/bff/{base}")
            opened = settings.admin is not None and bool(settings.admin.roles)
            assert (200 if opened else 404) == (200 if answer.status == 503 else answer.status), base


@pytest.mark.parametrize("on_public", [False, True])
async def test_shared_listener_takes_the_token_only_when_that_is_meant(on_public):
    """`management_listen = "same"` alone opens no admin API to the public, whatever the file says beside it."""
    settings = administered(token_on_public=on_public)
    settings = replace(settings, server=replace(settings.server, management_listen="same"))
    async with World(settings=settings) as world:
        headers = {"authorization": f"Bearer {TOKEN}"}

        answer = await world.browser().get("/admin/me", headers=headers)

        assert (200 if on_public else 404) == answer.status
        assert 404 == (await managed(world, "GET", "/admin/me", app=management(world))).status


async def test_networks_narrow_both_halves():
    """An address from elsewhere is refused whatever it brings, and told to the audit log."""
    async with World(settings=administered(networks=(ip_network("198.51.100.0/24"),))) as world:
        alice = await signed_in(world)

        assert 200 == (await managed(world, "GET", "/admin/me")).status
        assert 200 == (await managed(world, "GET", "/admin/me", address=f"::ffff:{ADDRESS}")).status
        assert 403 == (await managed(world, "GET", "/admin/me", address="203.0.113.9")).status
        assert 403 == (await alice.get("/bff/admin/me")).status  # from 192.0.2.7
        assert ["address", "address"] == [each["reason"] for each in world.told("admin.refused")]


async def test_forwarded_address_of_an_untrusted_peer_opens_no_network():
    """Nobody gets into `admin.networks` by saying so (OWASP ASVS 4.1.3)."""
    async with World(settings=administered(networks=(ip_network("198.51.100.0/24"),))) as world:
        alice = await signed_in(world)

        answer = await alice.get("/bff/admin/me", headers={"x-forwarded-for": ADDRESS})

        assert 403 == answer.status


async def test_cursors_cannot_be_made_changed_or_moved(world):
    """A cursor is sealed for one list with its filters: no other page can be reached with it."""
    for subject in ("alice", "bob", "carol"):
        await signed_in(world, subject)
    cursor = (await managed(world, "GET", "/admin/sessions?limit=1")).document["next"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    raw[-1] ^= 1
    changed = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    made = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()

    for forged in (changed, made, "x", "'%20OR%201=1--", "..%2F..", "%00", "A" * 5000, cursor + "A", cursor[:-4]):
        answer = await managed(world, "GET", f"/admin/sessions?limit=1&after={forged}")
        assert (422, "invalid_request") == (answer.status, answer.code), forged
        assert answer.document["detail"].startswith("after: ")
    moved = await managed(world, "GET", f"/admin/sessions?limit=1&subject=bob&after={cursor}")
    assert 422 == moved.status
    assert 200 == (await managed(world, "GET", f"/admin/sessions?limit=1&after={cursor}")).status


@pytest.mark.parametrize(
    ("order", "where"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"nonsense", "body"),
        (b'{"before": 1e999}', "body"),
        (b"{}", "body"),
        (b'{"all": false}', "body"),
        (b'{"subject": "bob", "all": true}', "body"),
        (b'{"subject": "bob", "role": "admin"}', "body"),
        (b'{"subject": ""}', "subject"),
        (b'{"subject": 7}', "subject"),
        (b'{"sbject": "bob"}', "body"),
        (b'{"before": 99999999999}', "before"),
        (b'{"before": -1}', "before"),
        (b'{"before": true}', "before"),
        (b'{"all": "yes"}', "all"),
        (b'{"subject": "bob", "note": "' + b"x" * 2000 + b'"}', "note"),
    ],
    ids=range(16),
)
async def test_order_that_is_not_plain_ends_nobodys_session(world, order, where):
    """Exactly one criterion, known fields, sane values: a slip of the pen is refused, and `detail` names it."""
    alice = await signed_in(world)

    answer = await managed(world, "POST", "/admin/revocations", order)

    assert (422, "invalid_request") == (answer.status, answer.code)
    assert answer.document["detail"].startswith(f"{where}: "), answer.document["detail"]
    assert await alice.user() is not None


@pytest.mark.parametrize("query", ["rol=admin", "limit=0", "limit=201", "limit=x", "limit=5&limit=6", "%F0%9F=1"])
async def test_parameter_that_cannot_be_used_is_refused(world, query):
    """A misspelt filter must not show everybody."""
    answer = await managed(world, "GET", f"/admin/sessions?{query}")

    assert (422, "invalid_request") == (answer.status, answer.code)


@pytest.mark.parametrize(
    "field", ['"at": 1e18', '"at": -1', '"method": ""', '"path": "api"', '"roles": "admin"', '"x": 1']
)
async def test_question_that_makes_no_sense_is_refused(world, field):
    """A decision is asked about a method, a path of ours and a time that calendars know."""
    body = ('{"method": "GET", "path": "/api/x", ' + field + "}").encode()

    answer = await managed(world, "POST", "/admin/decisions", body)

    assert (422, "invalid_request") == (answer.status, answer.code)


async def test_body_has_a_limit(world):
    """Nobody fills a worker's memory, not even an operator."""
    answer = await managed(world, "POST", "/admin/decisions", b'{"path": "' + b"x" * 100_000 + b'"}')

    assert (413, "body_too_large") == (answer.status, answer.code)


async def test_no_answer_holds_anything_secret(world):
    """No token, no cookie, no key of the store, no secret of ours is in any answer, and none may be kept."""
    alice = await signed_in(world)
    handle = await handle_of(alice)
    (live,) = world.bffs[0].sessions.known()
    secrets = [
        TOKEN,
        live.tokens.access_token,
        live.tokens.refresh_token,
        live.tokens.id_token,
        alice.cookies["__Host-bff"],
        live.key.hex(),
        base64.urlsafe_b64encode(live.key).decode().rstrip("="),
        "secret",
    ]
    answers = [await managed(world, "GET", f"/admin{path}") for method, path in CALLS if method == "GET"]
    answers.append(await managed(world, "GET", f"/admin/sessions/{handle}"))

    for answer in answers:
        assert "no-store" == answer.header("cache-control")
        assert "nosniff" == answer.header("x-content-type-options")
        assert "default-src 'none'; frame-ancestors 'none'" == answer.header("content-security-policy")
        assert [] == answer.set_cookies
        for secret in secrets[:-1]:
            assert secret not in answer.body.decode()


async def test_errors_are_documents_even_when_a_browser_navigates(world):
    """Nothing that came in a request is ever shown as a page."""
    answer = await managed(
        world,
        "GET",
        "/admin/sessions?%3Cscript%3E=1",
        headers={"sec-fetch-mode": "navigate", "accept": "text/html"},
    )

    assert "application/problem+json" == answer.header("content-type")


async def test_console_page_may_be_returned_to_after_a_login_and_nothing_else_of_ours(world):
    """The console sends people to the login and gets them back; a login never lands on an endpoint."""
    browser: Browser = world.browser()
    world.op.sub = "alice"

    answer = await browser.log_in(return_to="/bff/console/%23/sessions")

    assert "/bff/console/#/sessions" == answer.header("location")
    for target in ("/bff/admin/me", "/bff/console/%252e%252e/logout", "/bff/consolex", "/bff/console/../login"):
        refused = await world.browser().get(f"/bff/login?return_to={target}", csrf=False)
        assert 400 == refused.status, target


@pytest.fixture
async def searchable():
    """Likewise, with an audit log that can be searched."""
    async with World(settings=replace(administered(), audit=AuditSettings(sink="store"))) as world:
        yield world


@pytest.mark.parametrize("call", ["/audit?q=", "/audit?session=", "/subjects?q=", "/review?q=", "/sessions?role="])
async def test_secret_that_an_operator_looks_for_is_not_written_down(searchable, call):
    """Whose cookie or token is this? The search box is not the way to ask, and the audit log must not keep it."""
    secret = base64.urlsafe_b64encode(os.urandom(72)).decode()

    assert 200 == (await managed(searchable, "GET", f"/admin{call}{secret}")).status

    (act,) = searchable.told("admin.act")
    assert secret not in str(act)
    assert act["target"].endswith(":***")


async def test_whom_an_operator_looked_for_is_written_down_whole(searchable):
    """A subject may be as long as a secret (OpenID Connect Core §2)."""
    subject = "s" * 200
    for call in ("/audit", "/sessions"):
        await managed(searchable, "GET", f"/admin{call}?subject={subject}")

    assert [f"subject:{subject}"] * 2 == [act["target"] for act in searchable.told("admin.act")]
