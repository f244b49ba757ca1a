"""How known providers differ from the specifications, as data and pure hooks.

A new provider is one more entry in `_KNOWN`, with a test on what it really sends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit, urlunsplit

from bff.oidc.client import Client
from bff.oidc.end_session import build_end_session_url
from bff.oidc.metadata import Metadata


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


EndSession = Callable[[Metadata, Client, str | None, str | None], str | None]


def standard_end_session(
    metadata: Metadata, client: Client, id_token: str | None, sub_hint: str | None
) -> str | None:
    """Return the logout URL of OIDC RP-Initiated Logout, or None where the provider has none."""
    if metadata.end_session_endpoint is None:
        return None
    return build_end_session_url(metadata.end_session_endpoint, client, id_token, sub_hint=sub_hint)


@dataclass(frozen=True, slots=True)
class Quirks:
    """One provider's ways. The defaults are the specifications'."""

    name: str
    authorization_parameters: Mapping[str, str] = field(
        default_factory=_nothing
    )  # the operator's own win over these
    unknown_scopes: frozenset[str] = frozenset()  # it refuses a login that asks for them
    fatal_grant_errors: frozenset[str] = frozenset({"invalid_grant"})  # the refresh token is spent for good
    # Its own mark of a token's kind, held to where the claim is there.
    id_token_markers: Mapping[str, str] = field(default_factory=_nothing)
    access_token_markers: Mapping[str, str] = field(default_factory=_nothing)
    audience_claims: tuple[str, ...] = ("aud",)  # where an access token says whom it is for
    auth_time_may_advance: bool = False  # a renewed ID token shows a later sign-in of the same person
    end_session: EndSession = standard_end_session

    def fit(self, client: Client) -> Client:
        """Return the client as this provider wants to see it."""
        return replace(
            client,
            scopes=tuple(scope for scope in client.scopes if scope not in self.unknown_scopes),
            extra_parameters={**self.authorization_parameters, **client.extra_parameters},
        )


def quirks_for(name: str) -> Quirks:
    """Return the quirks of a provider by its configured name. Raises `ValueError` with the names there are."""
    try:
        return _KNOWN[name]
    except KeyError:
        raise ValueError(f"provider must be one of {', '.join(_KNOWN)}") from None


def _auth0_end_session(
    metadata: Metadata, client: Client, id_token: str | None, sub_hint: str | None
) -> str | None:
    """Older tenants do not publish the endpoint, yet all have `/v2/logout` with names of its own."""
    if metadata.end_session_endpoint is not None:
        return standard_end_session(metadata, client, id_token, sub_hint)
    query = urlencode(
        {
            **client.end_session_parameters,
            "client_id": client.client_id,
            "returnTo": client.post_logout_redirect_uri,
        }
    )
    return f"{metadata.issuer.removesuffix('/')}/v2/logout?{query}"


def _cognito_end_session(
    metadata: Metadata, client: Client, _id_token: str | None, _sub_hint: str | None
) -> str | None:
    """`/logout` lies beside the other endpoints of the user pool's domain and takes `logout_uri`."""
    scheme, netloc, *_ = urlsplit(metadata.end_session_endpoint or metadata.authorization_endpoint)
    query = urlencode({"client_id": client.client_id, "logout_uri": client.post_logout_redirect_uri})
    return urlunsplit((scheme, netloc, "/logout", query, ""))


_INTERACTION = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})

_KNOWN: Mapping[str, Quirks] = MappingProxyType(
    {
        quirks.name: quirks
        for quirks in (
            Quirks("generic"),
            Quirks(
                "keycloak",
                id_token_markers={"typ": "ID"},
                access_token_markers={"typ": "Bearer"},
                auth_time_may_advance=True,  # another client's prompt=login moves it for the whole SSO session
            ),
            Quirks("entra", fatal_grant_errors=_INTERACTION),
            # A blocked user's refresh is answered with `unauthorized`, a denying action's with `access_denied`.
            Quirks(
                "auth0",
                fatal_grant_errors=frozenset({"invalid_grant", "unauthorized", "access_denied"}),
                end_session=_auth0_end_session,
            ),
            Quirks("okta"),
            # There is no offline_access; access_type asks for a refresh token, which only consent brings anew.
            Quirks(
                "google",
                authorization_parameters={"access_type": "offline", "prompt": "consent"},
                unknown_scopes=frozenset({"offline_access"}),
            ),
            Quirks(
                "cognito",
                id_token_markers={"token_use": "id"},
                access_token_markers={"token_use": "access"},
                audience_claims=("aud", "client_id"),  # its access tokens have no `aud` unless one was asked for
                unknown_scopes=frozenset({"offline_access"}),
                end_session=_cognito_end_session,
            ),
        )
    }
)
