"""Every answer tells the id of its request, whoever wrote it, and so does every line that is logged for it."""

from collections.abc import Callable, Sequence
from typing import cast

from litestar import Router
from litestar.types import ASGIApp

from bff.events import TRACE, Trace
from bff.proxy.asgi import Asgi, Message, Receive, Scope, Send
from bff.proxy.forwarded import new_request_id

HEADER = b"x-request-id"


def current_request_id() -> str:
    """Return the id of the request that this is about, or a new one.

    One with an address is another request's, whose connection this one came on.
    """
    trace = TRACE.get()
    return trace.request_id if trace is not None and not trace.address else new_request_id()


def naming(send: Send, request_id: str) -> Send:
    """Return what sends the same, with the request's id in the head of the answer unless it names one."""

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name == HEADER for name, _ in headers):
                message = {**message, "headers": [*headers, (HEADER, request_id.encode("ascii"))]}
        await send(message)

    return send_named


def identified(app: Asgi, find_id: Callable[[], str] = new_request_id) -> Asgi:
    """Return an application whose requests have an id from the beginning."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = find_id()
        TRACE.set(Trace(request_id))
        await app(scope, receive, naming(send, request_id))

    return serve


def identified_router(routers: Sequence[Router]) -> Router:
    """Return them as one, for an application that is not ours: only what we answer there has an id."""

    def middleware(app: ASGIApp) -> ASGIApp:
        return cast("ASGIApp", identified(cast("Asgi", app), current_request_id))

    return Router(path="/", route_handlers=list(routers), middleware=[middleware])
