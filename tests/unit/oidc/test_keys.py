"""Reading a key set and choosing among its keys."""

import pytest

from bff.errors import MetadataInvalid
from bff.oidc.keys import is_known, parse_jwks, select_keys
from tests.forging import REMOVED, b64url, ec_key, ed_key, rsa_key

RSA, EC, ED = rsa_key(0), ec_key(0), ed_key(0)


def kids(keys) -> list[str | None]:
    return [key.kid for key in keys]


def test_signature_keys_are_read_with_what_they_are_good_for():
    """RFC 7517 §4; RFC 8725 §3.1: the kind, the curve and `alg` say what a key may be used with."""
    document = {
        "keys": [
            RSA.jwk(),
            RSA.jwk(kid="any-rsa", alg=REMOVED),
            EC.jwk(alg=REMOVED),
            ec_key(0, "ES384").jwk(alg=REMOVED),
            ec_key(0, "ES512").jwk(alg=REMOVED),
            ED.jwk(use=REMOVED, key_ops=["verify"]),
        ]
    }

    assert [
        {"RS256"},
        {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        {"ES256"},
        {"ES384"},
        {"ES512"},
        {"EdDSA"},
    ] == [set(key.algorithms) for key in parse_jwks(document)]


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": b64url(b"x" * 32), "kid": "secret", "alg": "HS256"},
        {"kty": "NEW", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": b64url(b"x" * 32)},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519"},
        RSA.jwk(use="enc"),
        RSA.jwk(use=7),
        RSA.jwk(key_ops=["encrypt"]),
        RSA.jwk(key_ops="verify"),
        RSA.jwk(alg="RSA-OAEP"),
        RSA.jwk(alg="HS256"),
        RSA.jwk(alg=7),
        RSA.jwk(alg=["RS256"]),
        RSA.jwk(kid=7),
        RSA.jwk(kid="k" * 257),
        RSA.jwk(e="AQ"),
        RSA.jwk(e=b64url(b"\xff" * 16)),
        RSA.jwk(e="AQAB="),
        RSA.jwk(n=REMOVED),
        RSA.jwk(n=7),
        RSA.jwk(n=b64url(b"\xff" * 128)),
        RSA.jwk(n=b64url(b"\xff" * 2048)),
        RSA.jwk(kty="EC"),
        EC.jwk(crv="P-192"),
        EC.jwk(crv="secp256k1"),
        EC.jwk(crv=["P-256"]),
        EC.jwk(alg="RS256"),
        EC.jwk(x=b64url(b"\x01" * 32)),
        EC.jwk(y=REMOVED),
        None,
        7,
        "key",
        [],
    ],
)
def test_keys_that_we_would_never_use_are_left_out(jwk):
    """RFC 7517 §5, FAPI 2.0 §5.4.1: symmetric, unknown, out of bounds, broken; the others still count."""
    assert [ED.kid] == kids(parse_jwks({"keys": [jwk, ED.jwk()]}))


def test_a_private_key_in_the_set_is_used_as_a_public_one():
    """RFC 7517 §9.1: an issuer that publishes its private key has other problems; we take the public half."""
    private = {"d": b64url(b"\x01" * 256), "p": "AQ", "q": "AQ"}
    (key,) = parse_jwks({"keys": [RSA.jwk(**private)]})

    assert not hasattr(key.public_key, "private_numbers")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": "x"},
        {"keys": []},
        {"keys": [RSA.jwk(use="enc")]},
        {"keys": [ED.jwk()] * 101},
    ],
)
def test_a_set_without_a_usable_key_is_no_key_set(document):
    """OIDC Core §10.1: better the last good set than none; more than a hundred keys are an attack."""
    with pytest.raises(MetadataInvalid):
        parse_jwks(document)


def test_a_hundred_keys_are_not_too_many():
    """The bound is exact."""
    assert 100 == len(parse_jwks({"keys": [ED.jwk()] * 100}))


@pytest.mark.parametrize(
    ("alg", "kid", "expected", "known"),
    [
        ("RS256", "rsa", ["rsa"], True),
        ("ES256", "same", ["same"], True),
        ("EdDSA", "same", ["same"], True),
        ("RS256", None, ["rsa", None], False),
        ("RS256", "new", [None], False),
        ("ES256", "rsa", [], True),
        ("ES512", None, [], False),
        ("RS256", "../../dev/null", [None], False),
        ("RS256", "' OR 1=1 --", [None], False),
    ],
)
def test_a_key_is_chosen_by_name_and_algorithm(alg, kid, expected, known):
    """OIDC Core §10.1, FAPI 2.0 §5.4.3, RFC 8725 §3.10: a `kid` is looked up and nothing else."""
    document = {"keys": [RSA.jwk(kid="rsa"), RSA.jwk(kid=REMOVED), EC.jwk(kid="same"), ED.jwk(kid="same")]}
    keys = parse_jwks(document)

    assert expected == kids(select_keys(keys, alg, kid))
    assert known == is_known(keys, kid)
