"""The back-channel logout door is open to anyone: what junk may cost, and what it must not."""

from collections.abc import AsyncIterator

import pytest

from bff.errors import IssuerUnavailable, LogoutTokenRejected
from bff.oidc.key_cache import COOL_DOWN
from tests.forging import REMOVED, ed_key, rsa_key, signed, unsigned
from tests.neg_op import LOGOUT_EVENT
from tests.oidc_world import NOW, World, make_world

pytestmark = pytest.mark.security

CLAIMS = {
    "iss": "https://op.test",
    "aud": "spa",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "j1",
    "sub": "alice",
    "events": {LOGOUT_EVENT: {}},
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = make_world()
    yield world
    await world.close()


async def refused(world: World, raw: str) -> str:
    with pytest.raises(LogoutTokenRejected) as caught:
        await world.rp.check_logout_token(raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "malformed"),
        ("junk", "malformed"),
        ("a.b.c", "malformed"),
        ("x" * 16385, "too_large"),
        ("." * 16385, "too_large"),
        (unsigned(CLAIMS), "malformed"),
        (unsigned(CLAIMS, signature=b"x"), "algorithm_not_allowed"),
        (signed({**CLAIMS, "iss": "https://evil.test"}, ed_key(9)), "iss_mismatch"),
        (signed({**CLAIMS, "aud": "other"}, ed_key(9)), "aud_mismatch"),
        (signed({**CLAIMS, "exp": NOW - 60}, ed_key(9)), "expired"),
        (signed({**CLAIMS, "iat": NOW - 3600}, ed_key(9)), "iat_too_old"),
        (signed({**CLAIMS, "nonce": "n"}, ed_key(9)), "nonce_present"),
        (signed({**CLAIMS, "events": {}}, ed_key(9)), "event_missing"),
        (signed({**CLAIMS, "pad": "x" * 12500}, ed_key(9)), "too_large"),
        (signed(CLAIMS, ed_key(9), typ="at+jwt"), "wrong_type"),
        (signed(CLAIMS, ed_key(9), crit=["x"]), "critical_extension"),
    ],
    ids=range(16),
)
async def test_what_can_be_seen_to_be_wrong_costs_neither_cryptography_nor_a_call(
    world: World, raw: str, reason: str
):
    """OIDC Back-Channel Logout §2.6: size, structure, claims first; not even the keys are read for it."""
    assert reason == await refused(world, raw)
    assert [] == world.op.seen


async def test_a_flood_of_new_key_names_causes_one_read_an_interval_and_disturbs_no_login(world: World):
    """OIDC Core §10.1.1, RFC 8725 §3.10."""
    await world.rp.check_logout_token(world.op.logout_token())
    for number in range(1000):
        assert "unknown_key" == await refused(world, signed(CLAIMS, ed_key(9), kid=f"junk-{number}"))
    assert 2 == world.op.count("jwks")

    world.op.rotate_keys(rsa_key(1))
    assert "alice" == (await world.login()).claims["sub"], "the issuer rotates in the middle of it"
    assert 3 == world.op.count("jwks")

    world.clock.advance(COOL_DOWN)
    for number in range(100):
        await refused(world, signed(CLAIMS, ed_key(9), kid=f"more-{number}"))
    assert 4 == world.op.count("jwks")


async def test_a_flood_without_key_names_is_no_different(world: World):
    """OIDC Core §10.1: tokens without `kid`."""
    await world.rp.check_logout_token(world.op.logout_token())
    for _ in range(200):
        assert await refused(world, signed(CLAIMS, ed_key(9), kid=REMOVED)) in {"unknown_key", "bad_signature"}
    assert 2 == world.op.count("jwks")


async def test_while_there_are_no_keys_an_honest_token_is_put_off(world: World):
    """OIDC Back-Channel Logout §2.8: an answer that makes the issuer try again, and no stampede to it meanwhile."""
    world.op.down = True
    for _ in range(10):
        with pytest.raises(IssuerUnavailable):
            await world.rp.check_logout_token(world.op.logout_token())
    assert 1 == len(world.op.seen)

    world.op.down = False
    world.clock.advance(5)
    assert "alice" == (await world.rp.check_logout_token(world.op.logout_token())).sub


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.test"}, "iss_mismatch"),
        ({"aud": "other"}, "aud_mismatch"),
        ({"exp": NOW - 60}, "expired"),
        ({"iat": NOW + 3600}, "iat_in_future"),
        ({"jti": REMOVED}, "jti_missing"),
        ({"sub": REMOVED}, "sub_and_sid_missing"),
        ({"events": {LOGOUT_EVENT: "yes"}}, "events_malformed"),
        ({"nonce": "n"}, "nonce_present"),
    ],
)
async def test_an_honestly_signed_token_that_breaks_a_rule_logs_nobody_out(
    world: World, changes: dict, reason: str
):
    """OIDC Back-Channel Logout §2.6."""
    assert reason == await refused(world, world.op.logout_token(**changes))


async def test_a_token_of_any_fitting_algorithm_and_key_passes(world: World):
    """So that the tests above refuse the fault, not the form."""
    world.op.keys = [rsa_key(0), ed_key(0)]
    for key in world.op.keys:
        assert "s1" == (await world.rp.check_logout_token(world.op.logout_token(key=key, sid="s1"))).sid
