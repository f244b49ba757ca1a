"""How an error leaves one of our endpoints: a page for a person who navigates, a problem document for script."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

from bff.errors import (
    BadRequest,
    BffError,
    BodyTooLarge,
    CallbackRejected,
    CookieUnreadable,
    MethodNotAllowed,
    RouteNotFound,
)
from bff.events import Emit
from bff.http.problems import build_problem_response
from bff.proxy.forwarded import new_request_id
from bff.session.login import LoginFailed
from bff.web.answers import build_html
from bff.web.pages import CONTENT_SECURITY_POLICY, ErrorPage, build_error_page

_BY_STATUS: Mapping[int, type[BffError]] = {
    400: BadRequest,
    404: RouteNotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}
Handler = Callable[[Request[Any, Any, Any], Exception], ASGIResponse]


def build_exception_handlers(
    prefix: str, cookie_deletion: bytes, emit: Emit
) -> dict[type[Exception] | int, Handler]:
    """Return Litestar's table of exception handlers."""
    login_path = prefix + "/login"

    def render(request: Request[Any, Any, Any], error: Exception) -> ASGIResponse:
        request_id = new_request_id()
        problem = error if isinstance(error, BffError) else _translate(error)
        if type(problem) is BffError:
            emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
        status, headers, body = build_problem_response(problem, request_id)
        if isinstance(problem, CookieUnreadable):
            headers.append((b"set-cookie", cookie_deletion))
        if isinstance(problem, CallbackRejected):
            status = problem.http_status
        if not _wants_page(request):
            return ASGIResponse(
                body=body, status_code=status, encoded_headers=headers, media_type="application/problem+json"
            )
        page = ErrorPage(
            title=problem.title,
            detail=problem.detail,
            code=problem.code,
            reason=problem.reason if isinstance(problem, CallbackRejected) else None,
            request_id=request_id,
            login_path=login_path,
            return_to=problem.return_to if isinstance(problem, LoginFailed) else "/",
        )
        cookies = problem.cookies if isinstance(problem, LoginFailed) else ()
        answer = build_html(status, build_error_page(page), CONTENT_SECURITY_POLICY, cookies=cookies)
        if problem.retry_after is not None:
            answer.encoded_headers.append((b"retry-after", b"%d" % problem.retry_after))
        return answer

    return {BffError: render, HTTPException: render, Exception: render}


def _translate(error: Exception) -> BffError:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _BY_STATUS.get(status, BffError)()


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    """A browser that navigates says so; everything else gets the problem document."""
    if request.method not in {"GET", "HEAD"}:
        return False
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode is not None else "text/html" in request.headers.get("accept", "")
