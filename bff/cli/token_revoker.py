"""Revoking refresh tokens at the issuer from the command line, where sessions open without their cookie."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import rich_click as click

from bff.cli.session_store import Opened
from bff.config.settings import AtRest
from bff.errors import IssuerUnavailable
from bff.events import Emit
from bff.from_settings import build_client, build_token_rules
from bff.oidc.quirks import quirks_for
from bff.oidc.relying_party import RelyingParty
from bff.oidc.transport import IssuerTransport
from bff.session.background import Background
from bff.session.ending import RevokeTokens
from bff.session.leftovers import Leftovers
from bff.session.revocation import Revocations


@asynccontextmanager
async def token_revoker(opened: Opened, emit: Emit) -> AsyncIterator[RevokeTokens | None]:
    """Yield what revokes tokens at the issuer, where the server's key alone opens them and the issuer answers."""
    settings = opened.settings
    if settings.session.at_rest is not AtRest.SERVER:
        yield None
        return
    relying_party = RelyingParty(
        build_client(settings),
        build_token_rules(settings),
        IssuerTransport(timeout=settings.oidc.timeout),
        quirks=quirks_for(settings.oidc.provider),
    )
    try:
        await relying_party.ensure_ready()
    except IssuerUnavailable:
        click.echo("the issuer does not answer: refresh tokens are revoked when cookies are seen again", err=True)
        yield None
    else:
        revocations = Revocations(relying_party.revoke, Background(emit), emit)
        yield Leftovers(opened.store, opened.vault, revocations, opened.clock).revoke_without_cookie
    finally:
        await relying_party.close()
