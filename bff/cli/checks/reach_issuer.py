"""Asking the issuer for its discovery document, its keys and the time."""

import ssl
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from bff.cli.checks.asking import aside
from bff.cli.checks.issuer import assess_clock, assess_keys, assess_metadata, explain_refusal
from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import Settings
from bff.errors import IssuerUnavailable, MetadataInvalid
from bff.oidc.keys import parse_jwks
from bff.oidc.metadata import discovery_url, parse_metadata
from bff.oidc.transport import IssuerTransport


async def check_issuer(settings: Settings) -> list[Outcome]:
    """Discovery and keys."""
    issuer = settings.oidc.issuer
    transport = IssuerTransport(timeout=settings.oidc.timeout)
    try:
        try:
            document = await transport.get_json(discovery_url(issuer))
        except IssuerUnavailable as error:
            advice = "see that oidc.issuer is right and that this machine reaches it over a certificate it trusts"
            return [Outcome(Status.FAIL, "issuer", error.detail, advice)]
        try:
            metadata = parse_metadata(document, issuer)
        except MetadataInvalid as error:
            return [explain_refusal(document, settings, error.detail)]
        outcomes = assess_metadata(document, metadata, settings)
        try:
            keys = parse_jwks(await transport.get_json(metadata.jwks_uri))
        except IssuerUnavailable as error:
            advice = "the key set must be reachable too: look at jwks_uri in the discovery document"
            return [*outcomes, Outcome(Status.FAIL, "keys", error.detail, advice)]
        except MetadataInvalid as error:
            advice = "have the provider publish its signature keys"
            return [*outcomes, Outcome(Status.FAIL, "keys", error.detail, advice)]
        return [*outcomes, assess_keys(keys, settings)]
    finally:
        await transport.close()


async def check_clock(settings: Settings) -> list[Outcome]:
    """The issuer's Date header against our clock. Silent when there is none: discovery tells the reason."""
    url = discovery_url(settings.oidc.issuer)
    timeout = settings.oidc.timeout
    try:
        ahead = await aside(lambda: _seconds_ahead(url, timeout), within=2 * timeout)
    except TimeoutError:
        return []
    return [] if ahead is None else [assess_clock(ahead, settings)]


def _seconds_ahead(url: str, timeout: float) -> float | None:
    """How far the clock of a server is ahead of ours, to about a second; None when it does not say."""
    parts = urlsplit(url)
    connection = (
        HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    )
    try:
        before = time.time()
        connection.request("GET", parts.path, headers={"user-agent": "bff", "accept": "application/json"})
        date = connection.getresponse().headers.get("date", "")
        after = time.time()
        # The header cuts the second off: half of one is what it means on average.
        return parsedate_to_datetime(date).timestamp() + 0.5 - (before + after) / 2
    except (OSError, HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()
