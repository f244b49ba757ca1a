"""Attacks on the login: mix-up, injection, impersonation, and an issuer that lies."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from bff.errors import BffError, CallbackRejected, GrantRejected, IssuerUnavailable, TokenRejected
from tests.forging import REMOVED, at_hash, ec_key
from tests.neg_op import NegOp, Reply, json_reply
from tests.oidc_world import NOW, World, make_world

pytestmark = pytest.mark.security


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = make_world()
    yield world
    await world.close()


@pytest.fixture
async def evil() -> AsyncIterator[World]:
    """A second issuer that we are registered at, and that is malicious."""
    world = make_world(NegOp(issuer="https://evil.test"))
    yield world
    await world.close()


def bent(query: str, **changes: str | None) -> str:
    fields = {**dict(parse_qsl(query)), **changes}
    return urlencode({name: value for name, value in fields.items() if value is not None})


# ── mix-up (RFC 9700 §4.4) ───────────────────────────────────────────────────────────────────────────────


async def test_a_code_of_the_honest_issuer_never_reaches_the_evil_one(world: World, evil: World):
    """RFC 9207 §2.4, RFC 9700 §4.4: begun at the evil issuer, which sends the browser on to the honest one."""
    attempt, query = await evil.begin()
    _, honest = await world.begin()
    mixed_up = bent(honest, state=dict(parse_qsl(query))["state"])

    with pytest.raises(CallbackRejected) as caught:
        evil.code(mixed_up, attempt)
    assert ("issuer_mismatch", 0, 0) == (caught.value.reason, evil.op.count("token"), world.op.count("token"))


async def test_the_iss_parameter_cannot_be_dropped_to_hide_a_mix_up(world: World, evil: World):
    """RFC 9207 §2.4: an issuer that announces it is held to it, in errors too."""
    attempt, query = await evil.begin()
    for changes in ({"iss": None}, {"iss": None, "code": None, "error": "access_denied"}):
        with pytest.raises(CallbackRejected) as caught:
            evil.code(bent(query, **changes), attempt)
        assert "issuer_missing" == caught.value.reason


async def test_an_evil_document_that_points_to_the_honest_login_page_is_found_out(world: World, evil: World):
    """RFC 9700 §4.4.1: evil metadata with the honest authorization endpoint; the answer bears the honest `iss`."""
    evil.op.metadata["authorization_endpoint"] = "https://op.test/authorize"
    attempt, _ = await evil.begin()
    answer = urlsplit(world.op.login(await evil.rp.authorization_url(attempt, {}))).query

    with pytest.raises(CallbackRejected) as caught:
        evil.code(answer, attempt)
    assert ("issuer_mismatch", 0) == (caught.value.reason, evil.op.count("token"))


async def test_a_document_in_the_name_of_the_honest_issuer_is_refused(evil: World):
    """OIDC Discovery §4.3: impersonation by metadata."""
    evil.op.metadata["issuer"] = "https://op.test"

    with pytest.raises(IssuerUnavailable):
        await evil.begin()
    assert ["discovery"] == [seen.endpoint for seen in evil.op.seen]


async def test_tokens_in_the_name_of_the_honest_issuer_are_refused(evil: World):
    """RFC 8725 §3.8: each issuer's keys vouch for that issuer alone."""
    evil.op.id_token["iss"] = "https://op.test"

    with pytest.raises(TokenRejected) as caught:
        await evil.login()
    assert "iss_mismatch" == caught.value.members["reason"]


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/token", "file:///etc/passwd", "https://127.0.0.1/token", "http://op.test/token"]
)
async def test_an_endpoint_cannot_make_us_call_inside(world: World, url: str):
    """RFC 8414 §6.1: the metadata are no way to our neighbours."""
    world.op.metadata["token_endpoint"] = url

    with pytest.raises(IssuerUnavailable):
        await world.begin()
    assert [] == world.op.strangers


async def test_parameters_of_the_callback_cannot_name_endpoints(world: World):
    """RFC 9700 §4.4: endpoints come from the metadata of the stored issuer and from nowhere else."""
    attempt, query = await world.begin()
    query += "&token_endpoint=https%3A%2F%2Fevil.test&jwks_uri=https%3A%2F%2Fevil.test&client_id=evil"
    await world.rp.redeem(world.code(query, attempt), attempt)

    assert [] == world.op.strangers


# ── injection and forgery (RFC 9700 §4.5, §4.7) ──────────────────────────────────────────────────────────


async def test_a_stolen_code_does_not_fit_the_thiefs_verifier(world: World):
    """RFC 9700 §4.5: the issuer checks PKCE."""
    thief, own = await world.begin()
    _, victims = await world.begin()
    injected = bent(own, code=dict(parse_qsl(victims))["code"])

    with pytest.raises(GrantRejected):
        await world.rp.redeem(world.code(injected, thief), thief)


async def test_a_stolen_code_does_not_fit_the_thiefs_nonce(world: World):
    """RFC 9700 §4.5.3.2, §4.8: and if the issuer does not check PKCE, the nonce still tells."""
    world.op.check_pkce = False
    thief, own = await world.begin()
    _, victims = await world.begin()
    injected = bent(own, code=dict(parse_qsl(victims))["code"])

    with pytest.raises(CallbackRejected) as caught:
        await world.rp.redeem(world.code(injected, thief), thief)
    assert ("nonce_mismatch", 0) == (caught.value.reason, world.op.count("userinfo"))


@pytest.mark.parametrize("nonce", [REMOVED, "other", None, 7, ["n"]])
async def test_a_login_without_its_nonce_fails(world: World, nonce):
    """OIDC Core §3.1.3.7 rule 11."""
    world.op.id_token["nonce"] = nonce

    with pytest.raises(CallbackRejected, match="login_failed"):
        await world.login()


async def test_an_old_id_token_cannot_be_replayed(world: World):
    """OIDC Core §3.1.3.7 rule 11: well signed, not expired, of another login."""
    world.op.id_token["at_hash"] = REMOVED
    old = await world.login()
    world.op.token_response["id_token"] = old.tokens.id_token

    with pytest.raises(CallbackRejected) as caught:
        await world.login()
    assert "nonce_mismatch" == caught.value.reason


async def test_a_victims_browser_cannot_finish_the_attackers_login(world: World):
    """RFC 9700 §4.7, login CSRF: the attacker's whole callback URL, in a browser without that attempt."""
    _, attackers = await world.begin()
    victim, _ = await world.begin()
    for attempt in (None, victim):
        with pytest.raises(CallbackRejected) as caught:
            world.code(attackers, attempt)
        assert caught.value.reason in {"no_attempt", "state_mismatch"}
    assert 0 == world.op.count("token")


async def test_swapped_states_of_two_logins_fit_neither(world: World):
    """RFC 9700 §4.7.1."""
    first, first_query = await world.begin()
    second, second_query = await world.begin()
    for attempt, query in ((first, second_query), (second, first_query)):
        with pytest.raises(CallbackRejected):
            world.code(query, attempt)


async def test_one_code_gives_one_grant_however_often_it_is_redeemed_at_once(world: World):
    """RFC 6749 §10.5: twenty redemptions at once, one set of tokens."""
    attempt, query = await world.begin()
    code = world.code(query, attempt)
    results = await asyncio.gather(*(world.rp.redeem(code, attempt) for _ in range(20)), return_exceptions=True)

    assert 19 == sum(isinstance(result, GrantRejected) for result in results)


async def test_a_token_of_another_access_token_is_found_out(world: World):
    """OIDC Core §3.1.3.8, §16.11: token substitution."""
    world.op.id_token["at_hash"] = at_hash("another.access.token", "RS256")

    with pytest.raises(TokenRejected) as caught:
        await world.login()
    assert "at_hash_mismatch" == caught.value.members["reason"]


# ── an issuer that lies ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"iss": "https://op.test/"}, "iss_mismatch"),
        ({"aud": "other"}, "aud_mismatch"),
        ({"aud": ["spa", "other"]}, "aud_untrusted"),
        ({"azp": "other"}, "azp_mismatch"),
        ({"sub": REMOVED}, "sub_missing"),
        ({"sub": 7}, "sub_malformed"),
        ({"exp": NOW - 300}, "expired"),
        ({"exp": 1e300}, "exp_malformed"),
        ({"iat": REMOVED}, "iat_missing"),
        ({"iat": NOW + 3600}, "iat_in_future"),
        ({"events": {}}, "wrong_type"),
    ],
)
async def test_an_id_token_that_lies_ends_the_login(world: World, bend: dict, reason: str):
    """OIDC Core §3.1.3.7 over the whole flow: no grant, and nothing is asked with its tokens."""
    world.op.id_token.update(bend)

    with pytest.raises(TokenRejected) as caught:
        await world.login()
    assert {"token": "id_token", "reason": reason} == caught.value.members
    assert ["discovery", "jwks", "token"] == [seen.endpoint for seen in world.op.seen]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html><body>Sign in</body></html>", media_type="text/html"),
        Reply(200, b"x" * (50 * 1024 * 1024)),
        Reply(200, b"[]"),
        Reply(200, b'{"access_token":"a","access_token":"b","token_type":"Bearer","id_token":"x"}'),
        json_reply({"access_token": "at", "token_type": "Bearer"}),
        json_reply({"access_token": "at", "token_type": "mac", "id_token": "a.b.c"}),
        json_reply({"access_token": "a\r\nb", "token_type": "Bearer", "id_token": "a.b.c"}),
        json_reply({"access_token": "at", "token_type": "Bearer", "id_token": {"a": 1}}),
        Reply(500),
        Reply(429),
        Reply(307, headers={"location": "https://evil.test/token"}),
    ],
    ids=range(11),
)
async def test_an_answer_that_is_no_token_response_ends_the_login(world: World, reply: Reply):
    """OIDC Core §3.1.3.3, RFC 6749 §5.1: media type, size, form and required members."""
    world.op.script("token", reply)

    with pytest.raises((IssuerUnavailable, TokenRejected)):
        await world.login()
    assert (1, []) == (world.op.count("token"), world.op.strangers)


async def test_a_hostile_key_set_is_no_key_set(world: World):
    """RFC 8725 §3.10 in spirit: too large, too many, too deep, compressed to nothing; logins fail, quickly."""
    deep = b'{"keys":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    hostile = [
        Reply(200, b'{"keys":[' + b" " * (600 * 1024) + b"]}"),
        json_reply({"keys": [ec_key().jwk()] * 101}),
        Reply(200, deep),
        json_reply({"keys": "all"}),
        Reply(200, b"\x1f\x8b" + b"x" * 100, {"content-encoding": "gzip"}),
    ]
    for reply in hostile:
        world.op.script("jwks", reply)
        with pytest.raises(IssuerUnavailable):
            await world.login()
        world.clock.advance(60)
    assert 0 == world.op.count("token"), "no code was spent"
    assert "alice" == (await world.login()).claims["sub"]


async def test_keys_that_drip_are_not_waited_for():
    """A byte now and then holds nobody up for longer than the time-out."""
    world = make_world(timeout=0.2)
    world.op.script("jwks", Reply(200, [(0.03, b" ")] * 1000))

    with pytest.raises(IssuerUnavailable):
        await world.login()
    await world.close()


# ── renewals (OIDC Core §12.2) ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"sub": "mallory"}, "sub_changed"),
        ({"iss": "https://evil.test"}, "iss_mismatch"),
        ({"aud": "other"}, "aud_mismatch"),
        ({"nonce": "another"}, "nonce_changed"),
        ({"auth_time": NOW - 1000}, "auth_time_changed"),
        ({"exp": NOW - 1000}, "expired"),
        ({"at_hash": "AAAA"}, "at_hash_mismatch"),
    ],
)
async def test_a_renewal_that_turns_into_somebody_else_is_the_end(world: World, bend: dict, reason: str):
    """OIDC Core §12.2: the new access token is not used."""
    grant = await world.login()
    world.op.id_token.update(bend)

    with pytest.raises(TokenRejected) as caught:
        await world.rp.renew(grant.tokens, grant.claims)
    assert {"token": "id_token", "reason": reason} == caught.value.members


async def test_a_renewal_with_a_bad_signature_is_the_end(world: World):
    """OIDC Core §12.2: a known key that did not sign is no lack of keys."""
    grant = await world.login()
    world.op.signing_key = ec_key(9).named(world.op.keys[0].kid)

    with pytest.raises(TokenRejected) as caught:
        await world.rp.renew(grant.tokens, grant.claims)
    assert "bad_signature" == caught.value.members["reason"]


@pytest.mark.parametrize("token_type", ["mac", "DPoP", REMOVED])
async def test_a_renewal_that_changes_the_type_of_token_is_not_used(world: World, token_type):
    """RFC 6749 §7.1."""
    grant = await world.login()
    world.op.token_response["token_type"] = token_type

    with pytest.raises(TokenRejected):
        await world.rp.renew(grant.tokens, grant.claims)


# ── nothing else than the declared errors ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("endpoint", ["discovery", "jwks", "token"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"true",
        b"0",
        b'""',
        b"[]",
        b"{}",
        b'{"keys":[null,1,"x",[],{}],"issuer":null,"access_token":null}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1e999}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"\xff\xfe{\x00}\x00",
        b"{" * 100_000,
    ],
    ids=range(14),
)
async def test_no_answer_makes_a_server_error(world: World, endpoint: str, body: bytes):
    """A person sees a page that says so, never a 500."""
    world.op.script(endpoint, Reply(200, body))

    with pytest.raises(BffError):
        await world.login()


async def test_an_attempt_cannot_be_moved_to_another_issuer(world: World):
    """RFC 9700 §4.4.2."""
    attempt, query = await world.begin()
    moved = replace(attempt, issuer="https://evil.test")

    with pytest.raises(CallbackRejected):
        world.code(query, moved)
