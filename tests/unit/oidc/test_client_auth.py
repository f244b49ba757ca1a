"""How we prove to be the client."""

import base64
from urllib.parse import unquote_plus

import jwt
import pytest

from bff.oidc.client import Client
from bff.oidc.client_auth import ClientAuthenticator
from bff.oidc.metadata import Metadata
from tests.forging import ec_key, rsa_key

NOW = 1_800_000_000.5
METADATA = Metadata("https://op.test/", "https://op.test/a", "https://op.test/token", "https://op.test/jwks")


def client(**fields: object) -> Client:
    return Client(METADATA.issuer, "spa:1", "https://app.test/cb", "https://app.test/", **fields)


@pytest.mark.parametrize("secret", ["plain", "a:b/c+d%20 é", "~*_-.", "=&?#\"'"])
def test_basic_credentials_are_encoded_before_they_are_joined(secret):
    """RFC 6749 §2.3.1: form-urlencoded id and secret, a colon between them."""
    credentials = ClientAuthenticator(client(client_secret=secret)).credentials(METADATA, NOW)

    scheme, _, value = credentials.headers["authorization"].partition(" ")
    name, _, password = base64.b64decode(value).decode("ascii").partition(":")
    assert ("Basic", "spa:1", secret) == (scheme, unquote_plus(name), unquote_plus(password))
    assert () == credentials.form, "RFC 6749 §2.3: one method only"


def test_post_credentials_go_into_the_form_alone():
    """RFC 6749 §2.3: one method only."""
    credentials = ClientAuthenticator(client(auth_method="client_secret_post", client_secret="s")).credentials(
        METADATA, NOW
    )

    assert (("client_id", "spa:1"), ("client_secret", "s")) == credentials.form
    assert {} == dict(credentials.headers)


def test_an_assertion_says_who_for_whom_and_for_a_minute():
    """OIDC Core §9, RFC 7523 §3, FAPI 2.0 §5.3.3.1: the audience is the issuer as one string."""
    key = ec_key()
    authenticator = ClientAuthenticator(
        client(auth_method="private_key_jwt", private_key=key.pem(), private_key_id="k1")
    )
    credentials = authenticator.credentials(METADATA, NOW)
    form = dict(credentials.form)

    claims = jwt.decode(
        form["client_assertion"],
        key.private.public_key(),
        algorithms=["ES256"],
        audience="https://op.test/",
        options={"require": ["jti"], "strict_aud": True, "verify_exp": False, "verify_iat": False},
    )

    assert {"client_id", "client_assertion_type", "client_assertion"} == form.keys()
    assert "spa:1" == form["client_id"]
    assert {} == dict(credentials.headers)
    assert {"iss": "spa:1", "sub": "spa:1", "aud": "https://op.test/", "iat": int(NOW), "exp": int(NOW) + 60} == {
        name: claims[name] for name in ("iss", "sub", "aud", "iat", "exp")
    }
    assert "k1" == jwt.get_unverified_header(form["client_assertion"])["kid"]


def test_every_assertion_is_another_one():
    """RFC 7523 §3: `jti` is used once, also when a request is tried again in the same second."""
    authenticator = ClientAuthenticator(client(auth_method="private_key_jwt", private_key=ec_key().pem()))
    assertions = [dict(authenticator.credentials(METADATA, NOW).form)["client_assertion"] for _ in range(20)]

    assert 20 == len({jwt.decode(raw, options={"verify_signature": False})["jti"] for raw in assertions})


@pytest.mark.parametrize(
    ("spoken", "alg"), [((), "RS256"), (("PS256",), "PS256"), (("RS256", "PS256"), "RS256"), (("ES256",), "RS256")]
)
def test_an_rsa_key_signs_the_way_that_the_issuer_announces(spoken, alg):
    """RFC 8414 §2, token_endpoint_auth_signing_alg_values_supported."""
    metadata = Metadata("https://op.test", "a", "t", "j", client_assertion_algorithms=spoken)
    authenticator = ClientAuthenticator(client(auth_method="private_key_jwt", private_key=rsa_key().pem()))

    form = dict(authenticator.credentials(metadata, NOW).form)

    assert alg == jwt.get_unverified_header(form["client_assertion"])["alg"]


def test_a_key_that_will_not_do_is_refused_at_once():
    """A fault of configuration shows at start-up."""
    with pytest.raises(ValueError):
        ClientAuthenticator(client(auth_method="private_key_jwt", private_key="nonsense"))


def test_credentials_do_not_print_themselves():
    """A secret that is logged is none."""
    credentials = ClientAuthenticator(client(auth_method="client_secret_post", client_secret="hush")).credentials(
        METADATA, NOW
    )

    assert "hush" not in repr(credentials)
