"""What a logout token must say, rule by rule."""

import pytest

from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.logout_token import EVENT, LogoutNotice, check_logout_token
from bff.oidc.rules import TokenRules
from tests.forging import REMOVED, changed

NOW = 1_800_000_000.0
CLIENT = Client("https://op.test", "spa", "https://app.test/cb", "https://app.test/", client_secret="s")
CLAIMS = {
    "iss": "https://op.test",
    "aud": "spa",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "j1",
    "sub": "alice",
    "sid": "s1",
    "events": {EVENT: {}},
}


def check(changes: dict, typ: str | None = "logout+jwt") -> LogoutNotice:
    token = UnverifiedToken("", "RS256", None, typ, changed(CLAIMS, changes))
    return check_logout_token(token, client=CLIENT, rules=TokenRules(clock_skew=30), now=NOW)


@pytest.mark.parametrize("typ", ["logout+jwt", "jwt", None])
def test_an_honest_token_passes(typ):
    """OIDC Back-Channel Logout §2.4: `logout+jwt` is recommended, untyped ones are common."""
    assert LogoutNotice("https://op.test", "alice", "s1", "j1", NOW, NOW + 120) == check({}, typ)


@pytest.mark.parametrize(
    ("changes", "sub", "sid"),
    [({"sid": REMOVED}, "alice", None), ({"sub": REMOVED}, None, "s1"), ({"sid": None}, "alice", None)],
)
def test_a_person_or_a_session_is_enough(changes, sub, sid):
    """OIDC Back-Channel Logout §2.6 rule 5."""
    notice = check(changes)

    assert (sub, sid) == (notice.sub, notice.sid)


def test_what_we_do_not_know_is_ignored():
    """OIDC Back-Channel Logout §2.5: further claims, further events, members of the event."""
    assert "j1" == check({"x": 1, "events": {EVENT: {"y": 2}, "https://z.test": {}}}).jti


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": REMOVED}, "iss_missing"),
        ({"iss": "https://evil.test"}, "iss_mismatch"),
        ({"aud": REMOVED}, "aud_missing"),
        ({"aud": "other"}, "aud_mismatch"),
        ({"aud": ["spa", "other"]}, "aud_untrusted"),
        ({"iat": REMOVED}, "iat_missing"),
        ({"iat": NOW + 31}, "iat_in_future"),
        ({"iat": NOW - 631}, "iat_too_old"),
        ({"exp": REMOVED}, "exp_missing"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": True}, "exp_malformed"),
        ({"nbf": NOW + 31}, "not_yet_valid"),
        ({"jti": REMOVED}, "jti_missing"),
        ({"jti": None}, "jti_missing"),
        ({"jti": ""}, "jti_malformed"),
        ({"jti": 7}, "jti_malformed"),
        ({"jti": "j" * 256}, "jti_malformed"),
        ({"sub": REMOVED, "sid": REMOVED}, "sub_and_sid_missing"),
        ({"sub": ""}, "sub_malformed"),
        ({"sub": None}, "sub_malformed"),
        ({"sub": ["alice"]}, "sub_malformed"),
        ({"sid": ""}, "sid_malformed"),
        ({"sid": 7}, "sid_malformed"),
        ({"sid": "s" * 256}, "sid_malformed"),
        ({"events": REMOVED}, "events_missing"),
        ({"events": {}}, "event_missing"),
        ({"events": {"https://other.test": {}}}, "event_missing"),
        ({"events": EVENT}, "events_malformed"),
        ({"events": [EVENT]}, "events_malformed"),
        ({"events": {EVENT: "x"}}, "events_malformed"),
        ({"events": {EVENT: []}}, "events_malformed"),
        ({"events": {EVENT: None}}, "events_malformed"),
        ({"nonce": "n"}, "nonce_present"),
        ({"nonce": None}, "nonce_present"),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(changes, reason):
    """OIDC Back-Channel Logout §2.6, each rule by itself."""
    with pytest.raises(TokenFault) as caught:
        check(changes)

    assert reason == caught.value.reason


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "dpop+jwt", "id_token+jwt"])
def test_another_kind_of_token_is_no_logout_token(typ):
    """RFC 8725 §3.11."""
    with pytest.raises(TokenFault, match="wrong_type"):
        check({}, typ)
