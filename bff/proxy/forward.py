"""Step seven: the request goes up, the answer comes down, nothing is kept and nothing is waited for in between."""

import asyncio
from contextlib import AbstractAsyncContextManager

from bff.errors import (
    AccessDenied,
    BadRequest,
    BffError,
    ServerBusy,
    SessionExpired,
    UpstreamBusy,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from bff.events import Emit
from bff.http.cookies import keep_cookies
from bff.proxy.answer import build_answer_headers
from bff.proxy.asgi import Receive, Scope, Send
from bff.proxy.body import BrowserGone, Upload, read_small
from bff.proxy.call import Call
from bff.proxy.closing import Ending
from bff.proxy.failures import Failures
from bff.proxy.forwarded import Forwarding, trace_header
from bff.proxy.hangups import Hangups
from bff.proxy.long_answers import Flow
from bff.proxy.refusals import Refusals
from bff.proxy.streams import OpenCalls
from bff.proxy.upstream import Body, Upstream, UpstreamResponse

_LARGE = 64 * 1024  # bytes: what is smaller is gone before anybody could want to cut it


class Forwarder:
    """Carries calls to their upstream."""

    def __init__(
        self,
        upstream: Upstream,
        forwarding: Forwarding,
        cookie_name: str,
        emit: Emit,
        opened: OpenCalls | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._upstream = upstream
        self._refusals = refusals
        self._forwarding = forwarding
        self._cookie_name = cookie_name.encode("ascii")
        self._emit = emit
        self._hangups = Hangups(opened)
        self.failures = Failures(emit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        """Forward and stream the answer.

        Raises:
            UpstreamUnreachable, UpstreamTimeout, UpstreamBusy, BodyTooLarge, BadRequest, StepUpRequired: while
                nothing has been answered yet. An answer that breaks later is cut, so that it never looks complete
                (RFC 9112 §8).
        """
        task, timing = self._hangups.current(), call.timing
        try:
            body = await self._body(receive, call) if call.head.has_body else None
            if isinstance(body, Upload):
                body.on_end = lambda: self._hangups.watch(task, receive, call)
                self._hangups.flows(task, body.flow)
                self._hangups.look_after(task, call)
                try:
                    await self._upload(scope, send, call, body)
                finally:
                    body.on_end = None  # the line may read on for a moment, and this call is over
            else:
                self._hangups.watch(task, receive, call)
                timing.ask()
                async with self._open(scope, call, body) as response:
                    timing.hear()
                    another = await self._another(call, response) if response.status == 401 else None
                    if another is None:
                        await self._answer(scope, send, call, response)
                        return
                timing.ask()
                async with self._repeat(scope, call, body, another) as response:
                    timing.hear()
                    await self._answer(scope, send, call, response)
        except (UpstreamUnreachable, UpstreamTimeout, UpstreamBusy) as error:
            self.failures.note(call.route, error.code, call.request_id)
            raise
        except BrowserGone as error:
            # Whoever sent chunks that are none is still there to read this (RFC 9112 §7.1); nobody else is.
            raise BadRequest("The body broke off, or is not framed as HTTP.") from error
        except asyncio.CancelledError:
            ending = self._hangups.ending(task)
            if ending is None and not self._hangups.is_gone(task):
                raise
            task.uncancel()
            if ending is not None:  # nothing has been answered yet
                raise _refusal(ending) from None
        finally:
            self._hangups.stop(task)

    async def _upload(self, scope: Scope, send: Send, call: Call, upload: Upload) -> None:
        call.timing.ask()
        try:
            try:
                async with asyncio.timeout(call.route.timeout) as upload.deadline:
                    exchange = self._open(scope, call, upload.chunks())
                    response = await exchange.__aenter__()
            except TimeoutError as error:
                raise UpstreamTimeout from error
            call.timing.hear()
            upload.deadline = None  # the answer has begun; what is left of the body may take its time beside it
            try:
                if response.status == 401 and self._refusals is not None:
                    self._refusals.renew_later(call, response)
                await self._answer(scope, send, call, response)
            finally:
                await exchange.__aexit__(None, None, None)
        except (UpstreamUnreachable, UpstreamTimeout):
            if upload.failure is not None:
                raise upload.failure from None
            raise

    def _open(self, scope: Scope, call: Call, body: Body) -> AbstractAsyncContextManager[UpstreamResponse]:
        return self._upstream.open(
            call.route, scope["method"], _target(scope, call), self._headers(call, body), body
        )

    async def _another(self, call: Call, response: UpstreamResponse) -> str | None:
        return await self._refusals.another(call, response) if self._refusals is not None else None

    def _repeat(
        self, scope: Scope, call: Call, body: Body, authorization: str
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Send the same with another credential. Whoever refuses a credential has done nothing yet."""
        sent = call.head.forward  # ours are in it by now
        headers = [(name, authorization if name == "authorization" else value) for name, value in sent]
        return self._upstream.open(call.route, scope["method"], _target(scope, call), headers, body)

    def _headers(self, call: Call, body: Body) -> list[tuple[str, str]]:
        headers = self.headers(call)
        if body is not None and not isinstance(body, bytes) and call.head.content_length is not None:
            headers.append(("content-length", str(call.head.content_length)))
        return headers

    def headers(self, call: Call) -> list[tuple[str, str]]:
        """Return what the upstream is told: what may pass of the browser's headers, and ours."""
        head = call.head
        headers = head.forward
        headers += self._forwarding.headers(call.address)
        headers.append(("x-request-id", call.request_id))
        headers.append(trace_header(head.traceparent, call.request_id))
        if call.authorization is not None:
            headers.append(("authorization", call.authorization))
        if call.route.forward_cookies and head.cookies:
            kept = keep_cookies(head.cookies, call.route.forward_cookies)
            if kept:
                headers.append(("cookie", _text(kept)))
        return headers

    async def _body(self, receive: Receive, call: Call) -> bytes | Upload:
        small = await read_small(receive, call.head)
        return small if small is not None else Upload(receive, call.route.max_body_size, call.route.timeout)

    async def _answer(self, scope: Scope, send: Send, call: Call, response: UpstreamResponse) -> None:
        headers = build_answer_headers(
            response.headers, call.route, self._cookie_name, call.request_id.encode("ascii")
        )
        body = response.whole()
        missing = _length(response, scope["method"]) if body is None else 0
        flow = _flow(response, missing)
        task = self._hangups.current()
        if flow is not None:
            self._hangups.flows(task, flow)
        first: bytes | None = b""  # of a stream of events: the page learns that it is connected before any happens
        if body is None and (flow is None or not flow.is_events):
            # Servers keep a head until its body begins: what breaks before that has answered nothing.
            first = await response.read() if missing != 0 else None
        call.timing.answer(response.status)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        try:
            if body is not None:
                await send({"type": "http.response.body", "body": body, "more_body": False})
                return
            await _stream(send, response, first, missing, flow)
        # Returning without the final message makes the server close the connection in the middle.
        except (UpstreamUnreachable, UpstreamTimeout) as error:
            self._cut("upstream.cut", call, error.code)
        except asyncio.CancelledError:
            ending = self._hangups.ending(task)
            if ending is None:
                raise
            task.uncancel()
            self._cut("stream.ended", call, ending.value)

    def _cut(self, event: str, call: Call, code: str) -> None:
        self._emit(event, {"route": call.route.path, "code": code, "request_id": call.request_id})


def _text(cookies: bytes) -> str:
    try:
        return cookies.decode()  # as UTF-8, so that the same bytes go out again
    except UnicodeDecodeError as error:
        raise BadRequest("A cookie for the API is neither ASCII nor UTF-8.") from error


def _target(scope: Scope, call: Call) -> str:
    """What is asked for, below the upstream's own path."""
    query = scope["query_string"]
    return f"{call.rest}?{query.decode('latin-1')}" if query else call.rest


async def _stream(
    send: Send, response: UpstreamResponse, chunk: bytes | None, missing: int | None, flow: Flow | None
) -> None:
    """Hand on the body, which begins with `chunk`."""
    while chunk is not None:
        if flow is not None:
            flow.moved = True
        if missing is not None:
            missing -= len(chunk)
            if missing == 0:  # the last one: end in the same write
                await send({"type": "http.response.body", "body": chunk, "more_body": False})
                return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        chunk = await response.read()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _refusal(ending: Ending) -> BffError:
    match ending:
        case Ending.ACCESS_DENIED:
            return AccessDenied()
        case Ending.SESSION_ENDED:
            return SessionExpired(reason="ended")
        case Ending.DRAINING:
            return ServerBusy("The server stops, and the API had not begun its answer. Try again.")


def _flow(response: UpstreamResponse, missing: int | None) -> Flow | None:
    """Return how an answer comes down that may take a while."""
    if missing is not None and missing < _LARGE:
        return None
    is_events = any(
        name == b"content-type" and value[:17].lower() == b"text/event-stream" for name, value in response.headers
    )
    return Flow(is_events=is_events, is_bounded=missing is not None)


def _length(response: UpstreamResponse, method: str) -> int | None:
    """How many bytes follow, if that is known."""
    if method == "HEAD" or response.status in {204, 304}:
        return 0
    for name, value in response.headers:
        if name == b"content-length" and value.isdigit():
            return int(value[-20:])  # 64 bits, as the parser has it; what is before that are zeros
    return None
