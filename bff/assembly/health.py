"""How a worker feels, from what it stands on."""

from collections.abc import Callable

from bff.assembly.keys import KeyWatch
from bff.oidc.relying_party import RelyingParty
from bff.session.changes import ChangeFeed
from bff.session.records import Store
from bff.web.management import Health


def build_health(
    store: Store,
    feed: ChangeFeed,
    relying_party: RelyingParty,
    keys: KeyWatch | None,
    is_draining: Callable[[], bool],
    version: str,
) -> Health:
    """Return what `/health` answers with. A start is over when the issuer has been asked, whatever came of it."""
    return Health(
        ping_store=store.ping,
        pushes_arrive=lambda: feed.trusted,
        issuer_ready=lambda: relying_party.ready,
        issuer_error=lambda: relying_party.last_error,
        is_started=lambda: relying_party.ready or relying_party.last_error is not None,
        keys_error=lambda: keys.error if keys is not None else None,
        is_draining=is_draining,
        version=version,
    )
