"""What forwards: one request to a route's upstream, and its answer as it comes."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bff.errors import UpstreamTimeout
from bff.proxy.routes import Route

Body = bytes | AsyncIterator[bytes] | None
Headers = list[tuple[str, str]]


class UpstreamResponse(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: list[tuple[bytes, bytes]]

    def whole(self) -> bytes | None:
        """Return the whole body where it has come already and nothing of it has been read; None otherwise."""
        ...

    async def read(self) -> bytes | None:
        """Return the next chunk as it came, None at the end; raises what `Upstream.open` raises."""
        ...


class Upstream(Protocol):
    """Sends one request and streams the answer."""

    def open(
        self, route: Route, method: str, target: str, headers: Headers, body: Body
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Send. `target` is what comes after the upstream's own path: the rest of the path, and the query.

        Raises:
            UpstreamUnreachable: no connection, or it broke.
            UpstreamTimeout: no answer, or no further byte, within the route's timeouts.
            UpstreamBusy: all connections to it are in use.
        """
        ...

    def start(self) -> None:
        """Begin what runs beside the requests."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class ConnectTimeout(UpstreamTimeout):
    """No connection came about in time: nothing has been sent."""
