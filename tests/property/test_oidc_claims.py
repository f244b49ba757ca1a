"""Whatever a token says, in whatever shape: it passes, or it is refused by name. Nothing else happens."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bff.oidc.access_token import check_access_token, is_bearer_token
from bff.oidc.attempt import LoginAttempt
from bff.oidc.client import Client
from bff.oidc.id_token import check_login_id_token, check_renewed_id_token
from bff.oidc.jose import TokenFault, UnverifiedToken, build_verification_key, looks_like_jwt, parse_token
from bff.oidc.logout_token import check_logout_token
from bff.oidc.quirks import quirks_for
from bff.oidc.rules import SIGNATURE_ALGORITHMS, TokenRules
from bff.oidc.strict_json import parse_json_object
from bff.oidc.userinfo import check_signed_userinfo, check_userinfo
from tests.forging import b64url, ed_key

NOW = 1_800_000_000.0
CLIENT = Client("https://op.test", "spa", "https://app.test/cb", "https://app.test/", client_secret="s")
RULES = TokenRules(access_token_audience=("https://api.test",))
GENERIC, KEYCLOAK = quirks_for("generic"), quirks_for("keycloak")
ATTEMPT = LoginAttempt("state", "nonce", "v" * 43, "/", "https://op.test", NOW, max_age=60, acr_values="gold")

NAMES = [
    *(
        "iss",
        "sub",
        "aud",
        "azp",
        "exp",
        "iat",
        "nbf",
        "nonce",
        "at_hash",
        "auth_time",
        "acr",
        "sid",
        "jti",
        "events",
    ),
    *("typ", "token_use", "c_hash", "client_id"),
]
GOOD: dict[str, Any] = {
    "iss": "https://op.test",
    "sub": "alice",
    "aud": ["spa", "https://api.test"],
    "azp": "spa",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "nonce",
    "auth_time": NOW,
    "acr": "gold",
    "jti": "j",
    "sid": "s",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}

numbers = st.one_of(
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([NOW, NOW + 30, NOW - 30, 10**400, -1, 0, 1e300]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20), st.sampled_from([*GOOD.values()])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


def claims_like(*left_out: str) -> st.SearchStrategy[dict[str, Any]]:
    """Claims of any shape, and claims that are right but for one or two: those that pass are reached as well."""
    right = {name: value for name, value in GOOD.items() if name not in left_out}
    bent = st.dictionaries(st.sampled_from(NAMES), values, max_size=2).map(lambda bend: {**right, **bend})
    return st.one_of(st.just(right), bent, st.dictionaries(st.sampled_from(NAMES), values))


types = st.sampled_from([None, "jwt", "at+jwt", "logout+jwt", "userinfo+jwt", "x"])
algorithms = st.sampled_from(sorted(SIGNATURE_ALGORITHMS))
json_texts = values.map(lambda value: json.dumps(value).encode())


def token(claims: dict[str, Any], typ: str | None, alg: str = "RS256") -> UnverifiedToken:
    return UnverifiedToken("", alg, None, typ, claims)


@given(claims_like("events"), types, algorithms)
def test_no_claims_of_an_id_token_do_anything_but_pass_or_be_refused(claims, typ, alg):
    """OIDC Core §3.1.3.7, §12.2: an accepted token has the right issuer, audience, nonce and times."""
    for quirks in (GENERIC, KEYCLOAK):
        options = {"client": CLIENT, "rules": RULES, "quirks": quirks, "now": NOW}
        try:
            accepted = check_login_id_token(token(claims, typ, alg), ATTEMPT, "at", **options)
        except TokenFault:
            pass
        else:
            assert ("https://op.test", "nonce", "gold") == (accepted["iss"], accepted["nonce"], accepted["acr"])
            assert "spa" == accepted["aud"] or "spa" in accepted["aud"]
            assert NOW - 30 < accepted["exp"] < 1e12
            assert 1 <= len(accepted["sub"]) <= 255
            assert "events" not in accepted
        for previous in (GOOD, claims):
            try:
                renewed = check_renewed_id_token(token(claims, typ, alg), previous, "at", **options)
            except TokenFault:
                continue
            assert previous["sub"] == renewed["sub"]


@given(claims_like("events", "nonce"), types)
def test_no_claims_of_an_access_token_do_anything_but_pass_or_be_refused(claims, typ):
    """RFC 9068 §4."""
    for quirks in (GENERIC, KEYCLOAK, quirks_for("cognito")):
        try:
            accepted = check_access_token(token(claims, typ), client=CLIENT, rules=RULES, quirks=quirks, now=NOW)
        except TokenFault:
            continue
        assert "https://op.test" == accepted["iss"]
        assert NOW - 30 < accepted["exp"] < 1e12


@given(claims_like("nonce"), types)
def test_no_claims_of_a_logout_token_do_anything_but_pass_or_be_refused(claims, typ):
    """OIDC Back-Channel Logout §2.6: whoever is named is named by a string."""
    try:
        notice = check_logout_token(token(claims, typ), client=CLIENT, rules=RULES, now=NOW)
    except TokenFault:
        return
    assert notice.sub or notice.sid
    assert "nonce" not in claims
    assert isinstance(notice.jti, str)


@given(claims_like("events"), types)
def test_no_claims_of_userinfo_do_anything_but_pass_or_be_refused(claims, typ):
    """OIDC Core §5.3.2."""
    try:
        check_signed_userinfo(token(claims, typ), CLIENT, RULES, NOW)
        assert "alice" == check_userinfo(claims, "alice")["sub"]
    except TokenFault:
        pass


@given(st.one_of(st.binary(max_size=200), json_texts, st.text(max_size=50).map(lambda text: text.encode("utf-8"))))
def test_any_bytes_are_a_json_object_or_refused(text):
    """RFC 8259: what is accepted can be written again."""
    try:
        value = parse_json_object(text)
    except ValueError:
        return
    assert isinstance(value, dict)
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def test_right_claims_pass():
    """So that the tests above do not refuse everything."""
    options = {"client": CLIENT, "rules": RULES, "now": NOW}
    right = {name: value for name, value in GOOD.items() if name != "events"}
    assert right == check_login_id_token(token(right, "jwt"), ATTEMPT, "at", quirks=GENERIC, **options)
    assert right == check_renewed_id_token(token(right, "jwt"), right, "at", quirks=GENERIC, **options)
    assert right == check_access_token(token(right, "at+jwt"), quirks=GENERIC, **options)
    without_nonce = {name: value for name, value in GOOD.items() if name != "nonce"}
    assert "alice" == check_logout_token(token(without_nonce, "logout+jwt"), **options).sub


segments = st.one_of(st.text(max_size=20), st.binary(max_size=30).map(b64url), json_texts.map(b64url))


@given(st.one_of(st.text(max_size=60), st.lists(segments, max_size=6).map(".".join)))
def test_any_text_is_a_token_or_refused(raw):
    """RFC 7515 §5.2: whatever is posted to the logout endpoint."""
    looks_like_jwt(raw)
    is_bearer_token(raw)
    try:
        parsed = parse_token(raw, SIGNATURE_ALGORITHMS, 65536)
    except TokenFault:
        return
    assert parsed.alg in SIGNATURE_ALGORITHMS


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku"]), values),
    st.dictionaries(st.sampled_from(NAMES), values),
)
def test_any_header_is_taken_apart_or_refused(header, claims):
    """RFC 7515 §4: header parameters of any shape."""
    raw = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims)) + ".AA"
    try:
        parsed = parse_token(raw, SIGNATURE_ALGORITHMS, 65536)
    except TokenFault:
        return
    assert isinstance(parsed.kid, str | None)
    assert "crit" not in header


KEY = ed_key(0).jwk()


@given(
    st.one_of(
        values,
        st.dictionaries(
            st.sampled_from(["kty", "crv", "n", "e", "x", "y", "k", "alg", "use", "kid", "key_ops"]), values
        ),
        st.dictionaries(st.sampled_from(list(KEY)), values, max_size=2).map(lambda bend: {**KEY, **bend}),
        st.tuples(st.binary(min_size=250, max_size=260), st.binary(max_size=10)).map(
            lambda pair: {"kty": "RSA", "n": b64url(pair[0]), "e": b64url(pair[1])}
        ),
        st.tuples(st.binary(min_size=30, max_size=34), st.binary(min_size=30, max_size=34)).map(
            lambda pair: {"kty": "EC", "crv": "P-256", "x": b64url(pair[0]), "y": b64url(pair[1])}
        ),
    )
)
def test_any_jwk_is_a_key_or_left_out(jwk):
    """RFC 7517 §5: a broken key spoils nothing."""
    key = build_verification_key(jwk)

    assert key is None or key.algorithms <= SIGNATURE_ALGORITHMS
