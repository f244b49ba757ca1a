"""The limits of one worker, from the settings: what is not configured is not there, and costs nothing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from limits.aio.storage import RedisStorage

from bff.config.settings import Settings
from bff.config.value_types import Rate
from bff.events import Emit
from bff.proxy.limits import Counters, Crowd, Gate, RateLimit

_SCHEMES = {"redis": "async+redis", "rediss": "async+rediss", "unix": "async+redis+unix"}


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What is limited, and where it is counted."""

    gate: Gate  # for API calls
    logins: RateLimit | None
    counters: Counters | None

    async def close(self) -> None:
        """Let go of the connections."""
        if self.counters is not None:
            await self.counters.close()


def build_limits(settings: Settings, emit: Emit) -> WorkerLimits:
    """Return the limits of one worker."""
    limits, server = settings.limits, settings.server
    crowd = None
    if server.max_concurrent_requests is not None or server.max_concurrent_per_session is not None:
        most = server.max_concurrent_requests
        share = math.ceil(most / server.workers) if most is not None else None
        crowd = Crowd(share, server.max_concurrent_per_session)
    rates = (limits.per_session, limits.per_address, limits.logins_per_address)
    counters = Counters(_open_storage(settings), emit) if any(rates) else None
    build = _limit_builder(counters, emit)
    per_session = build("session", limits.per_session)
    per_address = build("address", limits.per_address)
    return WorkerLimits(Gate(per_address, per_session, crowd), build("login", limits.logins_per_address), counters)


def _limit_builder(counters: Counters | None, emit: Emit) -> Callable[[str, Rate | None], RateLimit | None]:
    def build(name: str, rate: Rate | None) -> RateLimit | None:
        if rate is None or counters is None:
            return None
        return RateLimit(name, rate.amount, rate.seconds, counters, emit)

    return build


def _open_storage(settings: Settings) -> RedisStorage | None:
    """Return the sessions' Redis as a place to count in; None for stores of another kind."""
    scheme, _, rest = settings.session.store.reveal().partition(":")
    if scheme not in _SCHEMES:
        return None
    address, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    prefix = options.pop("prefix", "bff")  # ours, which redis-py does not know
    return RedisStorage(
        f"{_SCHEMES[scheme]}:{address}" + (f"?{urlencode(options)}" if options else ""),
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=f"{prefix}:limits",
        socket_timeout=settings.session.store_timeout,
        socket_connect_timeout=settings.session.store_timeout,
    )
