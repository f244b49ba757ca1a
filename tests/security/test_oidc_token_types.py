"""Tokens of one kind in the place of another: well signed, by the right issuer, and refused all the same."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bff.errors import CallbackRejected, LogoutTokenRejected, TokenRejected
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, rsa_key, signed
from tests.neg_op import LOGOUT_EVENT, Reply
from tests.oidc_world import API, NOW, World, make_world

pytestmark = pytest.mark.security

KEY = rsa_key(0)
COMMON = {"iss": "https://op.test", "sub": "alice", "exp": NOW + 300, "iat": NOW}

# Each as alike to the others as its own rules allow: same issuer, subject and times, audience ours.
KINDS: dict[str, tuple[dict, dict]] = {
    "id_token": ({"typ": "JWT"}, {**COMMON, "aud": "spa", "nonce": "NONCE"}),
    "access_token": (
        {"typ": "at+jwt"},
        {**COMMON, "aud": [API, "spa"], "azp": "spa", "nonce": "NONCE", "jti": "j1"},
    ),
    "logout_token": (
        {"typ": "logout+jwt"},
        {**COMMON, "aud": "spa", "jti": "j1", "sid": "s1", "events": {LOGOUT_EVENT: {}}},
    ),
    "untyped_logout_token": (
        {"typ": REMOVED},
        {**COMMON, "aud": "spa", "jti": "j1", "sid": "s1", "events": {LOGOUT_EVENT: {}}},
    ),
    "userinfo": ({"typ": "userinfo+jwt"}, {**COMMON, "aud": "spa", "email": "a@example.test"}),
    "authorization_response": (
        {"typ": "oauth-authz-resp+jwt"},
        {**COMMON, "aud": "spa", "code": "c", "state": "s"},
    ),
    "client_assertion": ({"typ": "JWT"}, {"iss": "spa", "sub": "spa", "aud": "https://op.test", "exp": NOW + 60}),
    "introspection": ({"typ": "token-introspection+jwt"}, {**COMMON, "aud": "spa", "token_introspection": {}}),
    "dpop_proof": ({"typ": "dpop+jwt"}, {"jti": "j1", "htm": "POST", "htu": "https://op.test/token", "iat": NOW}),
}


def token(kind: str, nonce: str = "n") -> str:
    header, claims = KINDS[kind]
    filled = {name: nonce if value == "NONCE" else value for name, value in claims.items()}
    return signed(filled, KEY, **header)


async def as_id_token(world: World, kind: str) -> None:
    attempt, query = await world.begin()
    world.op.token_response["id_token"] = token(kind, attempt.nonce)
    await world.rp.redeem(world.code(query, attempt), attempt)


async def as_renewed_id_token(world: World, kind: str) -> None:
    grant = await world.login()
    world.op.token_response["id_token"] = token(kind, grant.claims["nonce"])
    await world.rp.renew(grant.tokens, {name: v for name, v in grant.claims.items() if name != "auth_time"})


async def as_access_token(world: World, kind: str) -> None:
    world.op.token_response["access_token"] = token(kind)
    world.op.id_token["at_hash"] = REMOVED
    await world.login()


async def as_logout_token(world: World, kind: str) -> None:
    await world.rp.check_logout_token(token(kind))


async def as_userinfo(world: World, kind: str) -> None:
    world.op.script("userinfo", Reply(200, token(kind).encode(), media_type="application/jwt"))
    await world.rp.userinfo("at", "alice")


SLOTS: dict[str, tuple[Callable[[World, str], Awaitable[None]], set[str]]] = {
    "id_token": (as_id_token, {"id_token"}),
    "renewed_id_token": (as_renewed_id_token, {"id_token"}),
    "access_token": (as_access_token, {"access_token"}),
    "logout_token": (as_logout_token, {"logout_token", "untyped_logout_token"}),
    "userinfo": (as_userinfo, {"userinfo", "id_token"}),
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    # The worst case: access tokens whose audience is the client itself, so that `aud` tells nothing apart.
    world = make_world(rules=TokenRules(access_token_audience=(API, "spa")))
    yield world
    await world.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slot", SLOTS)
async def test_each_kind_of_token_fits_its_own_slot_alone(world: World, slot: str, kind: str):
    """RFC 8725 §3.11, §3.12: mutually exclusive rules; the full matrix.

    One cell is open, as the specification leaves it: a signed userinfo answer has claims only (OIDC Core §5.3.2),
    so that an ID token about the same person for the same client says nothing that is not so.
    """
    fill, fitting = SLOTS[slot]
    if kind in fitting:
        await fill(world, kind)
        return
    with pytest.raises((TokenRejected, CallbackRejected, LogoutTokenRejected)):
        await fill(world, kind)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "other-client", "azp": "other-client"}, "aud_mismatch"),
        ({"iss": "https://other.test"}, "iss_mismatch"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "slot"),
    [
        ("id_token", "id_token"),
        ("id_token", "renewed_id_token"),
        ("access_token", "access_token"),
        ("logout_token", "logout_token"),
        ("userinfo", "userinfo"),
    ],
)
async def test_the_right_kind_for_another_client_or_from_another_issuer_is_refused(
    world: World, kind: str, slot: str, changes: dict, reason: str, monkeypatch
):
    """OIDC Core §3.1.3.7 rules 2 and 3, RFC 8725 §3.8, §3.9: whoever shares the keys."""
    header, claims = KINDS[kind]
    monkeypatch.setitem(KINDS, kind, (header, {**claims, **changes}))

    with pytest.raises((TokenRejected, LogoutTokenRejected)) as caught:
        await SLOTS[slot][0](world, kind)
    assert reason == (caught.value.members.get("reason") or caught.value.reason)
