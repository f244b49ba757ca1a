"""API routes inside somebody else's Litestar application."""

from collections.abc import Sequence
from typing import Any

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from bff.errors import BadRequestTarget, RouteNotFound
from bff.proxy.call import Carry
from bff.proxy.gateway import Gateway
from bff.proxy.routes import RouteTable
from bff.proxy.websocket import SocketProxy


def build_mounts(
    routes: RouteTable, api: Carry, sockets: SocketProxy, gateway: Gateway | None
) -> Sequence[ASGIRouteHandler]:
    """Return one handler a route, and the gateway's. Litestar's mounts match too much: the raw path decides."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        raw, path = _raw(scope)
        found = routes.match(path)
        if found is None:
            raise RouteNotFound
        carrier = api if raw["type"] == "http" else sockets
        await carrier(raw, receive, send, *found)  # type: ignore[arg-type]

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        raw, path = _raw(scope)
        if gateway is None or raw["type"] != "http" or not gateway.is_asked(path):
            raise RouteNotFound
        await gateway(raw, receive, send)  # type: ignore[arg-type]

    mounts = [asgi(path, is_mount=True, copy_scope=True)(serve) for path in routes.paths]
    return mounts if gateway is None else [*mounts, asgi(gateway.path, is_mount=True, copy_scope=True)(ask)]


def _raw(scope: Scope) -> tuple[dict[str, Any], bytes]:
    raw: dict[str, Any] = dict(scope)
    path = raw.get("raw_path")
    if not isinstance(path, bytes):
        raise BadRequestTarget("This server does not hand the raw path on, which the proxy needs.")
    raw["client"] = raw.get("client")
    return raw, path
