"""The last answers of a worker: each closes its connection, so that no client sends another request on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]

QUIET = 0.3  # seconds without a request after which none is on its way
_LOOK_EVERY = 0.02  # seconds
_CLOSE = (b"connection", b"close")


class Draining:
    """The application, until it stops. Costs a request nothing but one look before that."""

    def __init__(self, app: App, is_connected: Callable[[], bool]) -> None:
        self._app = app
        self._is_connected = is_connected
        self._closes = False
        self._under_way = 0
        self._last_at = 0.0

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Serve one connection or the life cycle."""
        if self._closes and scope["type"] == "http":
            return self._last(scope, receive, send)
        return self._app(scope, receive, send)

    def close_connections(self) -> None:
        """From now on each connection ends with the answer to its next request (RFC 9112 §9.6)."""
        self._closes = True
        self._last_at = time.monotonic()

    async def quiet(self) -> None:
        """Return once nobody is connected, or no connection has been used for a moment."""
        while self._is_connected():
            if not self._under_way and time.monotonic() > self._last_at + QUIET:
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _last(self, scope: Any, receive: Any, send: Any) -> None:
        is_named = scope["http_version"] != "2"  # where connections are not closed by a header

        async def send_last(message: Any) -> None:
            if is_named and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        self._under_way += 1
        try:
            await self._app(scope, receive, send_last)
        finally:
            self._under_way -= 1
            self._last_at = time.monotonic()
