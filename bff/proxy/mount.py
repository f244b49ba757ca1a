"""API routes inside somebody else's Litestar application."""

from collections.abc import Sequence
from typing import Any

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from bff.errors import BadRequestTarget, RouteNotFound
from bff.proxy.call import Carry
from bff.proxy.routes import RouteTable
from bff.proxy.websocket import SocketProxy


def build_mounts(routes: RouteTable, api: Carry, sockets: SocketProxy) -> Sequence[ASGIRouteHandler]:
    """Return one handler a route. Litestar's mounts match too much; the raw path is matched again."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        raw: dict[str, Any] = dict(scope)
        path = raw.get("raw_path")
        if not isinstance(path, bytes):
            raise BadRequestTarget("This server does not hand the raw path on, which the proxy needs.")
        found = routes.match(path)
        if found is None:
            raise RouteNotFound
        raw["client"] = raw.get("client")
        carrier = api if raw["type"] == "http" else sockets
        await carrier(raw, receive, send, *found)  # type: ignore[arg-type]

    return [asgi(path, is_mount=True, copy_scope=True)(serve) for path in routes.paths]
