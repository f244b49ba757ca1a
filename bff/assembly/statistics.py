"""The statistics of a worker, on the tally of its store."""

from collections.abc import Callable

from bff.access.statistics import Statistics
from bff.config.settings import Settings
from bff.events import Emit
from bff.session.records import Store
from bff.session.stores import tally_of


def build_statistics(settings: Settings, store: Store, clock: Callable[[], float], emit: Emit) -> Statistics:
    """Return them, not yet started. `emit` is for the operator's log: what is counted comes by `record`."""
    return Statistics(
        tally=tally_of(store),
        count_sessions=store.count,
        rule=settings.tokens.max_access_token_lifetime,
        clock=clock,
        emit=emit,
    )
