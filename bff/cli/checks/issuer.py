"""What the issuer's discovery document, keys and clock mean for us. Pure; `reach_issuer` does the asking."""

from collections.abc import Collection, Mapping
from typing import Any

from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import ClientAuth, Settings
from bff.oidc.jose import VerificationKey
from bff.oidc.metadata import Metadata
from bff.oidc.quirks import quirks_for, standard_end_session

# OIDC Discovery §3, token_endpoint_auth_methods_supported: what holds when the document does not say.
_DEFAULT_AUTH_METHODS = (ClientAuth.BASIC.value,)


def assess_metadata(document: Mapping[str, Any], metadata: Metadata, settings: Settings) -> list[Outcome]:
    """What the discovery document promises, against what we are configured to use."""
    return [
        Outcome(Status.OK, "issuer", f"{metadata.issuer} describes itself, with all endpoints that are needed"),
        _pkce(metadata),
        _client_auth(metadata, settings),
        _algorithms(metadata, settings),
        *_scopes(document, settings),
        _end_session(metadata, settings),
        _revocation(metadata),
        _backchannel_logout(document, settings),
    ]


def explain_refusal(document: Mapping[str, Any], settings: Settings, detail: str) -> Outcome:
    """Why a discovery document cannot be used; another issuer in it is the commonest reason."""
    found = document.get("issuer")
    if isinstance(found, str) and found != settings.oidc.issuer and found.isprintable() and len(found) < 500:
        message = f"the discovery document is of {found!r}, not of {settings.oidc.issuer!r}"
        advice = "set oidc.issuer to the letter as the document has it (OIDC Discovery §4.3)"
        if found.rstrip("/") == settings.oidc.issuer.rstrip("/"):
            advice = f"mind the slash at the end: {advice}"
        return Outcome(Status.FAIL, "issuer", message, advice)
    return Outcome(Status.FAIL, "issuer", detail, "have the provider mend its discovery document")


def assess_keys(keys: Collection[VerificationKey], settings: Settings) -> Outcome:
    """Whether the issuer has a key for any algorithm that we accept."""
    wanted = settings.tokens.algorithms
    usable = [key for key in keys if not key.algorithms.isdisjoint(wanted)]
    if usable:
        return Outcome(Status.OK, "keys", f"{len(usable)} of the issuer's keys can be used")
    known = ", ".join(sorted({name for key in keys for name in key.algorithms}))
    return Outcome(
        Status.FAIL,
        "keys",
        f"none of the issuer's keys is for {', '.join(wanted)}; they are for {known}",
        "add what the issuer signs with to tokens.algorithms, or have it sign with one of ours",
    )


def assess_clock(ahead: float, settings: Settings) -> Outcome:
    """How far the issuer's clock is ahead of ours, in seconds, against the skew that tokens are allowed."""
    skew = settings.tokens.clock_skew
    direction = "ahead of" if ahead > 0 else "behind"
    message = f"the issuer's clock is {abs(ahead):.0f} s {direction} ours"
    if abs(ahead) <= max(skew / 2, 2.0):  # the Date header counts whole seconds, and an answer takes its time
        return Outcome(Status.OK, "clock", "the issuer's clock and ours agree")
    if abs(ahead) <= skew:
        return Outcome(
            Status.WARN, "clock", f"{message}, close to tokens.clock_skew", "synchronise the clocks (NTP)"
        )
    return Outcome(
        Status.FAIL,
        "clock",
        f"{message}, more than tokens.clock_skew ({skew:g} s)",
        "synchronise the clocks (NTP): until then its tokens may be refused as expired or not yet valid",
    )


def _pkce(metadata: Metadata) -> Outcome:
    if "S256" in metadata.code_challenge_methods:
        return Outcome(Status.OK, "issuer", "supports PKCE with S256")
    return Outcome(
        Status.WARN,
        "issuer",
        "does not say that it supports PKCE with S256",
        "see that it does, and demand it for this client (RFC 9700 §2.1.1); meanwhile state and nonce protect",
    )


def _client_auth(metadata: Metadata, settings: Settings) -> Outcome:
    ours = settings.oidc.client_auth.value
    supported = metadata.token_auth_methods or _DEFAULT_AUTH_METHODS
    if ours in supported:
        return Outcome(Status.OK, "issuer", f"takes {ours} from clients")
    ours_too = [method.value for method in ClientAuth if method.value in supported]
    advice = (
        f"set oidc.client_auth to {' or '.join(ours_too)}" if ours_too else "choose another way at the provider"
    )
    return Outcome(Status.FAIL, "issuer", f"takes {', '.join(supported)} from clients, not {ours}", advice)


def _algorithms(metadata: Metadata, settings: Settings) -> Outcome:
    ours, theirs = settings.tokens.algorithms, metadata.id_token_algorithms
    common = [name for name in ours if name in theirs]
    if common or not theirs:
        return Outcome(Status.OK, "issuer", f"signs ID tokens with {', '.join(common) or 'what its keys tell'}")
    return Outcome(
        Status.FAIL,
        "issuer",
        f"signs ID tokens with {', '.join(theirs)}, and we accept {', '.join(ours)}",
        "add an asymmetric one of its algorithms to tokens.algorithms, or choose one of ours at the provider",
    )


def _scopes(document: Mapping[str, Any], settings: Settings) -> list[Outcome]:
    supported = document.get("scopes_supported")
    if not isinstance(supported, list):
        return []
    dropped = quirks_for(settings.oidc.provider).unknown_scopes
    missing = [scope for scope in settings.oidc.scopes if scope not in supported and scope not in dropped]
    if not missing:
        return [Outcome(Status.OK, "issuer", "knows every scope that we ask for")]
    # A provider may keep scopes to itself (OIDC Discovery §3), so this is no failure.
    return [
        Outcome(
            Status.WARN,
            "issuer",
            f"does not list the scope {', '.join(missing)}",
            "see that logins work; if they do not, remove it from oidc.scopes or add it at the provider",
        )
    ]


def _end_session(metadata: Metadata, settings: Settings) -> Outcome:
    if metadata.end_session_endpoint is not None:
        return Outcome(Status.OK, "issuer", "has an end_session endpoint: logging out here logs out there")
    if quirks_for(settings.oidc.provider).end_session is not standard_end_session:
        return Outcome(Status.OK, "issuer", f"has the logout endpoint of {settings.oidc.provider}")
    return Outcome(
        Status.WARN,
        "issuer",
        "has no end_session endpoint: who logs out here stays logged in there",
        'tell your users, or use prompt = "login" where that matters',
    )


def _revocation(metadata: Metadata) -> Outcome:
    if metadata.revocation_endpoint is not None:
        return Outcome(Status.OK, "issuer", "revokes tokens (RFC 7009)")
    return Outcome(
        Status.WARN,
        "issuer",
        "has no revocation endpoint: tokens live on after a logout until they expire",
        "keep the lifetime of tokens short at the provider",
    )


def _backchannel_logout(document: Mapping[str, Any], settings: Settings) -> Outcome:
    where = f"{settings.public_url}{settings.server.prefix}/backchannel-logout"
    if document.get("backchannel_logout_supported") is True:
        return Outcome(Status.OK, "issuer", f"supports back-channel logout; it must be registered as {where}")
    return Outcome(
        Status.WARN,
        "issuer",
        "does not say that it supports back-channel logout: a logout elsewhere is seen at the next renewal only",
        "keep access tokens short-lived, so that renewals are frequent",
    )
