"""How an error leaves one of our endpoints: a page for a person who navigates, a problem document for script."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException

from bff.errors import (
    BadRequest,
    BffError,
    BodyTooLarge,
    CallbackRejected,
    CookieUnreadable,
    MethodNotAllowed,
    RouteNotFound,
)
from bff.events import TRACE, Emit
from bff.http.problems import build_problem_response
from bff.proxy.forwarded import new_request_id
from bff.session.login import LoginFailed
from bff.web.pages import CONTENT_SECURITY_POLICY, ErrorPage, build_error_page

_BY_STATUS: Mapping[int, type[BffError]] = {
    400: BadRequest,
    404: RouteNotFound,
    413: BodyTooLarge,
}
AnyRequest = Request[Any, Any, Any]
Handlers = dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]


def build_exception_handlers(
    prefix: str, cookie_deletion: bytes, emit: Emit, refused: MutableMapping[str, int] | None = None
) -> Handlers:
    """Return Litestar's table of exception handlers. `refused` is where answers are counted by their code."""
    login_path = prefix + "/login"

    def render(request: AnyRequest, error: Exception) -> Response[bytes]:
        trace = TRACE.get()
        request_id = trace.request_id if trace is not None else new_request_id()
        problem = error if isinstance(error, BffError) else translate(error)
        if type(problem) is BffError:
            emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
        if refused is not None:
            refused[problem.code] = refused.get(problem.code, 0) + 1
        status, raw, body = build_problem_response(problem, request_id)
        headers = {name.decode("ascii"): value.decode("ascii") for name, value in raw}
        kind = headers.pop("content-type")
        del headers["content-length"]
        if isinstance(problem, CookieUnreadable):
            headers["set-cookie"] = cookie_deletion.decode("ascii")
        if isinstance(problem, LoginFailed) and problem.cookie is not None:
            headers["set-cookie"] = problem.cookie.decode("ascii")
        if _wants_page(request):
            kind = "text/html"  # the framework adds the charset
            headers["content-security-policy"] = CONTENT_SECURITY_POLICY.decode("ascii")
            body = build_error_page(_describe(problem, request_id, login_path))
        return Response(body, status_code=status, headers=headers, media_type=kind)

    return {BffError: render, HTTPException: render, Exception: render}


def _describe(problem: BffError, request_id: str, login_path: str) -> ErrorPage:
    return ErrorPage(
        title=problem.title,
        detail=problem.detail,
        code=problem.code,
        reason=problem.reason if isinstance(problem, CallbackRejected) else None,
        request_id=request_id,
        login_path=login_path,
        return_to=problem.return_to if isinstance(problem, LoginFailed) else "/",
    )


def translate(error: Exception) -> BffError:
    """Return our error for one of the framework's, or for a mistake of ours."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(allow=(error.headers or {}).get("allow", ""))
    return _BY_STATUS.get(status, BffError)()


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    """A browser that navigates says so; everything else gets the problem document."""
    if request.method not in {"GET", "HEAD"}:
        return False
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode is not None else "text/html" in request.headers.get("accept", "")
