"""The relying party: our side of the issuer."""

from collections.abc import Callable

from bff.config.settings import Settings
from bff.events import Emit
from bff.from_settings import build_client, build_token_rules
from bff.oidc.quirks import quirks_for
from bff.oidc.relying_party import RelyingParty
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import IssuerTransport


def build_relying_party(
    settings: Settings,
    transport: IssuerTransport,
    clock: Callable[[], float],
    emit: Emit,
    on_unused: Callable[[TokenSet], None],
) -> RelyingParty:
    """Return it, not yet started; `on_unused` gets tokens that were granted and that nobody will use."""
    return RelyingParty(
        build_client(settings),
        build_token_rules(settings),
        transport,
        clock=clock,
        on_event=emit,
        on_unused=on_unused,
        quirks=quirks_for(settings.oidc.provider),
    )
