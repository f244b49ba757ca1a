"""An open socket: messages pass both ways, one at a time, until one side or we ourselves end it."""

import asyncio
from dataclasses import dataclass

from bff.proxy.asgi import Receive, Send
from bff.proxy.body import BrowserGone
from bff.proxy.call import Call
from bff.proxy.closing import (
    GOING_AWAY,
    IDLE,
    MALFORMED,
    NO_STATUS,
    TOO_BIG,
    Close,
    Ending,
    close_for,
    close_from_browser,
)
from bff.proxy.routes import SocketRules
from bff.proxy.websocket_upstream import Data, UpstreamClosed, UpstreamSocket

_PATIENCE = 1.0  # seconds that a browser has to take a close before its connection is cut


@dataclass(frozen=True, slots=True)
class End:
    """What each side is told; None for the side that said so itself."""

    browser: Close | None
    upstream: Close | None
    by: str = "bff"  # or "browser", "upstream"


class Relay:
    """One socket. Nothing waits in here but the message that is on its way, in each direction."""

    kind = "websocket"  # see `OpenCall.kind`

    def __init__(
        self, call: Call, rules: SocketRules, receive: Receive, send: Send, upstream: UpstreamSocket
    ) -> None:
        self.call = call
        self._rules = rules
        self._receive = receive
        self._send = send
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._used = False
        self._end: asyncio.Future[End] = self._loop.create_future()

    # ── as a call that stays open ───────────────────────────────────────────────────────────────────────

    def end(self, why: Ending) -> None:
        """Close both sides."""
        self._decide(End(close_for(why), GOING_AWAY))

    def take_use(self) -> bool:
        """What the page sends is use; what it is sent is none, for that goes on when nobody is there."""
        used, self._used = self._used, False
        return used

    def tick(self, draining_for: float | None) -> None:
        """Close when the worker stops, or when nothing has passed for too long."""
        if draining_for is not None:
            self.end(Ending.DRAINING)
        elif self._loop.time() - self._moved_at > self._rules.idle_timeout:
            self._decide(End(IDLE, IDLE))

    # ── as a relay ──────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> End:
        """Relay until the end, and tell both sides of it."""
        pumps = [
            self._loop.create_task(self._upwards(), name="websocket-up"),
            self._loop.create_task(self._downwards(), name="websocket-down"),
        ]
        try:
            await asyncio.wait([self._end, *pumps], return_when=asyncio.FIRST_COMPLETED)
            first = next((pump for pump in pumps if pump.done() and not self._end.done()), None)
            end = await first if first is not None else await self._end
        finally:
            # Before anything is closed: the server sends no close while somebody reads, or while a message waits.
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
        await asyncio.gather(self._tell_browser(end.browser), self._tell_upstream(end.upstream))
        return end

    async def _upwards(self) -> End:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return _end_by_browser(message.get("code"), message.get("reason") or "")
            data: Data = message["text"] if message.get("text") is not None else message["bytes"]
            if _is_longer(data, self._rules.max_message):
                return End(TOO_BIG, TOO_BIG)
            self._used = True
            self._moved_at = self._loop.time()
            try:
                await self._upstream.send(data)
            except UpstreamClosed as closed:
                return End(closed.close, None, "upstream")

    async def _downwards(self) -> End:
        while True:
            try:
                data = await self._upstream.receive()
            except UpstreamClosed as closed:
                return End(closed.close, None, "upstream")
            kind = "text" if isinstance(data, str) else "bytes"
            try:
                await self._send({"type": "websocket.send", kind: data})
            except (OSError, RuntimeError):  # how servers say that the browser has gone
                return End(None, Close(None), "browser")
            self._moved_at = self._loop.time()

    def _decide(self, end: End) -> None:
        if not self._end.done():
            self._end.set_result(end)

    async def _tell_browser(self, close: Close | None) -> None:
        if close is None or close.code is None:  # a server closes without a status when the handler returns
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        except (TimeoutError, OSError, RuntimeError):
            return  # it reads nothing, or is gone; the server cuts the connection when the handler returns

    async def _tell_upstream(self, close: Close | None) -> None:
        if close is not None:
            await self._upstream.close(close)


async def accept(send: Send, subprotocol: str | None, request_id: str) -> None:
    """Open the browser's half.

    Raises:
        BrowserGone: it did not wait for that.
    """
    try:
        headers = [(b"x-request-id", request_id.encode("ascii"))]
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
    except (OSError, RuntimeError) as error:
        raise BrowserGone from error


def _end_by_browser(code: int | None, reason: str) -> End:
    # The server tells of a frame that it could not read, or that was too large for it, as of a close without a
    # status: whoever did close so is past hearing this, and whoever sent such a frame should know.
    is_unclear = code is None or code == NO_STATUS
    told = close_from_browser(None if is_unclear else code, reason)
    return End(MALFORMED if is_unclear else None, told, "browser")


def _is_longer(data: Data, limit: int) -> bool:
    """Whether a message has more bytes than that; text is counted as UTF-8."""
    if len(data) > limit:
        return True
    return isinstance(data, str) and len(data) * 4 > limit and len(data.encode()) > limit
