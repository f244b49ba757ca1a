"""The issuer from the name to the registration: each step is taken only where the one before it worked."""

from bff.cli.checks.line import Way, check_line
from bff.cli.checks.outcome import Outcome, Status
from bff.cli.checks.reach_issuer import check_issuer
from bff.cli.checks.registration import check_credentials, check_redirect, tell_addresses
from bff.config.settings import Settings
from bff.errors import IssuerUnavailable, MetadataInvalid
from bff.oidc.metadata import discovery_url, parse_metadata
from bff.oidc.transport import IssuerTransport


async def check_issuer_in_depth(settings: Settings) -> list[Outcome]:
    """Its line, its documents, and whether it knows us."""
    issuer = settings.oidc.issuer
    outcomes = await check_line(Way(issuer, "issuer", "oidc.issuer", settings.oidc.timeout))
    if any(outcome.status is Status.FAIL for outcome in outcomes):
        return [*outcomes, tell_addresses(settings)]
    outcomes += [*await check_issuer(settings), tell_addresses(settings)]
    transport = IssuerTransport(timeout=settings.oidc.timeout)
    try:
        metadata = parse_metadata(await transport.get_json(discovery_url(issuer)), issuer)
        return [
            *outcomes,
            await check_credentials(metadata, settings, transport),
            await check_redirect(metadata, settings),
        ]
    except (IssuerUnavailable, MetadataInvalid):
        return outcomes  # which say so already
    finally:
        await transport.close()
