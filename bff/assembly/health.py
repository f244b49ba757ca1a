"""How a worker feels, from what it stands on."""

from collections.abc import Callable

from bff.oidc.relying_party import RelyingParty
from bff.session.changes import ChangeFeed
from bff.session.records import Store
from bff.web.management import Health


def build_health(
    store: Store, feed: ChangeFeed, relying_party: RelyingParty, is_draining: Callable[[], bool], version: str
) -> Health:
    """Return what `/health` answers with."""
    return Health(
        ping_store=store.ping,
        pushes_arrive=lambda: feed.trusted,
        issuer_ready=lambda: relying_party.ready,
        issuer_error=lambda: relying_party.last_error,
        is_draining=is_draining,
        version=version,
    )
