"""The admin API as a router: a guard before every handler, the same headers on every answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Router, get
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from bff.http.problems import NO_STORE, SECURITY_HEADERS
from bff.web.admin.errors import InvalidRequest
from bff.web.admin.guards import SLIDE, Connection
from bff.web.admin.openapi import build_document
from bff.web.admin.operators import provide_operator
from bff.web.answers import build_answer
from bff.web.errors import Handlers

AdminGuard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]
_HEADERS = {
    **{name.decode("ascii"): value.decode("ascii") for name, value in (NO_STORE, *SECURITY_HEADERS)},
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "vary": "Cookie, Authorization",
}
_NOT_FROM_THE_QUERY = frozenset({"operator", "request", "data", "state", "scope", "headers", "cookies"})


def build_admin_router(
    base: str,
    handlers: Sequence[HTTPRouteHandler],
    *,
    guard: AdminGuard,
    schemes: Sequence[str],
    version: str,
    exception_handlers: Handlers,
) -> Router:
    """Return everything below `base`, which only those see whom the guard lets in."""
    document: dict[str, Any] = {}

    @get("/openapi.json", include_in_schema=False)
    async def openapi() -> ASGIResponse:
        if not document:  # made when somebody asks: the workers' start is not to wait for it
            document.update(build_document(base, handlers, version=version, schemes=schemes))
        return build_answer(200, document)

    async def let_in(
        connection: Connection, handler: BaseRouteHandler
    ) -> None:  # Litestar copies all but functions
        await guard(connection, handler)

    return Router(
        base,
        route_handlers=[*handlers, openapi],
        guards=[let_in, refuse_unknown_parameters],
        dependencies={"operator": Provide(provide_operator, sync_to_thread=False)},
        exception_handlers=exception_handlers,
        after_request=_add_headers,
    )


async def refuse_unknown_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse what the handler would not look at: a filter that is misspelt must not show everybody.

    Raises:
        InvalidRequest: a parameter is unknown, or came more than once.
    """
    declared = handler.parsed_fn_signature.parameters.keys() - _NOT_FROM_THE_QUERY - connection.path_params.keys()
    seen: set[str] = set()
    for name, _ in connection.query_params.multi_items():
        if name not in declared and name != SLIDE:
            raise InvalidRequest(f"{name[:40]}: no such parameter. Known are: {', '.join(sorted(declared))}.")
        if name in seen:
            raise InvalidRequest(f"{name}: it came more than once.")
        seen.add(name)


async def _add_headers(response: Any) -> Any:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
