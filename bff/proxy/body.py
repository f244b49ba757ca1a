"""Request bodies: small ones read whole and sent in one write, others streamed as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from bff.errors import BadRequest, BffError, BodyTooLarge
from bff.proxy.asgi import Receive
from bff.proxy.head import RequestHead
from bff.proxy.long_answers import Flow

_SMALL = 64 * 1024  # bytes
_READ_AWAY = 64 * 1024 * 1024  # bytes
_READ_AWAY_FOR = 2.0  # seconds
_SLOW = 30.0  # seconds without a byte from the browser


class BrowserGone(Exception):
    """The browser went away while it was sending."""


def check_size(head: RequestHead, limit: int) -> None:
    """Raise `BodyTooLarge` for a body that says itself that it is."""
    if head.content_length is not None and head.content_length > limit:
        raise BodyTooLarge(limit=limit)


async def read_away(receive: Receive, headers: Sequence[tuple[bytes, bytes]], error: BffError) -> None:
    """Take what is still coming of a body that is too large, a while and an amount at most, before it is answered.

    An answer to half a body is followed by a reset, and whoever was still sending, above all a proxy, makes a 502
    of it. Not for those who ask first: they have not begun.
    """
    if not isinstance(error, BodyTooLarge) or any(name == b"expect" for name, _ in headers):
        return
    taken = 0
    try:
        async with asyncio.timeout(_READ_AWAY_FOR):
            while taken < _READ_AWAY:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                taken += len(message.get("body", b""))
    except TimeoutError:
        return


async def read_small(receive: Receive, head: RequestHead) -> bytes | None:
    """Return the whole body when it is small and its size is known; None when it must be streamed."""
    if head.chunked or head.content_length is None or head.content_length > _SMALL:
        return None
    parts: list[bytes] = []
    missing = head.content_length
    while missing > 0:
        chunk, more = await _next(receive)
        parts.append(chunk)
        missing -= len(chunk)
        if not more and missing > 0:
            raise BadRequest("The body is shorter than its Content-Length.")
    return b"".join(parts)


class Upload:
    """A body on its way. Remembers why it broke, since the line in between may report only that it did."""

    def __init__(self, receive: Receive, limit: int, timeout: float) -> None:
        self._receive = receive
        self._limit = limit
        self._timeout = timeout
        self.failure: BodyTooLarge | BadRequest | BrowserGone | None = None
        self.on_end: Callable[[], None] | None = None  # called once the whole body has come
        self.deadline: asyncio.Timeout | None = None  # how long the upstream may take, from the last byte on
        self.flow = Flow(is_events=False, is_bounded=True)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body; each chunk moves the upstream's deadline."""
        size = 0
        more = True
        try:
            while more:
                self._extend(_SLOW + self._timeout)
                chunk, more = await _next(self._receive)
                self._extend(self._timeout)
                self.flow.moved = True
                size += len(chunk)
                if size > self._limit:
                    raise BodyTooLarge(limit=self._limit)
                if not more and self.on_end is not None:
                    self.on_end()
                if chunk:
                    yield chunk
        except (BodyTooLarge, BadRequest, BrowserGone) as error:
            self.failure = error
            raise

    def _extend(self, seconds: float) -> None:
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout(_SLOW):
            message = await receive()
    except TimeoutError as error:
        raise BadRequest("The body stopped coming.") from error
    if message["type"] == "http.disconnect":
        raise BrowserGone
    return message.get("body", b""), message.get("more_body", False)
