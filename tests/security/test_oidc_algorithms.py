"""Signatures that are none: every trick goes through a whole login and through the logout endpoint's door."""

import json
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bff.errors import LogoutTokenRejected, TokenRejected
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, b64url, b64url_decode, ec_key, ed_key, forge, mac, rsa_key, signed, unsigned
from tests.neg_op import LOGOUT_EVENT
from tests.oidc_world import NOW, World, make_world

pytestmark = pytest.mark.security

Forgery = Callable[[dict], str]
OURS = rsa_key(0)  # published by the honest issuer
THEIRS = rsa_key(9)  # the attacker's
SECRET = "a:secret/with %25 and é"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = make_world()
    world.op.keys = [OURS, ec_key(0)]
    yield world
    await world.close()


def re_signed(key, alg: str, **header: object) -> Forgery:
    return lambda claims: forge({"alg": alg, "kid": key.kid, "typ": "JWT", **header}, claims, key)


def stripped(claims: dict) -> str:
    header, body, _ = signed(claims, OURS).split(".")
    return f"{header}.{body}."


def without_last_segment(claims: dict) -> str:
    return signed(claims, OURS).rpartition(".")[0]


def der_instead_of_raw(claims: dict) -> str:
    message, _, signature = signed(claims, ec_key(0)).rpartition(".")
    raw = b64url_decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return f"{message}.{b64url(der)}"


def fixed_signature(signature: bytes) -> Forgery:
    return lambda claims: f"{signed(claims, ec_key(0)).rpartition('.')[0]}.{b64url(signature)}"


def padded(claims: dict) -> str:
    return signed(claims, OURS) + "=="


FORGERIES: dict[str, Forgery] = {
    # RFC 8725 §3.2: no signature at all
    "none": unsigned,
    "nOnE": lambda claims: unsigned(claims, alg="nOnE"),
    "none-with-signature": lambda claims: unsigned(claims, signature=b"x"),
    "no-alg": lambda claims: unsigned(claims, alg=REMOVED, signature=b"x"),
    "empty-alg": lambda claims: unsigned(claims, alg="", signature=b"x"),
    "list-alg": lambda claims: unsigned(claims, alg=["RS256"], signature=b"x"),
    "empty-signature": stripped,
    "no-signature": without_last_segment,
    # RFC 8725 §2.1, §3.1: the public key as a shared secret, in every spelling
    "hs256-with-pem": lambda claims: mac(claims, OURS.public_pem(), kid=OURS.kid),
    "hs256-with-stripped-pem": lambda claims: mac(claims, OURS.public_pem().strip(), kid=OURS.kid),
    "hs256-with-der": lambda claims: mac(claims, OURS.public_der(), kid=OURS.kid),
    "hs256-with-jwk": lambda claims: mac(claims, json.dumps(OURS.jwk()).encode(), kid=OURS.kid),
    "hs256-with-modulus": lambda claims: mac(claims, b64url_decode(OURS.jwk()["n"]), kid=OURS.kid),
    "hs512-with-pem": lambda claims: mac(claims, OURS.public_pem(), "HS512", kid=OURS.kid),
    # OIDC Core §16.19: shared secrets that were never agreed on
    "hs256-with-client-secret": lambda claims: mac(claims, SECRET.encode()),
    "hs256-with-nothing": lambda claims: mac(claims, b""),
    # OIDC Core §3.1.3.7 rule 7: another algorithm than the allowed ones
    "rs384": re_signed(OURS.using("RS384"), "RS384"),
    "ps512": re_signed(OURS.using("PS512"), "PS512"),
    "rsa1_5": re_signed(OURS, "RSA1_5"),
    # RFC 8725 §3.1: the header says one thing, the key another
    "es256-header-on-rsa": re_signed(OURS, "ES256"),
    "rs256-header-on-ec": re_signed(ec_key(0), "RS256"),
    "eddsa-header-on-rsa": re_signed(OURS, "EdDSA"),
    "ps256-header-on-rs256": re_signed(OURS, "PS256"),
    # another's key, under the honest name, without a name, or brought along
    "foreign-key": re_signed(THEIRS, "RS256", kid=OURS.kid),
    "foreign-key-without-kid": lambda claims: signed(claims, THEIRS, kid=REMOVED),
    "embedded-jwk": re_signed(THEIRS, "RS256", jwk=THEIRS.jwk()),
    "jku": re_signed(THEIRS, "RS256", jku="https://evil.test/jwks"),
    "x5u": re_signed(THEIRS, "RS256", x5u="https://evil.test/cert"),
    "x5c": re_signed(THEIRS, "RS256", x5c=[b64url(THEIRS.public_der())]),
    "foreign-ed25519": lambda claims: signed(claims, ed_key(9)),
    # RFC 7518 §3.4: signatures that are no signatures
    "es256-der": der_instead_of_raw,
    "es256-zero": fixed_signature(b"\0" * 64),
    "es256-short": fixed_signature(b"\1" * 63),
    "es256-long": fixed_signature(b"\1" * 96),
    "rs256-of-zeros": lambda claims: f"{signed(claims, OURS).rpartition('.')[0]}.{b64url(bytes(256))}",
    # RFC 7515 §4.1.11, RFC 7797
    "crit-unknown": re_signed(OURS, "RS256", crit=["http://evil.test/ext"]),
    "crit-b64": re_signed(OURS, "RS256", crit=["b64"], b64=False),
    "b64-alone": re_signed(OURS, "RS256", b64=False),
    # RFC 8725 §3.10: what a kid may try
    "kid-path": re_signed(THEIRS, "RS256", kid="../../../../dev/null"),
    "kid-sql": re_signed(THEIRS, "RS256", kid="x' UNION SELECT 'secret"),
    "kid-url": re_signed(THEIRS, "RS256", kid="https://evil.test/jwks#x"),
    "kid-nul": re_signed(THEIRS, "RS256", kid="a\0b"),
    "kid-huge": re_signed(OURS, "RS256", kid="k" * 8000),
    "kid-number": re_signed(OURS, "RS256", kid=0),
    "kid-object": re_signed(OURS, "RS256", kid={"$ne": None}),
    # RFC 8725 §2.4, §3.7: spellings
    "padded": padded,
    "space": lambda claims: " " + signed(claims, OURS),
    "json-serialisation": lambda claims: json.dumps(
        dict(zip(("protected", "payload", "signature"), signed(claims, OURS).split("."), strict=True))
    ),
    "repeated-sub": lambda claims: signed(json.dumps(claims).encode()[:-1] + b',"sub":"mallory"}', OURS),
    "repeated-alg": lambda claims: forge(b'{"alg":"RS256","alg":"RS256","kid":"rs256-0"}', claims, OURS),
    "bom": lambda claims: signed(b"\xef\xbb\xbf" + json.dumps(claims).encode(), OURS),
    # RFC 7516: an encrypted token, and what it might contain
    "jwe": lambda _claims: ".".join(
        [b64url(json.dumps({"alg": "RSA1_5", "enc": "A128CBC-HS256", "zip": "DEF"}).encode())]
        + [b64url(b"x" * 64)] * 4
    ),
    "jwe-dir": lambda _claims: ".".join(
        [b64url(json.dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10**9}).encode())]
        + [b64url(b"x")] * 4
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_login_with_a_forged_id_token_fails(world: World, forgery: Forgery):
    """OIDC Core §3.1.3.7 rules 6 to 8, RFC 8725 §3: no grant, and nothing fetched from anywhere else."""
    attempt, query = await world.begin()
    claims = {
        "iss": world.op.issuer,
        "sub": "alice",
        "aud": "spa",
        "exp": NOW + 300,
        "iat": NOW,
        "nonce": attempt.nonce,
    }
    world.op.token_response["id_token"] = forgery(claims)

    with pytest.raises(TokenRejected):
        await world.rp.redeem(world.code(query, attempt), attempt)
    assert [] == world.op.strangers
    assert 0 == world.op.count("userinfo")


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_logout_token_is_refused(world: World, forgery: Forgery):
    """OIDC Back-Channel Logout §2.6 rules 1 to 3: the endpoint is open to anyone."""
    claims = {
        "iss": world.op.issuer,
        "sub": "alice",
        "aud": "spa",
        "exp": NOW + 120,
        "iat": NOW,
        "jti": "j1",
        "events": {LOGOUT_EVENT: {}},
    }
    with pytest.raises(LogoutTokenRejected):
        await world.rp.check_logout_token(forgery(claims))
    assert [] == world.op.strangers


async def test_the_honest_forms_of_these_tokens_pass(world: World):
    """So that the tests above refuse the forgery, not the form."""
    await world.login()
    world.op.signing_key = ec_key(0)
    await world.login()
    await world.rp.check_logout_token(world.op.logout_token())


async def test_an_algorithm_that_the_operator_does_not_allow_is_refused():
    """OIDC Core §3.1.3.7 rule 7: what is configured counts, not what the header or the metadata say."""
    world = make_world(rules=TokenRules(algorithms=("ES256",)))
    with pytest.raises(TokenRejected) as caught:
        await world.login()
    assert "algorithm_not_allowed" == caught.value.members["reason"]
    assert {"reason": "no_common_algorithm"} not in world.told("issuer_metadata_weak"), "it announces ES256 as well"

    world.op.rotate_keys(ec_key(0))
    world.clock.advance(31)
    assert "alice" == (await world.login()).claims["sub"]
    await world.close()


async def test_weak_and_symmetric_keys_in_the_key_set_check_nothing(world: World):
    """FAPI 2.0 §5.4.1, RFC 8725 §3.5: RSA of 1024 bits, and a secret that everybody can read."""
    weak = rsa_key(0, 1024).named("weak")
    secret = b"published-secret-published-secret"
    world.op.jwks["keys"] = [
        OURS.jwk(),
        weak.jwk(),
        {"kty": "oct", "kid": "oct", "k": b64url(secret), "alg": "HS256"},
    ]
    for forgery in (re_signed(weak, "RS256"), lambda claims: mac(claims, secret, kid="oct")):
        attempt, query = await world.begin()
        claims = {
            "iss": world.op.issuer,
            "sub": "alice",
            "aud": "spa",
            "exp": NOW + 300,
            "iat": NOW,
            "nonce": attempt.nonce,
        }
        world.op.token_response["id_token"] = forgery(claims)
        with pytest.raises(TokenRejected):
            await world.rp.redeem(world.code(query, attempt), attempt)
