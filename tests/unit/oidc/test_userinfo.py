"""What the userinfo endpoint's answers mean."""

import pytest

from bff.errors import IssuerUnavailable, MetadataInvalid, TokenRejected
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, changed, ec_key, rsa_key, signed, unsigned
from tests.neg_op import Reply, json_reply
from tests.oidc_world import World, make_world

CLAIMS = {"iss": "https://op.test", "aud": "spa", "sub": "alice", "email": "a@example.test"}


async def ask(world: World) -> dict:
    grant = await world.login()
    return dict(await world.rp.userinfo(grant.tokens.access_token, "alice"))


async def refused(world: World) -> str:
    with pytest.raises(TokenRejected) as caught:
        await ask(world)
    return str(caught.value.members["reason"])


async def test_the_claims_are_returned_and_the_token_goes_into_the_header(world: World):
    """OIDC Core §5.3.1, RFC 6750 §2.1: the Authorization header, and no token in a URL."""
    assert {"sub": "alice", "email": "alice@example.test"} == await ask(world)

    (request,) = world.op.requests("userinfo")
    assert request.headers["authorization"].startswith("Bearer ")
    assert {} == request.query
    assert {} == request.form


@pytest.mark.parametrize(
    ("sub", "reason"),
    [
        ("bob", "sub_mismatch"),
        ("Alice", "sub_mismatch"),
        (REMOVED, "sub_missing"),
        (["alice"], "sub_malformed"),
        (None, "sub_malformed"),
    ],
)
async def test_claims_about_somebody_else_are_never_used(world: World, sub, reason):
    """OIDC Core §5.3.2: the sub of the ID token, exactly."""
    world.op.userinfo["sub"] = sub

    assert reason == await refused(world)


async def test_a_signed_answer_is_checked(world: World):
    """OIDC Core §5.3.2: application/jwt says that it is signed."""
    world.op.script("userinfo", Reply(200, signed(CLAIMS, rsa_key()).encode(), media_type="application/jwt"))

    assert CLAIMS == await ask(world)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (signed(CLAIMS, ec_key(), kid="rs256-0"), "bad_signature"),
        (signed(CLAIMS, rsa_key(1), kid="rs256-0"), "bad_signature"),
        (signed(CLAIMS, rsa_key(1)), "unknown_key"),
        (unsigned(CLAIMS), "malformed"),
        (unsigned(CLAIMS, signature=b"x"), "algorithm_not_allowed"),
        (signed({**CLAIMS, "iss": "https://evil.test"}, rsa_key()), "iss_mismatch"),
        (signed({**CLAIMS, "aud": "other"}, rsa_key()), "aud_mismatch"),
        (signed(changed(CLAIMS, {"iss": REMOVED}), rsa_key()), "iss_missing"),
        (signed(changed(CLAIMS, {"aud": REMOVED}), rsa_key()), "aud_missing"),
        (signed({**CLAIMS, "exp": 1}, rsa_key()), "expired"),
        (signed({**CLAIMS, "events": {}}, rsa_key()), "wrong_type"),
        (signed(CLAIMS, rsa_key(), typ="at+jwt"), "wrong_type"),
        (signed({**CLAIMS, "sub": "bob"}, rsa_key()), "sub_mismatch"),
        ('{"sub": "alice"}', "malformed"),
        ("", "malformed"),
    ],
    ids=range(15),
)
async def test_a_signed_answer_that_does_not_hold_is_refused(world: World, raw, reason):
    """OIDC Core §5.3.4: signature, issuer, audience, kind, person."""
    world.op.script("userinfo", Reply(200, raw.encode(), media_type="application/jwt"))

    assert reason == await refused(world)


@pytest.mark.parametrize(
    "reply",
    [
        json_reply([{"sub": "alice"}]),
        json_reply("alice"),
        Reply(200, b"<html>", media_type="text/html"),
        Reply(200, signed(CLAIMS, rsa_key()).encode(), media_type="application/json"),
        Reply(200, b'{"sub":"alice","sub":"bob"}'),
        Reply(500),
        Reply(503),
        Reply(302, headers={"location": "https://evil.test/"}),
    ],
    ids=["array", "string", "html", "jwt-as-json", "repeated", "500", "503", "redirect"],
)
async def test_an_answer_that_is_none_is_never_merged(world: World, reply):
    """OIDC Core §5.3.2: a JSON object as application/json, or a JWT as application/jwt."""
    world.op.script("userinfo", reply)

    with pytest.raises(IssuerUnavailable):
        await ask(world)
    assert [] == world.op.strangers


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_access_token_is_a_rejected_one(world: World, status):
    """RFC 6750 §3.1."""
    world.op.script("userinfo", Reply(status))

    assert "userinfo_refused" == await refused(world)


async def test_an_issuer_without_the_endpoint_is_told_apart():
    """OIDC Discovery §3: userinfo_endpoint is only recommended."""
    world = make_world(rules=TokenRules())
    world.op.metadata["userinfo_endpoint"] = REMOVED

    with pytest.raises(MetadataInvalid):
        await ask(world)
    await world.close()
