"""What a call to the admin API may meet, beside the errors that every endpoint has."""

from bff.errors import AuditNotSearchable, BffError

__all__ = ["AuditNotSearchable", "InvalidRequest", "NotFound", "OperatorRequired"]


class OperatorRequired(BffError):
    """The operator's token is missing or wrong."""

    code = "operator_required"
    status = 401
    title = "For operators"
    default_detail = "Send the operator's token (admin.token) as Authorization: Bearer."


class NotFound(BffError):
    """What was asked for is not there, or not any more."""

    code = "not_found"
    status = 404
    title = "There is no such thing"
    default_detail = "What was asked for does not exist, or not any more."


class InvalidRequest(BffError):
    """A parameter or a field of the body cannot be used; `detail` names it."""

    code = "invalid_request"
    status = 422
    title = "The request cannot be used"
    default_detail = "A parameter or a field of the body cannot be used."
