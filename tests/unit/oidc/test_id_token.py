"""What an ID token must say, rule by rule."""

import math
from dataclasses import replace

import pytest

from bff.oidc.attempt import LoginAttempt
from bff.oidc.client import Client
from bff.oidc.id_token import check_login_id_token, check_renewed_id_token, hash_of_access_token
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.quirks import quirks_for
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, at_hash, changed

NOW = 1_800_000_000.0
SKEW = 30.0
ISSUER = "https://op.test"
ACCESS_TOKEN = "the.access.token"
CLIENT = Client(ISSUER, "spa", "https://app.test/cb", "https://app.test/", client_secret="s")
RULES = TokenRules(clock_skew=SKEW)
ATTEMPT = LoginAttempt("state", "the-nonce", "v" * 43, "/", ISSUER, NOW - 60)
CLAIMS = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": "spa",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "the-nonce",
    "auth_time": NOW - 10,
}


def token(claims: dict, typ: str | None = "jwt", alg: str = "RS256") -> UnverifiedToken:
    return UnverifiedToken("", alg, None, typ, claims)


def login(
    changes: dict, *, attempt: LoginAttempt = ATTEMPT, provider: str = "generic", **header: str | None
) -> dict:
    return dict(
        check_login_id_token(
            token(changed(CLAIMS, changes), **header),
            attempt,
            ACCESS_TOKEN,
            client=CLIENT,
            rules=RULES,
            quirks=quirks_for(provider),
            now=NOW,
        )
    )


def renewal(changes: dict, previous: dict | None = None, *, provider: str = "generic") -> dict:
    return dict(
        check_renewed_id_token(
            token(changed(CLAIMS, {"nonce": REMOVED, **changes})),
            CLAIMS if previous is None else previous,
            ACCESS_TOKEN,
            client=CLIENT,
            rules=RULES,
            quirks=quirks_for(provider),
            now=NOW,
        )
    )


def fault(check, *args: object, **options: object) -> str:
    with pytest.raises(TokenFault) as caught:
        check(*args, **options)
    return caught.value.reason


def test_an_honest_token_passes_with_all_its_claims():
    """OIDC Core §3.1.3.7; claims that we do not know are kept (§5.1.2)."""
    assert {**CLAIMS, "x": [1]} == login({"x": [1]})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # §2: the claims that are REQUIRED
        ({"iss": REMOVED}, "iss_missing"),
        ({"sub": REMOVED}, "sub_missing"),
        ({"aud": REMOVED}, "aud_missing"),
        ({"exp": REMOVED}, "exp_missing"),
        ({"iat": REMOVED}, "iat_missing"),
        # §3.1.3.7 rule 2: the issuer, exactly
        ({"iss": "https://op.test/"}, "iss_mismatch"),
        ({"iss": "https://OP.test"}, "iss_mismatch"),
        ({"iss": "https://op.test:443"}, "iss_mismatch"),
        ({"iss": "https://user@op.test"}, "iss_mismatch"),
        ({"iss": ["https://op.test"]}, "iss_mismatch"),
        ({"iss": None}, "iss_mismatch"),
        # rule 3: for us, and for nobody whom we do not know of
        ({"aud": "other"}, "aud_mismatch"),
        ({"aud": ["other"]}, "aud_mismatch"),
        ({"aud": "spa "}, "aud_mismatch"),
        ({"aud": []}, "aud_malformed"),
        ({"aud": {"spa": 1}}, "aud_malformed"),
        ({"aud": 7}, "aud_malformed"),
        ({"aud": ["spa", 7]}, "aud_malformed"),
        ({"aud": [["spa"]]}, "aud_malformed"),
        ({"aud": ["spa"] * 101}, "aud_malformed"),
        ({"aud": ["spa", "other"]}, "aud_untrusted"),
        # rules 4 and 5: the authorized party
        ({"azp": "other"}, "azp_mismatch"),
        ({"aud": ["spa", "other"], "azp": "other"}, "azp_mismatch"),
        ({"azp": None}, "azp_mismatch"),
        ({"azp": ["spa"]}, "azp_mismatch"),
        # rule 9: not expired; to the second
        ({"exp": NOW - SKEW}, "expired"),
        ({"exp": NOW - 300}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "exp_malformed"),
        ({"exp": str(NOW + 300)}, "exp_malformed"),
        ({"exp": True}, "exp_malformed"),
        ({"exp": None}, "exp_malformed"),
        ({"exp": [NOW]}, "exp_malformed"),
        ({"exp": 1e300}, "exp_malformed"),
        ({"exp": 10**400}, "exp_malformed"),
        ({"exp": math.inf}, "exp_malformed"),
        ({"exp": math.nan}, "exp_malformed"),
        # rule 10: issued now
        ({"iat": NOW + SKEW + 1}, "iat_in_future"),
        ({"iat": NOW + 3600}, "iat_in_future"),
        ({"iat": NOW - 600 - SKEW - 1}, "iat_too_old"),
        ({"iat": NOW - 7 * 86400}, "iat_too_old"),
        ({"iat": "now"}, "iat_malformed"),
        # RFC 7519 §4.1.5
        ({"nbf": NOW + SKEW + 1}, "not_yet_valid"),
        ({"nbf": "soon"}, "nbf_malformed"),
        # rule 11: of this login
        ({"nonce": REMOVED}, "nonce_missing"),
        ({"nonce": "other"}, "nonce_mismatch"),
        ({"nonce": "the-nonce "}, "nonce_mismatch"),
        ({"nonce": None}, "nonce_mismatch"),
        ({"nonce": ["the-nonce"]}, "nonce_mismatch"),
        ({"nonce": 7}, "nonce_mismatch"),
        # §2: sub is 1 to 255 ASCII characters
        ({"sub": ""}, "sub_malformed"),
        ({"sub": "a" * 256}, "sub_malformed"),
        ({"sub": "älice"}, "sub_malformed"),
        ({"sub": "a\nb"}, "sub_malformed"),
        ({"sub": 7}, "sub_malformed"),
        ({"sub": None}, "sub_malformed"),
        ({"sub": {"a": 1}}, "sub_malformed"),
        # §3.1.3.8: bound to the access token
        ({"at_hash": "AAAA"}, "at_hash_mismatch"),
        ({"at_hash": at_hash("another.token", "RS256")}, "at_hash_mismatch"),
        ({"at_hash": at_hash(ACCESS_TOKEN, "ES512")}, "at_hash_mismatch"),
        ({"at_hash": None}, "at_hash_mismatch"),
        ({"at_hash": 7}, "at_hash_mismatch"),
        # RFC 8725 §3.12, RFC 8417: a security event is no ID token
        ({"events": {}}, "wrong_type"),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(changes, reason):
    """OIDC Core §2, §3.1.3.7, §3.1.3.8, each rule by itself."""
    assert reason == fault(login, changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["spa"]},
        {"azp": "spa"},
        {"aud": ["other", "spa"], "azp": "spa"},
        {"exp": NOW - SKEW + 1},
        {"exp": NOW + 0.5},
        {"iat": NOW + SKEW},
        {"iat": NOW - 600 - SKEW},
        {"nbf": NOW + SKEW},
        {"sub": "a" * 255},
        {"at_hash": at_hash(ACCESS_TOKEN, "RS256")},
        {"auth_time": REMOVED},
        {"acr": 7},
    ],
)
def test_a_token_at_the_edge_of_the_rules_passes(changes):
    """OIDC Core §3.1.3.7: the bounds are exact, and skew is not more than was configured."""
    assert changed(CLAIMS, changes) == login(changes)


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt", ""])
def test_another_kind_of_token_is_no_id_token(typ):
    """RFC 8725 §3.11: explicit types exclude one another."""
    assert "wrong_type" == fault(login, {}, typ=typ)


@pytest.mark.parametrize("typ", [None, "jwt"])
def test_an_id_token_may_say_jwt_or_nothing(typ):
    """RFC 7519 §5.1."""
    assert CLAIMS == login({}, typ=typ)


@pytest.mark.parametrize("alg", ["RS256", "PS384", "ES512", "EdDSA"])
def test_at_hash_follows_the_algorithm(alg):
    """OIDC Core §3.1.3.6: the hash of the signature's own size; SHA-512 for Ed25519 (RFC 8032 §5.1)."""
    assert at_hash(ACCESS_TOKEN, alg) == hash_of_access_token(ACCESS_TOKEN, alg)
    assert {"at_hash"} <= login({"at_hash": at_hash(ACCESS_TOKEN, alg)}, alg=alg).keys()


def test_at_hash_of_the_example():
    """OpenID Connect Core, appendix A.3: the example's own figures."""
    assert "77QmUPtjPfzWtF2AnpK9RQ" == hash_of_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256")


@pytest.mark.parametrize(
    ("max_age", "auth_time", "reason"),
    [
        (300, REMOVED, "auth_time_missing"),
        (300, "yesterday", "auth_time_malformed"),
        (300, ATTEMPT.started_at - 300 - SKEW - 1, "auth_time_too_old"),
        (0, ATTEMPT.started_at - SKEW - 1, "auth_time_too_old"),
        (300, ATTEMPT.started_at - 300 - SKEW, None),
        (0, NOW - 50, None),
    ],
)
def test_auth_time_is_held_to_the_max_age_that_was_asked_for(max_age, auth_time, reason):
    """OIDC Core §3.1.3.7 rule 13, RFC 9470 §4."""
    attempt = replace(ATTEMPT, max_age=max_age)
    if reason is None:
        assert auth_time == login({"auth_time": auth_time}, attempt=attempt)["auth_time"]
    else:
        assert reason == fault(login, {"auth_time": auth_time}, attempt=attempt)


@pytest.mark.parametrize(
    ("acr", "fine"), [("gold", True), ("silver", True), ("bronze", False), (REMOVED, False), (7, False)]
)
def test_acr_is_one_of_those_asked_for(acr, fine):
    """OIDC Core §3.1.3.7 rule 12."""
    attempt = replace(ATTEMPT, acr_values="gold silver")
    if fine:
        assert acr == login({"acr": acr}, attempt=attempt)["acr"]
    else:
        assert "acr_mismatch" == fault(login, {"acr": acr}, attempt=attempt)


@pytest.mark.parametrize(
    ("provider", "marker"),
    [("keycloak", {"typ": "Bearer"}), ("keycloak", {"typ": "Refresh"}), ("cognito", {"token_use": "access"})],
)
def test_a_providers_own_mark_of_another_kind_is_believed(provider, marker):
    """RFC 8725 §3.12: rules of validation exclude one another where the header does not."""
    assert "wrong_type" == fault(login, marker, provider=provider)


# ── renewal ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "previous", "reason"),
    [
        ({"iss": "https://evil.test"}, {}, "iss_mismatch"),
        ({"sub": "bob"}, {}, "sub_changed"),
        ({"sub": REMOVED}, {}, "sub_missing"),
        ({}, {"sub": REMOVED}, "sub_changed"),
        ({"aud": "other"}, {}, "aud_mismatch"),
        ({"aud": "spa"}, {"aud": ["spa", "api"], "azp": "spa"}, "aud_changed"),
        ({"azp": "other"}, {}, "azp_mismatch"),
        ({"nonce": "other"}, {}, "nonce_changed"),
        ({"nonce": "the-nonce"}, {"nonce": REMOVED}, "nonce_changed"),
        ({"iat": NOW - 86400}, {}, "iat_too_old"),
        ({"exp": NOW - 300}, {}, "expired"),
        ({"auth_time": NOW - 20}, {}, "auth_time_changed"),
        ({"auth_time": NOW - 5}, {}, "auth_time_changed"),
        ({"auth_time": NOW + SKEW + 1}, {"auth_time": REMOVED}, "auth_time_in_future"),
        ({"auth_time": "x"}, {}, "auth_time_malformed"),
        ({"at_hash": at_hash("another.token", "RS256")}, {}, "at_hash_mismatch"),
        ({"events": {"x": {}}}, {}, "wrong_type"),
    ],
)
def test_a_renewal_must_be_about_the_same_person_and_login(changes, previous, reason):
    """OIDC Core §12.2, each rule by itself."""
    assert reason == fault(renewal, changes, changed(CLAIMS, previous))


def test_a_renewal_keeps_what_the_issuer_leaves_out():
    """OIDC Core §12.2: a nonce need not come again; it and `sid` stay what later renewals and logouts go by."""
    previous = {**CLAIMS, "sid": "s1", "name": "Alice"}

    claims = renewal({"auth_time": REMOVED, "name": "Alicia"}, previous)

    assert ("the-nonce", NOW - 10, "s1", "Alicia") == tuple(
        claims[n] for n in ("nonce", "auth_time", "sid", "name")
    )


def test_a_renewal_does_not_keep_what_was_taken_away():
    """A role that is gone from the new token is gone."""
    assert "roles" not in renewal({}, {**CLAIMS, "roles": ["admin"]})


@pytest.mark.parametrize(
    "changes", [{"nonce": "the-nonce"}, {"auth_time": NOW - 10}, {"aud": ["spa", "api"], "azp": "spa"}]
)
def test_a_renewal_may_repeat_or_add(changes):
    """OIDC Core §12.2: the same nonce, the same auth_time, the original audience among others."""
    assert changed(CLAIMS, changes) == renewal(changes)


def test_a_renewal_may_be_the_first_to_say_when_the_person_signed_in():
    """OIDC Core §12.2: `auth_time` is held to an earlier one where there is an earlier one."""
    previous = {name: value for name, value in CLAIMS.items() if name != "auth_time"}

    assert NOW - 10 == renewal({"auth_time": NOW - 10}, previous)["auth_time"]


def test_keycloak_may_show_a_later_sign_in_but_no_earlier_one():
    """Its auth_time is the browser session's, which another client's prompt=login moves."""
    assert NOW - 5 == renewal({"auth_time": NOW - 5}, provider="keycloak")["auth_time"]
    assert "auth_time_changed" == fault(renewal, {"auth_time": NOW - 20}, provider="keycloak")
