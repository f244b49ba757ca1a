"""Our registration and the operator's rules."""

import pytest

from bff.oidc.client import Client
from bff.oidc.rules import TokenRules

FIELDS = {
    "issuer": "https://op.test",
    "client_id": "spa",
    "redirect_uri": "https://app.test/bff/callback",
    "post_logout_redirect_uri": "https://app.test/",
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"client_secret": ""},
        {"auth_method": "client_secret_post"},
        {"auth_method": "private_key_jwt", "client_secret": "s"},
        {"auth_method": "none", "client_secret": "s"},
        {"auth_method": "client_secret_jwt", "client_secret": "s"},
        {"client_secret": "s", "scopes": ("profile",)},
        {"client_secret": "s", "scopes": ()},
    ],
)
def test_a_client_without_credentials_or_openid_cannot_be_made(fields):
    """OAuth for Browser-Based Applications §6.1.3.1: a BFF is a confidential client; OIDC Core §3.1.2.1: openid."""
    with pytest.raises(ValueError):
        Client(**FIELDS, **fields)


def test_a_client_does_not_print_its_secrets():
    """A secret that is logged is none."""
    text = repr(Client(**FIELDS, client_secret="the-secret", private_key="the-key"))

    assert "spa" in text
    assert "the-secret" not in text
    assert "the-key" not in text


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("RS256", "HS512"), ("RSA1_5",), ("rs256",)])
def test_only_public_key_signatures_can_be_allowed(algorithms):
    """RFC 8725 §3.1, §3.2; OIDC Core §2: no `none`, and no shared secret that could be a public key in disguise."""
    with pytest.raises(ValueError):
        TokenRules(algorithms=algorithms)
