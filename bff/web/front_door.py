"""The ASGI front door: API calls to the proxy, our endpoints to Litestar, everything else to the app's files."""

from typing import Protocol

from bff.errors import BadRequestTarget, BffError, RouteNotFound
from bff.events import TRACE, Emit, Trace
from bff.http.problems import build_problem_response
from bff.http.targets import check_query, check_target
from bff.proxy.api import ApiProxy
from bff.proxy.asgi import Asgi, Receive, Scope, Send
from bff.proxy.call import Carry
from bff.proxy.forwarded import new_request_id
from bff.proxy.front import Front
from bff.proxy.gateway import Gateway
from bff.proxy.head import HeaderLimits, read_head
from bff.proxy.routes import Route, RouteTable
from bff.proxy.websocket import SocketProxy, refuse_socket
from bff.web.identity import naming
from bff.web.spa import SpaFiles


class Measure(Protocol):
    """Measures what goes through the door."""

    def carried(self, carry: Carry) -> Carry:
        """Return the same for API routes, measured."""
        ...

    def served(self, serve: Asgi) -> Asgi:
        """Return the same for everything else, measured."""
        ...

    def opened(self, serve: Asgi) -> Asgi:
        """Return the same for WebSockets, measured."""
        ...


class FrontDoor:
    """The application. It sees the raw path, which no framework has touched."""

    def __init__(
        self,
        *,
        control: Asgi,
        control_prefixes: tuple[str, ...],
        routes: RouteTable,
        api: ApiProxy,
        sockets: SocketProxy,
        front: Front,
        limits: HeaderLimits,
        emit: Emit,
        files: SpaFiles | None = None,
        dev_server: Route | None = None,
        measure: Measure | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        self._control = control
        self._control_prefixes = tuple(prefix.encode("ascii") for prefix in control_prefixes)
        self._routes = routes
        self._api = api
        self._sockets = sockets
        self._front = front
        self._limits = limits
        self._emit = emit
        self._files = files
        self._dev_server = dev_server
        self._gateway = gateway
        self._carry: Carry = api if measure is None else measure.carried(api)
        self._other: Asgi = self._serve if measure is None else measure.served(self._serve)
        self._socket: Asgi = self._open_socket if measure is None else measure.opened(self._open_socket)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or the life cycle."""
        if scope["type"] == "http":
            path = scope["raw_path"]
            if self._gateway is not None and self._gateway.is_asked(path):
                await self._gateway(scope, receive, send)
                return
            found = self._routes.match(path)
            if found is not None:
                await self._carry(scope, receive, send, *found)
            else:
                await self._other(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._control(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        found = self._routes.match(path)
        is_ours = any(path == prefix or path.startswith(prefix + b"/") for prefix in self._control_prefixes)
        if found is not None:
            await self._sockets(scope, receive, send, *found)
        elif self._dev_server is not None and not is_ours and not self._routes.is_disguised(path):
            await self._sockets(scope, receive, send, self._dev_server, path.decode("latin-1"))
        else:
            await receive()
            await refuse_socket(scope, send, RouteNotFound("This path carries no WebSockets."), new_request_id())

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        request_id = new_request_id()
        TRACE.set(Trace(request_id))
        send = naming(send, request_id)
        started = False

        async def watched(message: object) -> None:
            nonlocal started
            started = True
            await send(message)  # type: ignore[arg-type]

        try:
            check_target(path)
            check_query(scope["query_string"])
            if self._routes.is_disguised(path):
                raise BadRequestTarget("Write the path as the route that it belongs to is written.")
            if any(path == prefix or path.startswith(prefix + b"/") for prefix in self._control_prefixes):
                await self._control(scope, receive, send)
                return
            head = read_head(scope["headers"], max_headers=self._limits.count, max_size=self._limits.size)
            TRACE.set(Trace(request_id, self._front.check_peer(scope["client"], head)))
            if self._files is not None:
                await self._files(scope, watched, request_id)
            elif self._dev_server is not None:
                await self._api(scope, receive, send, self._dev_server, path.decode("latin-1"))
            else:
                raise RouteNotFound
        except BffError as error:
            await self._refuse(send, error, request_id)
        except OSError as error:  # a file that went away or cannot be read
            self._emit("spa.unreadable", {"error": type(error).__name__, "request_id": request_id})
            if not started:
                await self._refuse(send, RouteNotFound(), request_id)

    async def _refuse(self, send: Send, error: BffError, request_id: str) -> None:
        self._api.refused[error.code] += 1
        status, headers, body = build_problem_response(error, request_id)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
