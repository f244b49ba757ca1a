"""OPTIONS on our own endpoints: what they allow, with the same headers as every other answer (RFC 9110 §9.3.7)."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from bff.http.problems import NO_STORE, SECURITY_HEADERS


def build_options_handler(
    allowed: Mapping[str, str], read: Callable[[Request[Any, Any, Any]], object], prefix: str
) -> HTTPRouteHandler:
    """Return a handler for these paths below the prefix and what each allows.

    `read` holds the request to our host and to the limits of headers, as for any other method. The framework's own
    answer would come without our headers and without those checks.
    """

    @route(list(allowed), http_method=["OPTIONS"], name=None)
    async def options(request: Request[Any, Any, Any]) -> ASGIResponse:
        read(request)
        headers = [(name.decode("ascii"), value.decode("ascii")) for name, value in (NO_STORE, *SECURITY_HEADERS)]
        path = request.scope["path"].removeprefix(prefix).rstrip("/")
        headers.append(("allow", allowed[path]))
        return ASGIResponse(body=b"", status_code=204, headers=headers)

    return options
