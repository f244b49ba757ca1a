"""The clients that the real provider can be given: how they authenticate and what tokens they get."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.relying_party import CALLBACK, RelyingParty
from tests.servers import Issuer, start_issuer
from tests.sign_in import sign_in

pytestmark = pytest.mark.integration

SETTINGS = {"redirect_uris": [CALLBACK], "signing_alg": "ES256"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
        yield client


async def redeem_with(party: RelyingParty, **credentials: str) -> httpx.Response:
    """The code of a fresh login, redeemed with these credentials in the form."""
    callback = await sign_in(party.http, party.authorization_url())
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(callback).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": party.verifier,
        "client_id": party.issuer.client_id,
    }
    return await party.http.post(f"{party.issuer.url}/token", data={**form, **credentials})


def client_assertion(issuer: Issuer, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """RFC 7523 §2.2."""
    now = int(time.time())
    claims = {"iss": issuer.client_id, "sub": issuer.client_id, "aud": issuer.url, "iat": now, "exp": now + 60}
    assertion = jwt.encode({**claims, "jti": secrets.token_urlsafe()}, key, "ES256", {"kid": "client-key"})
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"client_assertion_type": kind, "client_assertion": assertion}


async def test_private_key_jwt_client_needs_its_own_key(http):
    """OIDC Core §9: an assertion by the registered key is taken, one by another key is not."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": "client-key"}
    settings = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public]}}
    async with start_issuer(**SETTINGS, **settings) as issuer:
        party = RelyingParty(issuer, http)
        refused = await redeem_with(party, **client_assertion(issuer, ec.generate_private_key(ec.SECP256R1())))
        accepted = await redeem_with(party, **client_assertion(issuer, key))

    assert (401, "invalid_client") == (refused.status_code, refused.json()["error"])
    assert 200 == accepted.status_code


async def test_client_secret_post_client_sends_its_secret_in_the_form(http):
    """OIDC Core §9: and the wrong one is refused."""
    async with start_issuer(**SETTINGS, token_endpoint_auth_method="client_secret_post") as issuer:
        party = RelyingParty(issuer, http)
        statuses = [
            (await redeem_with(party, client_secret=secret)).status_code
            for secret in ("wrong", issuer.client_secret)
        ]

    assert [401, 200] == statuses


async def test_second_client_has_a_grant_of_its_own(http):
    """A refresh token is bound to the client that it was issued to (RFC 6749 §6)."""
    second = {"client_id": "other", "client_secret": "other-secret", "redirect_uris": [CALLBACK]}
    async with start_issuer(**SETTINGS, clients=[second]) as issuer:
        token = (await RelyingParty(issuer, http).log_in())["refresh_token"]
        issuer.client_id, issuer.client_secret = "other", "other-secret"
        other = RelyingParty(issuer, http)
        stolen = await other.refresh(token)
        claims = jwt.decode((await other.log_in())["id_token"], options={"verify_signature": False})

    assert "invalid_grant" == stolen.json()["error"]
    assert "other" == claims["aud"]


async def test_opaque_access_token_can_be_introspected(http):
    """RFC 7662 §2.2: active for its client until it is revoked."""
    async with start_issuer(**SETTINGS, access_token_format="opaque") as issuer:
        party = RelyingParty(issuer, http)
        token = (await party.log_in("bob"))["access_token"]
        before = (await party.post("/token/introspection", token=token)).json()
        userinfo = (await http.get(f"{issuer.url}/me", headers={"authorization": f"Bearer {token}"})).json()
        await party.revoke(token)
        after = (await party.post("/token/introspection", token=token)).json()

    assert (True, "bob", "bob") == (before["active"], before["sub"], userinfo["sub"])
    assert {"active": False} == after


async def test_token_for_another_api_is_given_when_the_client_asks(http):
    """RFC 8707 §2: `resource` names the API; an unknown one is refused."""
    async with start_issuer(**SETTINGS, extra_audiences=["https://orders.demo.example"]) as issuer:
        party = RelyingParty(issuer, http)
        tokens = await party.log_in(resource="https://orders.demo.example")
        refused = await sign_in(http, party.authorization_url(resource="https://unknown.demo.example"))

    assert (
        "https://orders.demo.example"
        == jwt.decode(tokens["access_token"], options={"verify_signature": False})["aud"]
    )
    assert ["invalid_target"] == parse_qs(urlsplit(refused).query)["error"]
