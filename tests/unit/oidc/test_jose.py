"""Signed tokens: taking them apart, checking and making signatures."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bff.oidc.jose import (
    TokenFault,
    build_signed_token,
    build_verification_key,
    check_signature,
    load_signing_key,
    looks_like_jwt,
    parse_token,
)
from bff.oidc.rules import SIGNATURE_ALGORITHMS
from tests.forging import REMOVED, Key, b64url, ec_key, ed_key, forge, rsa_key, signed, unsigned

CLAIMS = {"iss": "https://op.test", "sub": "alice"}
KEYS = [
    rsa_key(),
    rsa_key().using("RS512"),
    rsa_key().using("PS256"),
    rsa_key().using("PS384"),
    ec_key(),
    ec_key(0, "ES384"),
    ec_key(0, "ES512"),
    ed_key(),
]


def fault(raw: str, max_size: int = 65536) -> str:
    with pytest.raises(TokenFault) as caught:
        parse_token(raw, SIGNATURE_ALGORITHMS, max_size)
    return caught.value.reason


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alg)
def test_a_signature_of_each_algorithm_is_recognised(key: Key):
    """RFC 7518 §3, RFC 8037 §3.1: the public-key signatures that can be allowed."""
    token = parse_token(signed(CLAIMS, key), SIGNATURE_ALGORITHMS, 65536)

    check_signature(token, [build_verification_key(key.jwk())], ["iss", "sub"])

    assert (CLAIMS, key.alg, key.kid, "jwt") == (token.claims, token.alg, token.kid, token.typ)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alg)
def test_a_changed_signature_or_message_is_recognised(key: Key):
    """OIDC Core §3.1.3.7 rule 6: checked on every token, though it came over TLS."""
    header, _, signature = signed(CLAIMS, key).split(".")
    other = b64url(json.dumps({**CLAIMS, "sub": "mallory"}).encode())
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    body = signed(CLAIMS, key).split(".")[1]

    for raw in (f"{header}.{other}.{signature}", f"{header}.{body}.{flipped}"):
        token = parse_token(raw, SIGNATURE_ALGORITHMS, 65536)
        with pytest.raises(TokenFault, match="bad_signature"):
            check_signature(token, [build_verification_key(key.jwk())], [])


def test_every_candidate_is_tried():
    """OIDC Core §10.1: without a `kid`, all fitting keys."""
    token = parse_token(signed(CLAIMS, rsa_key(1), kid=REMOVED), SIGNATURE_ALGORITHMS, 65536)
    keys = [build_verification_key(key.jwk()) for key in (ec_key(), rsa_key(0), rsa_key(1))]

    check_signature(token, keys, [])

    with pytest.raises(TokenFault, match="bad_signature"):
        check_signature(token, keys[:2], [])
    with pytest.raises(TokenFault, match="bad_signature"):
        check_signature(token, [], [])


def test_a_required_claim_is_missed():
    """RFC 8725 §3.8 to §3.10: a claim that is not there cannot be right."""
    token = parse_token(signed(CLAIMS, rsa_key()), SIGNATURE_ALGORITHMS, 65536)
    with pytest.raises(TokenFault, match="jti_missing"):
        check_signature(token, [build_verification_key(rsa_key().jwk())], ["iss", "jti"])


@pytest.mark.parametrize(
    "raw",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        signed(CLAIMS, ed_key()) + "=",
        signed(CLAIMS, ed_key()) + "\n",
        " " + signed(CLAIMS, ed_key()),
        signed(CLAIMS, ed_key()).replace(".", ".."),
        signed(CLAIMS, ed_key())[:-1] + "é",
        signed(b"[]", ed_key()),
        signed(b'"text"', ed_key()),
        signed(b"{", ed_key()),
        signed(b'{"sub":"alice","sub":"mallory"}', ed_key()),
        signed(b'\xef\xbb\xbf{"sub":"alice"}', ed_key()),
        signed(b'{"sub":"\xff"}', ed_key()),
        signed(b'{"sub":"\\ud800"}', ed_key()),
        signed(b'{"exp":NaN}', ed_key()),
        forge(b"[]", CLAIMS, ed_key()),
        forge(b'{"alg":"EdDSA","alg":"none"}', CLAIMS, ed_key()),
        forge({}, CLAIMS, ed_key()),
        forge({"alg": 7}, CLAIMS, ed_key()),
        forge({"alg": None}, CLAIMS, ed_key()),
        forge({"alg": ["EdDSA"]}, CLAIMS, ed_key()),
        signed(CLAIMS, ed_key(), kid=7),
        signed(CLAIMS, ed_key(), kid={"a": 1}),
        signed(CLAIMS, ed_key(), kid="k" * 257),
        signed(CLAIMS, ed_key(), typ=7),
        signed(CLAIMS, ed_key(), b64=False),
        unsigned(CLAIMS),
        unsigned(CLAIMS, alg="EdDSA").rpartition(".")[0] + ".AB",
    ],
    ids=range(33),
)
def test_what_is_no_token_in_its_one_spelling_is_refused(raw):
    """RFC 7515 §5.2, RFC 8725 §2.4: structure is checked before any cryptography."""
    assert "malformed" == fault(raw)


@pytest.mark.parametrize("alg", ["none", "nOnE", "None", "", "HS256", "RSA1_5", "rs256", "RS256 ", "ES256K"])
def test_an_algorithm_that_is_not_allowed_is_refused_by_name(alg):
    """RFC 8725 §3.1, §3.2."""
    assert "algorithm_not_allowed" == fault(unsigned(CLAIMS, alg=alg, signature=b"x"))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", None, ["http://x.test/ext"]])
def test_a_critical_extension_is_refused(crit):
    """RFC 7515 §4.1.11: we understand none."""
    assert "critical_extension" == fault(signed(CLAIMS, ed_key(), crit=crit))


def test_a_token_beyond_its_size_is_not_looked_at():
    """RFC 8725 §3.10: bounded before it is decoded."""
    raw = signed(CLAIMS, ed_key())

    assert "too_large" == fault(raw, len(raw) - 1)
    assert CLAIMS == parse_token(raw, SIGNATURE_ALGORITHMS, len(raw)).claims


@pytest.mark.parametrize(
    ("typ", "expected"), [("at+jwt", "at+jwt"), ("application/AT+jwt", "at+jwt"), ("JWT", "jwt"), (REMOVED, None)]
)
def test_the_type_is_read_without_case_and_prefix(typ, expected):
    """RFC 7515 §4.1.9."""
    assert expected == parse_token(signed(CLAIMS, ed_key(), typ=typ), SIGNATURE_ALGORITHMS, 65536).typ


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (signed(CLAIMS, ed_key()), True),
        (unsigned(CLAIMS, signature=b"x"), True),
        ("ya29.c.b0Aaek", False),
        ("opaque", False),
        ("a.b.c", False),
        (f"{b64url(b'{}')}.b.c", False),
        (signed(CLAIMS, ed_key()) + ".x.y", False),
        ("", False),
    ],
)
def test_an_opaque_token_is_told_from_a_jwt(raw, expected):
    """RFC 6750: an access token may be anything; some opaque ones have dots."""
    assert expected == looks_like_jwt(raw)


# ── our own keys ─────────────────────────────────────────────────────────────────────────────────────────


def pem(key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (rsa_key(), ("RS256", "PS256")),
        (ec_key(), ("ES256",)),
        (ec_key(0, "ES384"), ("ES384",)),
        (ec_key(0, "ES512"), ("ES512",)),
        (ed_key(), ("EdDSA",)),
    ],
)
def test_a_private_key_signs_what_its_public_half_recognises(key, algorithms):
    """OIDC Core §9, private_key_jwt."""
    signing_key = load_signing_key(key.pem())
    assert algorithms == signing_key.algorithms

    for alg in algorithms:
        raw = build_signed_token(CLAIMS, signing_key, alg, "our-key")
        assert CLAIMS == jwt.decode(raw, key.private.public_key(), algorithms=[alg], options={"require": ["iss"]})
        assert {"alg": alg, "kid": "our-key", "typ": "JWT"} == jwt.get_unverified_header(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(dsa.generate_private_key(key_size=1024)),
        rsa_key().public_pem().decode(),
    ],
    ids=["empty", "text", "broken", "rsa-1024", "secp256k1", "dsa", "public"],
)
def test_a_private_key_that_will_not_do_is_refused_at_once(text):
    """FAPI 2.0 §5.4.1: at start-up, not at the first login."""
    with pytest.raises(ValueError, match="private key"):
        load_signing_key(text)
