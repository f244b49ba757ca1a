"""API routes inside somebody else's Litestar application."""

from collections.abc import Sequence
from typing import Any

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from bff.errors import BadRequestTarget, RouteNotFound
from bff.proxy.api import ApiProxy
from bff.proxy.routes import RouteTable


def build_mounts(routes: RouteTable, api: ApiProxy) -> Sequence[ASGIRouteHandler]:
    """Return one handler a route. Litestar's mounts match too much; the raw path is matched again."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        raw: dict[str, Any] = dict(scope)
        path = raw.get("raw_path")
        if raw["type"] != "http" or not isinstance(path, bytes):
            raise BadRequestTarget("This server does not hand the raw path on, which the proxy needs.")
        found = routes.match(path)
        if found is None:
            raise RouteNotFound
        raw["client"] = raw.get("client")
        await api(raw, receive, send, *found)  # type: ignore[arg-type]

    return [asgi(path, is_mount=True, copy_scope=True)(serve) for path in routes.paths]
