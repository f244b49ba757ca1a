"""What the userinfo endpoint's answer means (OIDC Core §5.3). Pure."""

from collections.abc import Mapping
from typing import Any

from bff.errors import IssuerUnavailable
from bff.oidc.claims import check_client_audience, check_issuer, check_not_expired, check_type, subject
from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.rules import TokenRules
from bff.oidc.token_response import refusal, rejected
from bff.oidc.transport import Answer

MAX_SIZE = 256 * 1024  # characters of a signed answer
REQUIRED = ("iss", "aud", "sub")


def parse_userinfo(answer: Answer) -> Mapping[str, Any] | str:
    """Return the claims, or the signed JWT that holds them, by the media type (§5.3.2).

    Raises `TokenRejected` when the issuer does not take the access token, `IssuerUnavailable` for other answers.
    """
    document = answer.json_object()
    if answer.status in {401, 403}:
        raise rejected("access_token", "userinfo_refused")
    if answer.status != 200:
        raise refusal(answer, document)
    if answer.media_type == "application/jwt":
        return answer.body.decode("latin-1").strip()
    if document is None:
        raise IssuerUnavailable("The userinfo endpoint's answer is not a JSON object.")
    return document


def check_userinfo(claims: Mapping[str, Any], sub: str) -> Mapping[str, Any]:
    """Return the claims if they are about the person of the ID token (§5.3.2). Raises `TokenFault`."""
    if subject(claims) != sub:
        raise TokenFault("sub_mismatch")
    return claims


def check_signed_userinfo(token: UnverifiedToken, client: Client, rules: TokenRules, now: float) -> None:
    """Hold a signed answer to its issuer and to us. Raises `TokenFault`.

    An ID token posing as one is of no use to anybody: it is signed, for us, and about the same person.
    """
    check_type(token.typ, "userinfo+jwt")
    check_issuer(token.claims, client.issuer)
    check_client_audience(token.claims, client.client_id)
    if "exp" in token.claims:
        check_not_expired(token.claims, now, rules.clock_skew)
    if "events" in token.claims:
        raise TokenFault("wrong_type")
