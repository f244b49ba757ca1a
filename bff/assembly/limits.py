"""The limits of one worker, from the settings: what is not configured is not there, and costs nothing."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bff.config.settings import Settings
from bff.config.value_types import Rate
from bff.events import Emit
from bff.proxy.limits import Crowd, Gate, Hit, RateLimit


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What is limited, and how the counting ends."""

    gate: Gate  # for API calls
    logins: RateLimit | None
    close: Callable[[], Awaitable[None]]


def build_limits(settings: Settings, emit: Emit) -> WorkerLimits:
    """Return the limits of one worker."""
    limits, server = settings.limits, settings.server
    crowd = None
    if server.max_concurrent_requests is not None or server.max_concurrent_per_session is not None:
        most = server.max_concurrent_requests
        share = math.ceil(most / server.workers) if most is not None else None
        crowd = Crowd(share, server.max_concurrent_per_session)
    if not any((limits.per_session, limits.per_address, limits.logins_per_address)):
        return WorkerLimits(Gate(crowd=crowd), None, _nothing_to_close)

    from bff.proxy.rate_counters import Counters, open_redis  # noqa: PLC0415 - see there

    counters = Counters(open_redis(settings.session.store.reveal(), settings.session.store_timeout), emit)

    def build(name: str, rate: Rate | None) -> RateLimit | None:
        if rate is None:
            return None
        hit: Hit = counters.limit(name, rate.amount, rate.seconds)
        return RateLimit(name, rate.amount, rate.seconds, hit, emit)

    gate = Gate(build("address", limits.per_address), build("session", limits.per_session), crowd)
    return WorkerLimits(gate, build("login", limits.logins_per_address), counters.close)


async def _nothing_to_close() -> None:
    """Nothing was opened."""
