"""What a JWT access token must say when an audience is configured."""

import pytest

from bff.oidc.access_token import check_access_token, is_bearer_token, lifetime
from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.quirks import quirks_for
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, changed

NOW = 1_800_000_000.0
CLIENT = Client("https://op.test", "spa", "https://app.test/cb", "https://app.test/", client_secret="s")
RULES = TokenRules(access_token_audience=("https://api.test", "https://api2.test"), clock_skew=30)
CLAIMS = {"iss": "https://op.test", "sub": "alice", "aud": "https://api.test", "exp": NOW + 300, "iat": NOW}


def check(changes: dict, typ: str | None = "at+jwt", provider: str = "generic") -> dict:
    token = UnverifiedToken("", "RS256", None, typ, changed(CLAIMS, changes))
    return dict(check_access_token(token, client=CLIENT, rules=RULES, quirks=quirks_for(provider), now=NOW))


@pytest.mark.parametrize("typ", ["at+jwt", "jwt", None])
def test_an_honest_token_passes(typ):
    """RFC 9068 §2.1; many providers still say JWT or nothing."""
    assert CLAIMS == check({}, typ)


@pytest.mark.parametrize(
    ("changes", "typ", "reason"),
    [
        ({"iss": "https://evil.test"}, "at+jwt", "iss_mismatch"),
        ({"iss": REMOVED}, "at+jwt", "iss_missing"),
        ({"aud": "spa"}, "at+jwt", "aud_mismatch"),
        ({"aud": REMOVED}, "at+jwt", "aud_missing"),
        ({"aud": [7]}, "at+jwt", "aud_malformed"),
        ({"exp": NOW - 30}, "at+jwt", "expired"),
        ({"exp": REMOVED}, "at+jwt", "exp_missing"),
        ({"exp": "x"}, "at+jwt", "exp_malformed"),
        ({"iat": NOW + 31}, "at+jwt", "iat_in_future"),
        ({"iat": "x"}, "at+jwt", "iat_malformed"),
        ({"nbf": NOW + 31}, "at+jwt", "not_yet_valid"),
        ({}, "logout+jwt", "wrong_type"),
        ({}, "dpop+jwt", "wrong_type"),
        ({"at_hash": "x"}, "jwt", "wrong_type"),
        ({"c_hash": "x"}, None, "wrong_type"),
        ({"nonce": "x"}, "jwt", "wrong_type"),
        ({"events": {}}, "jwt", "wrong_type"),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(changes, typ, reason):
    """RFC 9068 §4, RFC 8725 §3.8 to §3.12, each rule by itself."""
    with pytest.raises(TokenFault) as caught:
        check(changes, typ)

    assert reason == caught.value.reason


def test_a_token_need_not_say_when_it_was_issued():
    """RFC 7519 §4.1.6: `iat` is optional in a JWT of no declared type."""
    assert "iat" not in check({"iat": REMOVED}, "jwt")


@pytest.mark.parametrize("aud", ["https://api2.test", ["x", "https://api2.test"]])
def test_any_configured_audience_will_do(aud):
    """RFC 9068 §4: the token is meant for one of our upstreams."""
    assert aud == check({"aud": aud})["aud"]


def test_cognito_names_the_client_where_others_name_an_audience():
    """Its access tokens bear `client_id` and no `aud`."""
    with pytest.raises(TokenFault, match="aud_mismatch"):
        check({"aud": REMOVED, "client_id": "spa"}, provider="cognito")
    assert (
        "https://api.test"
        == check({"aud": REMOVED, "client_id": "https://api.test"}, provider="cognito")["client_id"]
    )


@pytest.mark.parametrize(("provider", "marker"), [("keycloak", {"typ": "ID"}), ("cognito", {"token_use": "id"})])
def test_a_providers_own_mark_of_another_kind_is_believed(provider, marker):
    """RFC 8725 §3.12: an ID token of the same issuer is no access token."""
    with pytest.raises(TokenFault, match="wrong_type"):
        check(marker, "jwt", provider)


@pytest.mark.parametrize(
    ("typ", "provider", "mark"), [("at+jwt", "generic", {}), ("jwt", "keycloak", {"typ": "Bearer"})]
)
def test_a_token_that_says_what_it_is_may_bear_a_nonce(typ, provider, mark):
    """RFC 9068 §2.1; older Keycloak repeats the nonce in its access tokens."""
    assert "n" == check({"nonce": "n", **mark}, typ, provider)["nonce"]


@pytest.mark.parametrize(("changes", "seconds"), [({}, 300), ({"iat": REMOVED}, 300), ({"iat": NOW - 60}, 360)])
def test_a_lifetime_is_counted_from_issue(changes, seconds):
    """RFC 9068 §2.2: `iat` is there as a rule; without it we can only count what is left."""
    assert seconds == lifetime(changed(CLAIMS, changes), NOW)


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        ("abc.DEF-1_2~3+4/5==", True),
        ("a", True),
        ("", False),
        ("a b", False),
        ("a\r\nX-Evil: 1", False),
        ("a\n", False),
        ("a\x00", False),
        ("=a", False),
        ("é", False),
        ("a,b", False),
        ('a"b', False),
        ("a" * 65537, False),
        (7, False),
        (None, False),
    ],
)
def test_only_a_b64token_goes_into_a_header(value, fine):
    """RFC 6750 §2.1: a token that could end or split the header is none."""
    assert fine == is_bearer_token(value)
