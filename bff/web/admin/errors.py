"""What a call to the admin API may meet, beside the errors that every endpoint has."""

from bff.errors import BffError


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


class AuditNotSearchable(BffError):
    """The audit log goes where it cannot be read back."""

    code = "audit_not_searchable"
    status = 501
    title = "The audit log cannot be searched here"
    default_detail = "The audit log goes to standard output. Set audit.sink to a file or to the store to search it."
