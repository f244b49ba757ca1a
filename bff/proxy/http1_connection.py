"""One connection to an upstream that speaks HTTP/1.1: a request at a time, and its answer as it comes (RFC 9112).

Parsing is llhttp's, with every leniency off. What is here is what a parser cannot know: whose answer it is, how
much of it may wait, how long to wait for it, and whether the connection may carry another request.
"""

import asyncio
from enum import IntEnum
from math import inf
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.http1_answer import MAX_HEAD, ends_a_head, has_length, is_too_large
from bff.proxy.upstream_tls import is_said_to_end

KEEP_IDLE = 30.0  # seconds that a connection is kept while nobody uses it
_HOLD = 64 * 1024  # bytes of a body that may wait for the browser before the upstream has to
_BARREN = 256 * 1024  # bytes that may come without being part of a body: a head, trailers, extensions of chunks


class Stage(IntEnum):
    """How far the answer has come."""

    IDLE = 0  # none is awaited
    HEAD = 1
    BODY = 2
    COMPLETE = 3


class Connection(asyncio.Protocol):
    """See the module. It is `bff.proxy.lines.LineAnswer` too: that of the request it carries."""

    def __init__(self, patience: float, loop: asyncio.AbstractEventLoop) -> None:
        """Take the seconds to wait for the head of an answer, and for each part of its body."""
        self._patience = patience
        self._loop = loop
        self._stage = Stage.IDLE
        self._lost = False
        self._failure: BaseException | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._held = 0
        self._barren = 0
        self._paused = False
        self._keep = True
        self._has_no_body = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._upload: asyncio.Task[None] | None = None
        self._due = inf
        self._idle_since = loop.time()

    # There from the connection on:
    _transport: asyncio.Transport
    _parser: HttpResponseParser
    _timer: asyncio.TimerHandle
    _looks_at: float

    # ── what is done with it ────────────────────────────────────────────────────────────────────────────

    @property
    def is_ready(self) -> bool:
        """Whether it may carry a request."""
        return self._stage is Stage.IDLE and not self._lost

    def begin(self, head: bytes, *, has_no_body: bool) -> None:
        """Send the head of a request, perhaps with its body; `has_no_body` when its answer has none (to HEAD)."""
        if self._has_no_body:  # its parser still waits for a body
            self._parser = HttpResponseParser(self)
        self._stage = Stage.HEAD
        self.headers = []
        self._barren = 0
        self._has_no_body = has_no_body
        self._transport.write(head)

    def upload(self, task: asyncio.Task[None]) -> None:
        """Note what sends the body, which ends with the call. Its failure is the connection's."""
        self._upload = task
        task.add_done_callback(self._uploaded)

    async def write(self, data: bytes) -> None:
        """Send a part of a body once there is room for it; raises `UpstreamUnreachable`."""
        if self._drained is not None:
            await self._drained
        if self._lost:
            raise UpstreamUnreachable
        self._transport.write(data)

    def arrival(self) -> asyncio.Future[None]:
        """Wait for the head of the answer, or for the next part of its body; raises what broke the upload, too.

        Raises:
            UpstreamUnreachable: the connection broke, or what came is no answer.
            UpstreamTimeout: nothing came in time.
        """
        waiter = self._loop.create_future()
        if self._failure is not None:
            waiter.set_exception(self._failure)
            return waiter
        self._waiter = waiter
        self._due = due = self._loop.time() + self._patience
        if due < self._looks_at:
            self._timer.cancel()
            self._look_later(due)
        return waiter

    def whole(self) -> bytes | None:
        """See `UpstreamResponse.whole`."""
        return self._take() if self._stage is Stage.COMPLETE else None

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        while not self._parts:
            if self._stage is Stage.COMPLETE:
                return None
            await self.arrival()
        return self._take()

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._held = 0
        self._read_on()
        return data

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    async def close(self) -> None:
        """End the call. The connection is kept when nothing of the answer, nor of the request, is left on it."""
        if self._stage is not Stage.COMPLETE or not self._keep or self._upload is not None:
            self.abort()
            return
        if self._parts:
            self._parts.clear()
            self._held = 0
        self._read_on()
        self._stage = Stage.IDLE
        self._idle_since = self._loop.time()

    def abort(self) -> None:
        """Break it off at once, wherever it is."""
        self._lost = True
        self._timer.cancel()
        if self._upload is not None:
            self._upload.cancel()
        self._transport.abort()

    # ── asyncio.Protocol ────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = HttpResponseParser(self)
        self._look_later(self._loop.time() + min(self._patience, KEEP_IDLE))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._stage is Stage.IDLE:  # an answer that nobody asked for must not become somebody's
            self.abort()
            return
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):  # the latter: a change of protocol that nobody asked for
            self._fail(UpstreamUnreachable())
            return
        if self._barren > _BARREN:
            self._fail(UpstreamUnreachable())
        elif self._has_no_body and self._stage is Stage.COMPLETE and not ends_a_head(data):
            self._keep = False

    def eof_received(self) -> None:
        """See `asyncio.Protocol`. A body without a length ends here (RFC 9112 §6.3), and no other may."""
        self._keep = False
        if self._stage is Stage.IDLE:
            self._lost = True  # which the event loop tells a moment later
        elif self._stage is Stage.BODY and not has_length(self.headers) and is_said_to_end(self._transport):
            self._stage = Stage.COMPLETE
            self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._lost = True
        self._timer.cancel()
        del self._parser  # each holds the other
        if self._failure is None:
            self._failure = UpstreamUnreachable()
        if self._upload is not None:
            self._upload.cancel()
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # ── what the parser finds ───────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """Another answer after the one that was asked for is none of ours."""
        if self._stage is not Stage.HEAD:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come this way too, and are dropped (RFC 9110 §6.5.1)."""
        if self._stage is Stage.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Interim answers are left out (RFC 9110 §15.2)."""
        if self._stage is not Stage.HEAD:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers = []
            return
        if self._barren > MAX_HEAD and is_too_large(self.headers):  # the former counts what came with it, too
            self._fail(UpstreamUnreachable())
            return
        self._stage = Stage.BODY
        if self._has_no_body:
            self._stage = Stage.COMPLETE
            self._keep = self._parser.should_keep_alive()
        self._wake()

    def on_body(self, data: bytes) -> None:
        """See `read`."""
        if self._stage is not Stage.BODY:
            self._keep = False
            return
        self._parts.append(data)
        self._held += len(data)
        self._barren = 0
        if self._held > _HOLD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """See `on_headers_complete`: interim answers end as well."""
        if self._stage is Stage.BODY:
            self._stage = Stage.COMPLETE
            self._keep = self._parser.should_keep_alive()
            self._wake()

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None:
            return
        self._waiter, self._due = None, inf
        if waiter.done():  # whoever waited has been cancelled
            return
        if self._failure is None or self._parts or self._stage is Stage.COMPLETE:
            waiter.set_result(None)
        else:
            waiter.set_exception(self._failure)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self.abort()
        self._wake()

    def _uploaded(self, task: "asyncio.Task[None]") -> None:
        self._upload = None
        if task.cancelled():
            self._keep = False
        elif (error := task.exception()) is not None and self._failure is None:
            self._fail(error if self._stage is Stage.HEAD else UpstreamUnreachable())

    def _look(self) -> None:
        """One timer for the connection's whole life: a call hardly ever sets one."""
        now = self._loop.time()
        if self._due <= now:
            self._fail(UpstreamTimeout())
        elif self._stage is not Stage.IDLE:
            self._look_later(min(self._due, now + KEEP_IDLE))
        elif self._idle_since + KEEP_IDLE <= now:
            self.abort()
        else:
            self._look_later(self._idle_since + KEEP_IDLE)

    def _look_later(self, at: float) -> None:
        self._looks_at = at
        self._timer = self._loop.call_at(at, self._look)
