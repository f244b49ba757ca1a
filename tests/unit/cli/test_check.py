"""What `bff check` makes of documents, keys, clocks and addresses: pure assessments."""

from dataclasses import replace

import pytest

from bff.cli.checks.issuer import assess_clock, assess_keys, assess_metadata, explain_refusal
from bff.cli.checks.local import check_addresses, check_secrets
from bff.cli.checks.outcome import Outcome, Status, outcome_of
from bff.config import Finding, Secret, Settings, Severity
from bff.config.settings import ClientAuth, KeysSettings, OidcSettings, ServerSettings, TokensSettings
from bff.oidc.jose import VerificationKey
from bff.oidc.metadata import parse_metadata
from tests.forging import ec_key

ISSUER = "https://id.example.com"
SETTINGS = Settings(
    public_url="https://app.example.com",
    oidc=OidcSettings(ISSUER, "spa", Secret("x")),
    keys=KeysSettings((Secret("k"),)),
)
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "end_session_endpoint": f"{ISSUER}/logout",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    "scopes_supported": ["openid", "profile", "offline_access"],
    "backchannel_logout_supported": True,
}


def assess(settings=SETTINGS, **changes):
    """The outcomes for a document with changes; None takes a member away."""
    document = {name: value for name, value in {**DOCUMENT, **changes}.items() if value is not None}
    return assess_metadata(document, parse_metadata(document, ISSUER), settings)


def bad(outcomes):
    return [(outcome.status.value, outcome.message) for outcome in outcomes if outcome.status is not Status.OK]


def with_oidc(**changes):
    return replace(SETTINGS, oidc=replace(SETTINGS.oidc, **changes))


def test_a_good_issuer_gets_only_good_lines():
    """Everything that we use is named, with the URI to register for back-channel logout."""
    assert [
        "https://id.example.com describes itself, with all endpoints that are needed",
        "supports PKCE with S256",
        "takes client_secret_basic from clients",
        "signs ID tokens with RS256, ES256",
        "knows every scope that we ask for",
        "has an end_session endpoint: logging out here logs out there",
        "revokes tokens (RFC 7009)",
        "supports back-channel logout; it must be registered as https://app.example.com/bff/backchannel-logout",
    ] == [outcome.message for outcome in assess() if outcome.status is Status.OK and not outcome.advice]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, ("WARN", "does not say that it supports PKCE with S256")),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_post"]},
            ("FAIL", "takes client_secret_post from clients, not client_secret_basic"),
        ),
        (
            {"id_token_signing_alg_values_supported": ["HS256"]},
            ("FAIL", "signs ID tokens with HS256, and we accept RS256, PS256, ES256, EdDSA"),
        ),
        ({"scopes_supported": ["openid", "profile"]}, ("WARN", "does not list the scope offline_access")),
        (
            {"end_session_endpoint": None},
            ("WARN", "has no end_session endpoint: who logs out here stays logged in there"),
        ),
        (
            {"revocation_endpoint": None},
            ("WARN", "has no revocation endpoint: tokens live on after a logout until they expire"),
        ),
        (
            {"backchannel_logout_supported": None},
            (
                "WARN",
                (
                    "does not say that it supports back-channel logout: "
                    "a logout elsewhere is seen at the next renewal only"
                ),
            ),
        ),
    ],
)
def test_each_lack_is_told(changes, expected):
    """RFC 9700 §2.1.1, RFC 7009, OIDC Back-Channel Logout §2.1: what is missing, and how bad that is."""
    outcomes = assess(**changes)

    assert [expected] == bad(outcomes)
    assert all(outcome.advice for outcome in outcomes if outcome.status is not Status.OK)


def test_silence_is_read_as_the_specifications_say():
    """OIDC Discovery §3: no word on client authentication means client_secret_basic; lists may be left out."""
    silent = {
        "token_endpoint_auth_methods_supported": None,
        "id_token_signing_alg_values_supported": None,
        "scopes_supported": None,
    }

    assert [] == bad(assess(**silent))
    assert [("FAIL", "takes client_secret_basic from clients, not private_key_jwt")] == bad(
        assess(with_oidc(client_auth=ClientAuth.PRIVATE_KEY_JWT), **silent)
    )


def test_the_advice_names_client_authentication_that_would_work():
    """What both sides know is offered."""
    settings = with_oidc(client_auth=ClientAuth.POST)
    (outcome,) = (outcome for outcome in assess(settings) if outcome.status is Status.FAIL)
    (hopeless,) = (
        outcome
        for outcome in assess(settings, token_endpoint_auth_methods_supported=["tls_client_auth"])
        if outcome.status is Status.FAIL
    )

    assert "set oidc.client_auth to client_secret_basic or private_key_jwt" == outcome.advice
    assert "choose another way at the provider" == hopeless.advice


def test_known_quirks_are_no_lack():
    """Auth0 logs out at an endpoint of its own, Google knows no offline_access."""
    assert [] == bad(assess(with_oidc(provider="auth0"), end_session_endpoint=None))
    assert [] == bad(assess(with_oidc(provider="google"), scopes_supported=["openid", "profile"]))


@pytest.mark.parametrize(
    ("issuer", "message", "advice"),
    [
        (
            f"{ISSUER}/",
            f"the discovery document is of '{ISSUER}/', not of '{ISSUER}'",
            "mind the slash at the end: set oidc.issuer to the letter as the document has it (OIDC Discovery §4.3)",
        ),
        (
            "https://evil.example",
            f"the discovery document is of 'https://evil.example', not of '{ISSUER}'",
            "set oidc.issuer to the letter as the document has it (OIDC Discovery §4.3)",
        ),
        (ISSUER, "has no token_endpoint", "have the provider mend its discovery document"),
        ("\x1b[2J", "has no token_endpoint", "have the provider mend its discovery document"),
        (7, "has no token_endpoint", "have the provider mend its discovery document"),
    ],
)
def test_a_refused_document_is_explained(issuer, message, advice):
    """OIDC Discovery §4.3: the issuer is compared to the letter, and the right letters are told."""
    assert Outcome(Status.FAIL, "issuer", message, advice) == explain_refusal(
        {"issuer": issuer}, SETTINGS, "has no token_endpoint"
    )


def test_keys_must_be_for_an_algorithm_that_we_accept():
    """RFC 8725 §3.1: other keys do not count."""
    keys = [
        VerificationKey("a", frozenset({"RS256", "PS256"}), None),
        VerificationKey("b", frozenset({"ES512"}), None),
    ]
    only_es384 = replace(SETTINGS, tokens=TokensSettings(algorithms=("ES384",)))

    assert Outcome(Status.OK, "keys", "1 of the issuer's keys can be used") == assess_keys(keys, SETTINGS)
    assert (Status.FAIL, "none of the issuer's keys is for ES384; they are for ES512, PS256, RS256") == (
        assess_keys(keys, only_es384).status,
        assess_keys(keys, only_es384).message,
    )


@pytest.mark.parametrize(
    ("ahead", "status", "message"),
    [
        (0.4, Status.OK, "the issuer's clock and ours agree"),
        (-15.0, Status.OK, "the issuer's clock and ours agree"),
        (20.0, Status.WARN, "the issuer's clock is 20 s ahead of ours, close to tokens.clock_skew"),
        (-29.0, Status.WARN, "the issuer's clock is 29 s behind ours, close to tokens.clock_skew"),
        (31.0, Status.FAIL, "the issuer's clock is 31 s ahead of ours, more than tokens.clock_skew (30 s)"),
        (-3600.0, Status.FAIL, "the issuer's clock is 3600 s behind ours, more than tokens.clock_skew (30 s)"),
    ],
)
def test_clocks_are_held_to_the_skew(ahead, status, message):
    """Tokens are refused when the clocks differ by more than the skew (OIDC Core §3.1.3.7)."""
    outcome = assess_clock(ahead, SETTINGS)

    assert (status, message) == (outcome.status, outcome.message)


def test_a_private_key_must_be_able_to_sign():
    """A PEM that is no usable key is found before the first login."""
    good = with_oidc(private_key=Secret(ec_key().pem()))
    broken = with_oidc(private_key=Secret("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"))

    assert [(Status.OK, "all are there; 1 key")] == [(o.status, o.message) for o in check_secrets(good)]
    assert [(Status.FAIL, "oidc.private_key cannot sign client assertions")] == [
        (o.status, o.message) for o in check_secrets(broken)
    ]


@pytest.mark.parametrize(
    ("public_url", "listen", "status", "words"),
    [
        ("http://localhost:8080", "127.0.0.1:8080", Status.OK, "in public"),
        ("http://localhost:8080", "127.0.0.1:8081", Status.WARN, "the browser is sent to http://localhost:8080"),
        ("http://localhost", "unix:/run/bff.sock", Status.WARN, "the browser is sent to http://localhost"),
        ("https://app.example.com", "127.0.0.1:8080", Status.OK, "in public"),
        ("https://app.example.com", "unix:/run/bff.sock", Status.OK, "in public"),
        ("https://app.example.com", "0.0.0.0:8080", Status.WARN, "server.trusted_proxies is empty"),
    ],
)
def test_addresses_are_compared(public_url, listen, status, words):
    """What the browser is told should lead to where we listen."""
    settings = replace(SETTINGS, public_url=public_url, server=ServerSettings(listen=listen))
    (outcome,) = check_addresses(settings)

    assert status is outcome.status
    assert words in outcome.message


def test_a_line_says_what_and_what_to_do():
    """One line a finding, and nothing in it can steer a terminal."""
    finding = Finding(Severity.WARNING, "bff.toml", 3, "oidc.issuer", "is odd", "another", "mend it")

    assert "WARN  configuration: bff.toml:3: oidc.issuer is odd → expected another; mend it" == str(
        outcome_of(finding)
    )
    assert "FAIL  configuration: bff.toml: is not there" == str(
        outcome_of(Finding(Severity.ERROR, "bff.toml", None, "", "is not there"))
    )
    assert "OK    issuer: a\N{REPLACEMENT CHARACTER}[2J" == str(Outcome(Status.OK, "issuer", "a\x1b[2J"))
