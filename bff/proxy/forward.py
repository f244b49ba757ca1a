"""Step seven: the request goes up, the answer comes down, nothing is kept and nothing is waited for in between."""

import asyncio
from contextlib import AbstractAsyncContextManager

from bff.errors import BadRequest, UpstreamTimeout, UpstreamUnreachable
from bff.events import Emit
from bff.http.cookies import keep_cookies
from bff.proxy.answer import build_answer_headers
from bff.proxy.asgi import Hangups, Receive, Scope, Send
from bff.proxy.body import BrowserGone, Upload, read_small
from bff.proxy.call import Call
from bff.proxy.forwarded import Forwarding, trace_header
from bff.proxy.upstream import Body, Upstream, UpstreamResponse


class Forwarder:
    """Carries calls to their upstream."""

    def __init__(self, upstream: Upstream, forwarding: Forwarding, cookie_name: str, emit: Emit) -> None:
        self._upstream = upstream
        self._forwarding = forwarding
        self._cookie_name = cookie_name.encode("ascii")
        self._emit = emit
        self._hangups = Hangups()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        """Forward and stream the answer.

        Raises:
            UpstreamUnreachable, UpstreamTimeout, BodyTooLarge, BadRequest: while nothing has been answered yet. An
                answer that breaks later is cut, so that it never looks complete (RFC 9112 §8).
        """
        task = self._hangups.current()
        try:
            body = await self._body(receive, call) if call.head.has_body else None
            if isinstance(body, Upload):
                body.on_end = lambda: self._hangups.watch(task, receive)
                await self._upload(scope, send, call, body)
            else:
                self._hangups.watch(task, receive)
                async with self._open(scope, call, body) as response:
                    await self._answer(scope, send, call, response)
        except BrowserGone as error:
            # Whoever sent chunks that are none is still there to read this (RFC 9112 §7.1); nobody else is.
            raise BadRequest("The body broke off, or is not framed as HTTP.") from error
        except asyncio.CancelledError:
            if not self._hangups.is_gone(task):
                raise
            task.uncancel()
        finally:
            self._hangups.stop(task)

    async def _upload(self, scope: Scope, send: Send, call: Call, upload: Upload) -> None:
        try:
            async with asyncio.timeout(call.route.timeout) as upload.deadline:
                exchange = self._open(scope, call, upload.chunks())
                response = await exchange.__aenter__()
        except TimeoutError as error:
            raise UpstreamTimeout from error
        except (UpstreamUnreachable, UpstreamTimeout):
            if upload.failure is not None:
                raise upload.failure from None
            raise
        try:
            await self._answer(scope, send, call, response)
        finally:
            await exchange.__aexit__(None, None, None)

    def _open(self, scope: Scope, call: Call, body: Body) -> AbstractAsyncContextManager[UpstreamResponse]:
        url = call.route.upstream + call.rest
        if query := scope["query_string"]:
            url = f"{url}?{query.decode('latin-1')}"
        return self._upstream.open(call.route, scope["method"], url, self._headers(call, body), body)

    def _headers(self, call: Call, body: Body) -> list[tuple[str, str]]:
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
                headers.append(("cookie", kept.decode("latin-1")))
        if body is not None and not isinstance(body, bytes) and head.content_length is not None:
            headers.append(("content-length", str(head.content_length)))
        return headers

    async def _body(self, receive: Receive, call: Call) -> bytes | Upload:
        small = await read_small(receive, call.head)
        return small if small is not None else Upload(receive, call.route.max_body_size, call.route.timeout)

    async def _answer(self, scope: Scope, send: Send, call: Call, response: UpstreamResponse) -> None:
        headers = build_answer_headers(
            response.headers, call.route, self._cookie_name, call.request_id.encode("ascii")
        )
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        try:
            await _stream(send, response, _length(response, scope["method"]))
        except (UpstreamUnreachable, UpstreamTimeout) as error:
            # Returning without the final message makes the server close the connection in the middle.
            self._emit(
                "upstream.cut", {"route": call.route.path, "code": error.code, "request_id": call.request_id}
            )


async def _stream(send: Send, response: UpstreamResponse, missing: int | None) -> None:
    while True:
        chunk = await response.read() if missing != 0 else None
        if chunk is None:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if missing is not None:
            missing -= len(chunk)
            if missing == 0:  # the last one: end in the same write
                await send({"type": "http.response.body", "body": chunk, "more_body": False})
                return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _length(response: UpstreamResponse, method: str) -> int | None:
    """How many bytes follow, if that is known."""
    if method == "HEAD" or response.status in {204, 304}:
        return 0
    for name, value in response.headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
