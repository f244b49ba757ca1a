"""What the operator's `[tokens]` ask beyond the specifications: refused or told, and the rule named."""

import pytest

from bff.errors import LogoutTokenRejected, TokenRejected
from bff.oidc.jose import build_verification_key, is_strong
from bff.oidc.operator_rules import refresh_token_lives_for
from bff.oidc.rules import TokenRules, rule_of
from tests.forging import REMOVED, ec_key, ed_key, mac, rsa_key
from tests.neg_op import NegOp
from tests.oidc_world import API, NOW, make_world

# (rules, what is bent, the token that breaks the rule, the rule's name, the reason)
BROKEN = [
    pytest.param(
        {"max_id_token_lifetime": 200},
        {},
        "id_token",
        "max_id_token_lifetime",
        "lifetime_exceeded",
        id="ID token too long (RFC 9700 §2.2)",
    ),
    pytest.param(
        {"required_id_token_claims": ("sub", "acr")},
        {"id_token": {"acr": REMOVED}},
        "id_token",
        "required_id_token_claims",
        "claim_missing",
        id="claim missing in the ID token",
    ),
    pytest.param(
        {"required_access_token_claims": ("department",)},
        {},
        "access_token",
        "required_access_token_claims",
        "claim_missing",
        id="claim missing in the access token",
    ),
    pytest.param(
        {"access_token_type": "at+jwt"},
        {"access_token_header": {"typ": "JWT"}},
        "access_token",
        "access_token_type",
        "not_at_jwt",
        id="typ at+jwt (RFC 9068 §2.1)",
    ),
    pytest.param(
        {"allow_opaque_access_tokens": False},
        {"jwt_access_tokens": False},
        "access_token",
        "allow_opaque_access_tokens",
        "opaque",
        id="opaque tokens",
    ),
    pytest.param(
        {"min_rsa_bits": 3072},
        {},
        "id_token",
        "min_rsa_bits or curves",
        "weak_key",
        id="RSA key too small (RFC 8725 §3.5)",
    ),
    pytest.param(
        {"max_refresh_token_lifetime": 3600},
        {"token_response": {"refresh_expires_in": 86400}},
        "refresh_token",
        "max_refresh_token_lifetime",
        "lifetime_exceeded",
        id="refresh token too long, as Keycloak tells it (RFC 9700 §4.14)",
    ),
    pytest.param(
        {"max_refresh_token_lifetime": 3600},
        {"token_response": {"refresh_expires_in": 0}},
        "refresh_token",
        "max_refresh_token_lifetime",
        "lifetime_exceeded",
        id="refresh token without an end",
    ),
    pytest.param(
        {},
        {"access_token": {"iss": "https://other.test"}},
        "access_token",
        "trusted_issuers",
        "iss_mismatch",
        id="issuer not trusted (RFC 9068 §4)",
    ),
]


def bent(changes):
    op = NegOp()
    for name, change in changes.items():
        setattr(op, name, change)
    return op


@pytest.mark.parametrize(("rules", "bend", "token", "rule", "reason"), BROKEN)
async def test_a_token_that_breaks_a_rule_is_refused_and_the_rule_named(rules, bend, token, rule, reason):
    """The login fails, the error says which token and why, and the event names the key of the configuration."""
    world = make_world(bent(bend), rules=TokenRules(access_token_audience=(API,), clock_skew=30, **rules))
    with pytest.raises(TokenRejected) as caught:
        await world.login()

    assert {"token": token, "reason": reason} == caught.value.members
    told = {"rule": rule, "token": token, "reason": reason, "outcome": "rejected"}
    assert [told] == world.told("token_rule_violated")
    await world.close()


@pytest.mark.parametrize(("rules", "bend", "token", "rule", "reason"), BROKEN)
async def test_with_warn_the_login_goes_on_and_the_rule_is_named(rules, bend, token, rule, reason):
    """on_violation = "warn": the same event, and nobody is locked out."""
    rules = TokenRules(access_token_audience=(API,), clock_skew=30, warn_only=True, **rules)
    world = make_world(bent(bend), rules=rules)
    await world.login()

    told = {"rule": rule, "token": token, "reason": reason, "outcome": "accepted"}
    assert told in world.told("token_rule_violated")
    await world.close()


async def test_rules_hold_at_every_renewal():
    """A token that was fine at login and is not at renewal ends the session (RFC 9700 §2.2)."""
    world = make_world(rules=TokenRules(access_token_audience=(API,), required_access_token_claims=("jti",)))
    grant = await world.login()
    world.op.access_token["jti"] = REMOVED
    with pytest.raises(TokenRejected):
        await world.rp.renew(grant.tokens, grant.claims)

    assert ["required_access_token_claims"] == [told["rule"] for told in world.told("token_rule_violated")]
    await world.close()


async def test_rules_about_keys_hold_for_logout_tokens():
    """A logout token under a weak key ends nobody's session (OIDC Back-Channel Logout §2.6, RFC 8725 §3.5)."""
    world = make_world(rules=TokenRules(min_rsa_bits=3072, clock_skew=30))
    await world.rp.start()
    token = world.op.logout_token()
    with pytest.raises(LogoutTokenRejected) as caught:
        await world.rp.check_logout_token(token)

    assert "weak_key" == caught.value.reason
    assert ["logout_token"] == [told["token"] for told in world.told("token_rule_violated")]
    await world.close()


async def test_an_issuers_second_name_is_trusted_when_told():
    """Entra's access tokens may bear another `iss` than its ID tokens, under the same keys."""
    rules = TokenRules(access_token_audience=(API,), trusted_issuers=("https://op.test", "https://sts.test"))
    world = make_world(bent({"access_token": {"iss": "https://sts.test"}}), rules=rules)

    assert "https://sts.test" == (await world.login()).access_claims["iss"]
    await world.close()


async def test_a_second_name_is_not_trusted_in_id_tokens():
    """OIDC Core §3.1.3.7 rule 2 knows one issuer."""
    rules = TokenRules(access_token_audience=(API,), trusted_issuers=("https://op.test", "https://sts.test"))
    world = make_world(bent({"id_token": {"iss": "https://sts.test"}}), rules=rules)
    with pytest.raises(TokenRejected):
        await world.login()

    assert ["trusted_issuers"] == [told["rule"] for told in world.told("token_rule_violated")]
    await world.close()


@pytest.mark.parametrize(
    ("key", "bits", "curves", "strong"),
    [
        (rsa_key(), 2048, (), True),
        (rsa_key(), 2049, (), False),
        (ec_key(), 2048, ("P-256",), True),
        (ec_key(alg="ES384"), 2048, ("P-256",), False),
        (ec_key(alg="ES512"), 2048, ("P-521",), True),
        (ed_key(), 2048, ("P-256",), False),
        (ed_key(), 2048, ("Ed25519",), True),
    ],
)
def test_keys_are_as_large_as_demanded_or_on_a_named_curve(key, bits, curves, strong):
    """RFC 8725 §3.5."""
    assert strong == is_strong(build_verification_key(key.jwk()), bits, curves)


@pytest.mark.parametrize(
    ("token", "told", "seconds"),
    [
        (None, 60, None),
        ("opaque", None, None),
        ("opaque", 60, 60),
        ("opaque", 0.0, float("inf")),
        (mac({"exp": NOW + 90}, b"x" * 32), None, 90),
        (mac({"exp": True}, b"x" * 32), None, None),
        (mac({"exp": "soon"}, b"x" * 32), None, None),
        (mac({}, b"x" * 32), None, None),
        ("a.b.c", None, None),
    ],
)
def test_how_long_a_refresh_token_lives_is_known_where_the_issuer_tells(token, told, seconds):
    """Keycloak tells it beside the token and in it; most tell nothing, and nothing is made up."""
    assert seconds == refresh_token_lives_for(token, told, NOW)


def test_every_reason_has_a_rule():
    """What no rule of ours is about belongs to the signature or to the specification."""
    assert ("algorithms", "signature", "specification") == (
        rule_of("algorithm_not_allowed", "id_token"),
        rule_of("bad_signature", "id_token"),
        rule_of("nonce_mismatch", "id_token"),
    )
