"""The issuer's metadata, fetched, kept and kept fresh (OIDC Discovery §4)."""

import time
from collections.abc import Callable, Collection

from bff.errors import IssuerUnavailable, MetadataInvalid
from bff.oidc.client import Client
from bff.oidc.events import OnEvent, ignore_event
from bff.oidc.metadata import MAX_DOCUMENT, Metadata, discovery_url, parse_metadata, weaknesses
from bff.oidc.single_flight import SingleFlight
from bff.oidc.transport import IssuerTransport

FIRST_BACK_OFF, LAST_BACK_OFF = 1.0, 60.0  # seconds


class Discovery:
    """Holds the last good metadata: an issuer that is down, or says nonsense, changes nothing that works.

    `last_error` is a sentence for operators, None while all is well.
    """

    def __init__(
        self,
        client: Client,
        transport: IssuerTransport,
        *,
        algorithms: Collection[str],
        monotonic: Callable[[], float] = time.monotonic,
        on_event: OnEvent = ignore_event,
    ) -> None:
        self.metadata: Metadata | None = None
        self.last_error: str | None = None
        self._client = client
        self._algorithms = algorithms
        self._url = discovery_url(client.issuer)
        self._transport = transport
        self._monotonic = monotonic
        self._on_event = on_event
        self._flight: SingleFlight[Metadata] = SingleFlight(self._fetch)
        self._back_off = 0.0  # seconds; 0 after a success
        self._retry_at = 0.0  # monotonic

    async def ensure(self) -> Metadata:
        """Return the metadata, asking for it now if there is none.

        Raises `IssuerUnavailable` at once while the last failure is too fresh, so that nobody queues behind a dead
        issuer.
        """
        if self.metadata is not None:
            return self.metadata
        wait = self._retry_at - self._monotonic()
        if self._back_off and wait > 0:
            raise IssuerUnavailable(self.last_error, retry_after=max(1, round(wait)))
        return await self._flight.join()

    async def refresh(self) -> Metadata:
        """Ask again now. Raises `IssuerUnavailable`; the last good copy stays."""
        return await self._flight.join()

    async def close(self) -> None:
        """Give up a request that is under way."""
        await self._flight.cancel()

    async def _fetch(self) -> Metadata:
        try:
            document = await self._transport.get_json(self._url, max_size=MAX_DOCUMENT)
            metadata = parse_metadata(document, self._client.issuer)
        except (IssuerUnavailable, MetadataInvalid) as exc:
            self._back_off = min(max(self._back_off * 2, FIRST_BACK_OFF), LAST_BACK_OFF)
            self._retry_at = self._monotonic() + self._back_off
            self.last_error = exc.detail
            self._on_event("discovery_failed", {"reason": exc.detail, "retry_in": self._back_off})
            raise IssuerUnavailable(exc.detail, retry_after=max(1, round(self._back_off))) from exc
        if self.metadata is None or self.last_error is not None:
            self._on_event("discovery_succeeded", {})
            for weakness in weaknesses(metadata, self._client.auth_method, self._algorithms):
                self._on_event("issuer_metadata_weak", {"reason": weakness})
        self.metadata, self.last_error, self._back_off = metadata, None, 0.0
        return metadata
