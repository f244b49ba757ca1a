"""How an error leaves the admin API: always as a problem document, for it is script that calls."""

from typing import Any

from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, ValidationException

from bff.errors import BffError, BodyTooLarge, CookieUnreadable
from bff.events import Emit
from bff.http.problems import build_problem_response
from bff.web.admin.errors import InvalidRequest, OperatorRequired
from bff.web.admin.guards import REQUEST_ID_KEY
from bff.web.errors import Handlers, translate
from bff.web.identity import current_request_id

AnyRequest = Request[Any, Any, State]
_BODY_PARAMETER = "data"  # what handlers call their body
_LONGEST = 300  # characters of a detail that may quote a name from the request


def build_admin_exception_handlers(cookie_deletion: str, emit: Emit) -> Handlers:
    """Return the handlers of every exception below the admin API."""

    def render(request: AnyRequest, error: Exception) -> Response[bytes]:
        request_id = request.state.get(REQUEST_ID_KEY) or current_request_id()
        problem = error if isinstance(error, BffError) else _translated(error)
        if type(problem) is BffError:
            emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
        status, raw, body = build_problem_response(problem, request_id)
        headers = {name.decode("ascii"): value.decode("ascii") for name, value in raw}
        kind = headers.pop("content-type")
        del headers["content-length"]
        if isinstance(problem, OperatorRequired):
            headers["www-authenticate"] = 'Bearer realm="bff"'
        if isinstance(problem, CookieUnreadable):
            headers["set-cookie"] = cookie_deletion
        return Response(body, status_code=status, headers=headers, media_type=kind)

    return {BffError: render, HTTPException: render, Exception: render}


def _translated(error: Exception) -> BffError:
    match error:
        case ValidationException(extra=[{"message": str(message), "key": str(key)}, *_]):
            where = "body" if key == _BODY_PARAMETER else key
            return InvalidRequest(f"{where}: {_told(message)}."[:_LONGEST])
        case ClientException(status_code=413):
            return BodyTooLarge()
        case ClientException(status_code=400):
            return InvalidRequest("body: it is no JSON document, or holds a number that is out of range.")
        case _:
            return translate(error)


def _told(message: str) -> str:
    """What the reader of bodies says of a missing one is its own name alone."""
    return "it is missing" if message == f"'{_BODY_PARAMETER}'" else message.replace("`", "").rstrip(".")
