"""The OpenAPI document of the admin API: what Litestar reads off the handlers, with our errors in it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler

from bff.web.admin.answers import Problem
from bff.web.admin.operators import provide_operator

_DESCRIPTION = (
    "Sessions, access, findings, audit log and reviews of one bff. Times are epoch seconds. Lists come in pages: "
    "give `next` back as `after`. Errors are problem documents (RFC 9457)."
)
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ERRORS = {
    "401": "Nobody that is known asks: `operator_required`, `session_required` or `session_expired`",
    "403": "Not with this role or from this address, or another site's call: `access_denied` and its kin",
    "404": "There is no such thing: `not_found`",
    "422": "A parameter or the body cannot be used: `invalid_request`",
    "429": "Too many wrong tokens: `too_many_requests`",
    "501": "The audit log cannot be searched: `audit_not_searchable`",
    "503": "Store or issuer do not answer: `session_store_unavailable`, `issuer_unavailable`, `audit_unavailable`",
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "The operator's token (`admin.token`)."},
    "session": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF",
        "description": "The session cookie of somebody with one of `admin.roles`, and `X-CSRF: 1`.",
    },
}


def build_document(
    base: str, handlers: Sequence[ControllerRouterHandler], *, version: str, schemes: Sequence[str]
) -> dict[str, Any]:
    """Return the document for these handlers below `base`; `schemes` are those that its guard takes."""
    config = OpenAPIConfig(
        title="bff admin API",
        version=version,
        description=_DESCRIPTION,
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
    )
    router = Router(
        base,
        route_handlers=list(handlers),
        dependencies={"operator": Provide(provide_operator, sync_to_thread=False)},
    )
    application = Litestar([router], openapi_config=config, logging_config=None)
    document: dict[str, Any] = application.openapi_schema.to_schema()
    _, shapes = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    document["components"]["schemas"].update(shapes)
    document["components"]["securitySchemes"] = {name: _SCHEMES[name] for name in schemes}
    document["security"] = [{name: []} for name in schemes]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("400", None)
            if path.endswith(".csv"):  # streamed, so that no annotation says what it is
                responses["200"]["content"] = {"text/csv": {"schema": {"type": "string"}}}
            for status, description in _ERRORS.items():
                responses[status] = {"description": description, "content": _PROBLEM}
    return document
