"""The issuer's keys, fetched, kept, and fetched again when a token names one that is new (OIDC Core §10.1.1)."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachetools import TTLCache

from bff.errors import IssuerUnavailable, MetadataInvalid
from bff.oidc.events import OnEvent, ignore_event
from bff.oidc.jose import TokenFault, UnverifiedToken, VerificationKey, check_signature
from bff.oidc.keys import is_known, parse_jwks, select_keys
from bff.oidc.single_flight import SingleFlight

MAX_AGE = 3600.0  # seconds until the set is read again in the background
COOL_DOWN = 30.0  # seconds between two reads that tokens cause
FIRST_BACK_OFF = 1.0  # seconds after a failure; doubles up to the cool-down
MISS_MEMORY = 60.0  # seconds for which a name that the issuer did not know is remembered
MAX_MISSES = 1024


@dataclass(slots=True)
class _Gate:
    """When tokens of one origin may next make us read the key set, and which names were not in it."""

    misses: TTLCache[str, bool]
    opens_at: float = field(default=0.0)  # monotonic


class KeyCache:
    """Checks signatures with the issuer's current keys.

    Tokens that the issuer handed us over its own connection and tokens that anyone may post have a gate each, so
    that a flood of junk neither makes us hammer the issuer nor keeps us from following its key rotation.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_event: OnEvent = ignore_event,
    ) -> None:
        self.last_error: str | None = None
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetch_document = fetch
        self._monotonic = monotonic
        self._on_event = on_event
        self._flight: SingleFlight[None] = SingleFlight(self._fetch)
        self._stale_at = 0.0  # monotonic
        self._retry_at = 0.0  # monotonic; after a failure
        self._back_off = 0.0  # seconds; 0 after a success
        self._gates = {trusted: self._new_gate() for trusted in (True, False)}

    @property
    def ready(self) -> bool:
        """Whether there are keys to check with."""
        return bool(self._keys)

    async def ensure(self) -> None:
        """Have keys: read them if there are none, and again in the background when they have aged.

        Raises `IssuerUnavailable`, at once while the last failure is too fresh.
        """
        now = self._monotonic()
        if self._keys and now < self._stale_at:
            return
        may_ask = now >= self._retry_at
        if self._keys:
            if may_ask:
                self._flight.begin()
        elif may_ask or self._flight.running:
            await self._flight.join()
        else:
            raise IssuerUnavailable(self.last_error, retry_after=max(1, round(self._retry_at - now)))

    async def check_signature(
        self, token: UnverifiedToken, require: Collection[str], *, trusted: bool
    ) -> VerificationKey:
        """Return the one of the issuer's keys that made the signature.

        A name that is not in the set, or a token without one that no key fits, makes us read the set again: once,
        and not within the cool-down. Raises `TokenFault`, or `IssuerUnavailable` when keys cannot be had now.
        """
        await self.ensure()
        known = is_known(self._keys, token.kid)
        try:
            return check_signature(token, select_keys(self._keys, token.alg, token.kid), require)
        except TokenFault as fault:
            if known or fault.reason != "bad_signature":
                raise
        await self._read_again(token, trusted=trusted)
        candidates = select_keys(self._keys, token.alg, token.kid)
        if not candidates:
            raise TokenFault("unknown_key")
        return check_signature(token, candidates, require)

    async def close(self) -> None:
        """Give up a request that is under way."""
        await self._flight.cancel()

    async def _read_again(self, token: UnverifiedToken, *, trusted: bool) -> None:
        gate, now = self._gates[trusted], self._monotonic()
        if token.kid is not None and token.kid in gate.misses:
            raise TokenFault("unknown_key")
        if now < gate.opens_at and not self._flight.running:
            self._on_event("jwks_throttled", {"retry_in": round(gate.opens_at - now)})
            if trusted:
                raise IssuerUnavailable(retry_after=max(1, round(gate.opens_at - now)))
            raise TokenFault("unknown_key")  # fail closed, and let whoever posted it come again
        gate.opens_at = max(gate.opens_at, now + COOL_DOWN)
        await self._flight.join()
        if token.kid is not None and not is_known(self._keys, token.kid):
            gate.misses[token.kid] = True

    async def _fetch(self) -> None:
        try:
            keys = parse_jwks(await self._fetch_document())
        except (IssuerUnavailable, MetadataInvalid) as exc:
            self._back_off = min(max(self._back_off * 2, FIRST_BACK_OFF), COOL_DOWN)
            self._retry_at = self._monotonic() + self._back_off
            self.last_error = exc.detail
            self._on_event("jwks_failed", {"reason": exc.detail})
            raise IssuerUnavailable(exc.detail, retry_after=max(1, round(self._back_off))) from exc
        self._keys, self._stale_at = keys, self._monotonic() + MAX_AGE
        self._back_off, self.last_error = 0.0, None
        self._on_event("jwks_fetched", {"keys": len(keys)})

    def _new_gate(self) -> _Gate:
        return _Gate(TTLCache(maxsize=MAX_MISSES, ttl=MISS_MEMORY, timer=self._monotonic))
