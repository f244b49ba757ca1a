"""The issuer's description of itself (OIDC Discovery §3, RFC 8414). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bff.errors import MetadataInvalid

MAX_DOCUMENT = 512 * 1024  # bytes
_MAX_URL = 2048
_URL_CHARACTERS = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of it. Endpoints come from here and from nowhere else (RFC 9700 §4.4)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    iss_parameter_supported: bool = False  # RFC 9207 §3
    code_challenge_methods: tuple[str, ...] = ()
    id_token_algorithms: tuple[str, ...] = ()
    client_assertion_algorithms: tuple[str, ...] = ()
    token_auth_methods: tuple[str, ...] = ()


def discovery_url(issuer: str) -> str:
    """Return where the document lies: a slash at the issuer's end is not doubled (OIDC Discovery §4.1)."""
    return f"{issuer.removesuffix('/')}/.well-known/openid-configuration"


def parse_metadata(document: Mapping[str, Any], issuer: str, *, allow_loopback_http: bool = True) -> Metadata:
    """Return the usable part of a discovery document for exactly this issuer.

    Raises `MetadataInvalid` when the document speaks for another issuer (compared character by character, OIDC
    Discovery §4.3), lacks an endpoint that we need, or names one that is not https. Plain http passes only between
    loopback hosts, for development.
    """
    if document.get("issuer") != issuer:
        raise MetadataInvalid("The discovery document names another issuer than the configured one.")

    def endpoint(name: str) -> str | None:
        value = document.get(name)
        if value is not None and not _is_fit(value, issuer, allow_loopback_http=allow_loopback_http):
            raise MetadataInvalid(f"The discovery document's {name} is not an https URL that we may use.")
        return value

    def needed(name: str) -> str:
        value = endpoint(name)
        if value is None:
            raise MetadataInvalid(f"The discovery document has no {name}.")
        return value

    return Metadata(
        issuer=issuer,
        authorization_endpoint=needed("authorization_endpoint"),
        token_endpoint=needed("token_endpoint"),
        jwks_uri=needed("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint"),
        revocation_endpoint=endpoint("revocation_endpoint"),
        end_session_endpoint=endpoint("end_session_endpoint"),
        iss_parameter_supported=document.get("authorization_response_iss_parameter_supported") is True,
        code_challenge_methods=_words(document, "code_challenge_methods_supported"),
        id_token_algorithms=_words(document, "id_token_signing_alg_values_supported"),
        client_assertion_algorithms=_words(document, "token_endpoint_auth_signing_alg_values_supported"),
        token_auth_methods=_words(document, "token_endpoint_auth_methods_supported"),
    )


def weaknesses(metadata: Metadata, auth_method: str, algorithms: Collection[str]) -> tuple[str, ...]:
    """Return what the issuer says of itself that will not go well with us, as stable words for the operator."""
    found = []
    if "S256" not in metadata.code_challenge_methods:  # RFC 9700 §4.7.1: then state and nonce alone protect us
        found.append("pkce_not_advertised")
    if metadata.id_token_algorithms and set(algorithms).isdisjoint(metadata.id_token_algorithms):
        found.append("no_common_algorithm")
    if metadata.token_auth_methods and auth_method not in metadata.token_auth_methods:
        found.append("client_auth_not_advertised")
    return tuple(found)


def _is_fit(value: object, issuer: str, *, allow_loopback_http: bool) -> bool:
    """Whether an endpoint is an https URL, on an address that this issuer may send us to."""
    if not isinstance(value, str) or len(value) > _MAX_URL or not _URL_CHARACTERS.fullmatch(value):
        return False
    try:
        url, ours = urlsplit(value), urlsplit(issuer)
        _ = url.port  # raises ValueError when it is none
    except ValueError:
        return False
    if not url.hostname or "@" in url.netloc or "\\" in value or url.fragment or value.endswith("#"):
        return False
    if _is_loopback(ours):  # a developer's machine: anything on it, or https anywhere
        return url.scheme == "https" or (url.scheme == "http" and allow_loopback_http and _is_loopback(url))
    return url.scheme == "https" and (url.hostname == ours.hostname or not _is_inside(url))


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_inside(url: SplitResult) -> bool:
    """Whether the host is written as an address that only insiders reach: a lie to make us call it (RFC 9700 §4.4).

    A name that resolves to one passes: whoever controls the issuer's document could not do more than the issuer.
    """
    try:
        return not ip_address(url.hostname or "").is_global
    except ValueError:
        return _is_loopback(url)


def _words(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
