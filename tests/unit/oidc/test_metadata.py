"""The discovery document."""

import pytest

from bff.errors import MetadataInvalid
from bff.oidc.metadata import Metadata, discovery_url, parse_metadata, weaknesses
from tests.forging import REMOVED, changed

ISSUER = "https://op.test"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://op.test/authorize",
    "token_endpoint": "https://op.test/token",
    "jwks_uri": "https://keys.op.test/jwks",
    "userinfo_endpoint": "https://op.test/userinfo",
    "revocation_endpoint": "https://op.test/revoke",
    "end_session_endpoint": "https://op.test/logout",
    "authorization_response_iss_parameter_supported": True,
    "code_challenge_methods_supported": ["S256", 7],
    "id_token_signing_alg_values_supported": ["RS256"],
    "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    "something_new": {"a": 1},
}


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://op.test", "https://op.test/.well-known/openid-configuration"),
        ("https://op.test/", "https://op.test/.well-known/openid-configuration"),
        ("https://op.test/realms/a", "https://op.test/realms/a/.well-known/openid-configuration"),
    ],
)
def test_the_document_lies_under_the_issuer(issuer, url):
    """OIDC Discovery §4.1: a terminating slash is removed first."""
    assert url == discovery_url(issuer)


def test_what_we_use_is_read():
    """OIDC Discovery §3; unknown members and odd entries of lists are ignored."""
    assert Metadata(
        issuer=ISSUER,
        authorization_endpoint="https://op.test/authorize",
        token_endpoint="https://op.test/token",
        jwks_uri="https://keys.op.test/jwks",
        userinfo_endpoint="https://op.test/userinfo",
        revocation_endpoint="https://op.test/revoke",
        end_session_endpoint="https://op.test/logout",
        iss_parameter_supported=True,
        code_challenge_methods=("S256",),
        id_token_algorithms=("RS256",),
        client_assertion_algorithms=("PS256",),
        token_auth_methods=("client_secret_basic",),
    ) == parse_metadata(DOCUMENT, ISSUER)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.test/",
        "https://OP.test",
        "https://op.test:443",
        "https://user@op.test",
        "http://op.test",
        "https://evil.test",
        "",
        None,
        7,
        ["https://op.test"],
        REMOVED,
    ],
)
def test_a_document_of_another_issuer_is_refused(issuer):
    """OIDC Discovery §4.3, RFC 8414 §3.3: identical, character by character."""
    with pytest.raises(MetadataInvalid):
        parse_metadata(changed(DOCUMENT, {"issuer": issuer}), ISSUER)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_endpoint_that_we_need_is_needed(name):
    """OIDC Discovery §3: REQUIRED members."""
    with pytest.raises(MetadataInvalid, match=name):
        parse_metadata(changed(DOCUMENT, {name: REMOVED}), ISSUER)


@pytest.mark.parametrize("name", ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"])
def test_an_endpoint_that_we_can_do_without_may_be_missing(name):
    """OIDC Discovery §3, RFC 8414 §2."""
    assert getattr(parse_metadata(changed(DOCUMENT, {name: REMOVED}), ISSUER), name) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://op.test/x",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/x",
        "https://10.0.0.1/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "ftp://op.test/x",
        "//op.test/x",
        "/x",
        "https://",
        "https://user:pw@op.test/x",
        "https://op.test\\@evil.test/x",
        "https://op.test\\.evil.test/x",
        "https://op.test/x#fragment",
        "https://op.test/x#",
        "https://op.test:99999/x",
        "https://op.test/\nx",
        "https://op.test/ x",
        "https://op.test/é",
        "https://op.test/" + "x" * 2048,
        "https://[op.test/x",
        7,
        ["https://op.test/x"],
        "",
    ],
)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
def test_an_endpoint_that_is_not_safe_to_call_spoils_the_document(name, url):
    """RFC 8414 §6.1, OIDC Discovery §7.1: https only, no inner addresses, no tricks."""
    with pytest.raises(MetadataInvalid, match=name):
        parse_metadata({**DOCUMENT, name: url}, ISSUER)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/token"),
        ("http://localhost:9000", "http://127.0.0.1:9001/token"),
        ("http://op.localhost:9000", "http://op.localhost:9000/token"),
        ("http://[::1]:9000", "http://[::1]:9000/token"),
        ("http://localhost:9000", "https://elsewhere.test/token"),
        ("https://10.1.2.3", "https://10.1.2.3/token"),
    ],
)
def test_a_developers_machine_may_speak_http_to_itself(issuer, url):
    """RFC 9700 §2.6: loopback is the exception; an issuer on an inner address may name its own."""
    document = {**DOCUMENT, "issuer": issuer, "token_endpoint": url}

    assert url == parse_metadata(document, issuer).token_endpoint


@pytest.mark.parametrize(
    ("issuer", "allow"), [("http://localhost:9000", False), ("https://op.test", True), ("http://10.1.2.3", True)]
)
def test_http_passes_nowhere_else(issuer, allow):
    """RFC 9700 §2.6."""
    document = {**DOCUMENT, "issuer": issuer, "token_endpoint": "http://127.0.0.1:9000/token"}
    with pytest.raises(MetadataInvalid):
        parse_metadata(document, issuer, allow_loopback_http=allow)


@pytest.mark.parametrize(
    ("changes", "method", "algorithms", "expected"),
    [
        ({}, "client_secret_basic", ("RS256",), ()),
        (
            {"code_challenge_methods_supported": REMOVED},
            "client_secret_basic",
            ("RS256",),
            ("pkce_not_advertised",),
        ),
        (
            {"code_challenge_methods_supported": ["plain"]},
            "client_secret_basic",
            ("RS256",),
            ("pkce_not_advertised",),
        ),
        ({}, "client_secret_basic", ("ES256",), ("no_common_algorithm",)),
        ({}, "private_key_jwt", ("RS256",), ("client_auth_not_advertised",)),
        ({"token_endpoint_auth_methods_supported": "x"}, "private_key_jwt", ("RS256",), ()),
    ],
)
def test_what_will_not_go_well_is_named(changes, method, algorithms, expected):
    """RFC 9700 §4.7.1: where PKCE is not announced, state and nonce are still sent, and the operator is told."""
    metadata = parse_metadata(changed(DOCUMENT, changes), ISSUER)

    assert expected == weaknesses(metadata, method, algorithms)


@pytest.mark.parametrize("value", ["true", 1, None, "yes", [True]])
def test_only_true_announces_the_iss_parameter(value):
    """RFC 9207 §3: a boolean."""
    document = {**DOCUMENT, "authorization_response_iss_parameter_supported": value}

    assert not parse_metadata(document, ISSUER).iss_parameter_supported
