"""A line for each request, where `log.access` asks for it: told when it is over, whoever answered."""

from collections.abc import Awaitable
from time import perf_counter

from bff.events import TRACE, Emit
from bff.proxy.asgi import Asgi, Message, Receive, Scope, Send
from bff.proxy.call import Carry
from bff.proxy.routes import Route

EVENT = "request.done"
_ID = b"x-request-id"
_SWITCHED = 101  # RFC 6455 §4.2.2
_TURNED_AWAY = 403  # what servers make of a close before the opening


class _Answer:
    """What is told of one answer: its status, its size, and whether it came to its end."""

    __slots__ = ("_send", "began", "ended", "request_id", "size", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.size = 0  # bytes of body
        self.ended = False
        self.request_id = ""
        self.began = perf_counter()

    def send(self, message: Message) -> Awaitable[None]:
        """Pass it on, and take note."""
        kind = message["type"]
        if kind in {"http.response.body", "websocket.http.response.body"}:
            self.size += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        elif kind in {"http.response.start", "websocket.http.response.start"}:
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == _ID:
                    self.request_id = value.decode("ascii")
        elif kind == "websocket.accept":
            self.status = _SWITCHED
        elif kind == "websocket.close":
            self.status = self.status or _TURNED_AWAY
            self.ended = True
        return self._send(message)


class AccessLog:
    """Puts itself around what serves. Paths are told without their query, which may hold anything."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def carried(self, carry: Carry) -> Carry:
        """Return the same for API routes, told of."""

        async def told(scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
            answer = _Answer(send)
            try:
                await carry(scope, receive, answer.send, route, rest)
            finally:
                self._tell(scope, answer, route.path)

        return told

    def served(self, serve: Asgi) -> Asgi:
        """Return the same for everything else, told of."""

        async def told(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _Answer(send)
            try:
                await serve(scope, receive, answer.send)
            finally:
                self._tell(scope, answer, None)

        return told

    opened = served

    def _tell(self, scope: Scope, answer: _Answer, route: str | None) -> None:
        trace = TRACE.get()
        request_id = answer.request_id or (trace.request_id if trace is not None else "")
        address = trace.address if trace is not None and trace.request_id == request_id else ""
        client = scope.get("client")
        fields: dict[str, object] = {
            "method": scope.get("method", "GET"),
            "path": scope["raw_path"].decode("latin-1"),
            "status": answer.status,
            "bytes": answer.size,
            "seconds": round(perf_counter() - answer.began, 6),
            "address": address or (client[0] if client else ""),
            "request_id": request_id,
        }
        if route is not None:
            fields["route"] = route
        if scope["type"] == "websocket":
            fields["websocket"] = True
        elif answer.status is not None and not answer.ended:
            fields["cut"] = True
        self._emit(EVENT, fields)
