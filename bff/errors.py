"""One tree of errors: a stable code, an HTTP status and data. Rendered once, at the edge (RFC 9457).

`detail` is a sentence for the person who reads it: what happened and what to do next. It never holds a token,
a cookie, a secret or unescaped input.
"""

from typing import ClassVar


class BffError(Exception):
    """The root. `code` is stable and documented; match by type, log by code."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    default_detail: ClassVar[str] = "Something went wrong on our side. The request id names it in our logs."
    default_retry_after: ClassVar[int | None] = None

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None, **members: str | int) -> None:
        self.detail = detail if detail is not None else self.default_detail
        self.retry_after = retry_after if retry_after is not None else self.default_retry_after  # seconds
        self.members = members  # extension members of the problem document
        super().__init__(f"{self.code}: {self.detail}")


# ── what a request may meet ──────────────────────────────────────────────────────────────────────────────


class SessionRequired(BffError):
    """No session came with a call that needs one."""

    code = "session_required"
    status = 401
    title = "Sign in first"
    default_detail = "This call needs a signed-in user. Send the browser to the login endpoint."


class CookieUnreadable(SessionRequired):
    """A session cookie came that is damaged, foreign or doubled: signed out, and the cookie is cleared."""


class SessionExpired(BffError):
    """There was a session, and it has ended."""

    code = "session_expired"
    status = 401
    title = "Your session has ended"
    default_detail = "The session has ended. Send the browser to the login endpoint."


class SessionElsewhere(SessionRequired):
    """The session is bound to its browser, and the request comes from another one, or from another network."""

    code = "session_elsewhere"
    title = "This session began elsewhere"
    default_detail = "The session began in another browser or network. Sign in again here."


class StepUpRequired(BffError):
    """The upstream asks for a stronger or fresher authentication (RFC 9470)."""

    code = "step_up_required"
    status = 401
    title = "Sign in again to go on"
    default_detail = "The API asks for a stronger or more recent sign-in."


class CsrfHeaderRequired(BffError):
    """The static header that only same-origin script can send is missing."""

    code = "csrf_header_required"
    status = 403
    title = "The X-CSRF header is missing"
    default_detail = "Send the header X-CSRF: 1 with every call to the API and to the session endpoints."


class CrossSiteRequest(BffError):
    """Origin or Fetch Metadata say that another site sent this."""

    code = "cross_site_request"
    status = 403
    title = "Cross-site request refused"
    default_detail = "This call may only come from the application's own pages."


class AccessDenied(BffError):
    """The policy says no."""

    code = "access_denied"
    status = 403
    title = "Not allowed"
    default_detail = "You are signed in, but no rule allows you to do this."


class TokenRejected(BffError):
    """The issuer handed us a token that breaks a rule."""

    code = "token_rejected"
    status = 502
    title = "The identity provider's token was rejected"
    default_detail = "The identity provider issued a token that this application does not accept."


class RouteNotFound(BffError):
    """Nothing is configured for this path."""

    code = "route_not_found"
    status = 404
    title = "No such route"
    default_detail = "Nothing is configured for this path."


class NotTheGateway(BffError):
    """Somebody else than the gateway asked for what only the gateway is told."""

    code = "not_the_gateway"
    status = 403
    title = "Only the gateway may ask this"
    default_detail = "This endpoint answers the gateway in front of this server, which shows its secret."


class MethodNotAllowed(BffError):
    """The path exists, the method does not. `allow` names those that do (RFC 9110 §15.5.6)."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    default_detail = "This path does not answer that method."

    def __init__(self, detail: str | None = None, *, allow: str) -> None:
        super().__init__(detail)
        self.allow = allow


class BadRequestTarget(BffError):
    """The request target is ambiguous or tries to leave its prefix."""

    code = "bad_request_target"
    status = 400
    title = "Bad request target"
    default_detail = "The path holds dot segments, backslashes, control characters or broken escapes."


class BadRequest(BffError):
    """The request is malformed in some other way."""

    code = "bad_request"
    status = 400
    title = "Bad request"
    default_detail = "The request is malformed."


class ReturnToRefused(BffError):
    """`return_to` is not a path on this origin."""

    code = "bad_return_to"
    status = 400
    title = "return_to is not a path of this application"
    default_detail = "return_to must be a path on this origin, such as /orders/7?tab=notes."


class BodyTooLarge(BffError):
    """The body exceeds the limit."""

    code = "body_too_large"
    status = 413
    title = "Body too large"
    default_detail = "The request body exceeds the limit for this route."


class HeadersTooLarge(BffError):
    """The header section exceeds the limit."""

    code = "headers_too_large"
    status = 431
    title = "Header section too large"
    default_detail = "The request has too many headers, or too large ones."


class MisdirectedRequest(BffError):
    """The Host header names another application."""

    code = "misdirected_request"
    status = 421
    title = "Wrong host"
    default_detail = "This server does not answer for that host name. Check public_url and the proxy's Host header."


class TooManyRequests(BffError):
    """A limit on how much one session or address may do, at once or in a time.

    `quota` are the values of the headers RateLimit and RateLimit-Policy, where the limit is one in a time.
    """

    code = "too_many_requests"
    status = 429
    title = "Too many requests"
    default_detail = "This session has too many of these open at once. Close some and try again."
    default_retry_after = 5
    quota: tuple[str, str] | None = None


class ServerBusy(BffError):
    """This worker has as many calls under way as it may have."""

    code = "server_busy"
    status = 503
    title = "Too much is going on"
    default_detail = "The server has as many calls under way as it may have. Nobody has been logged out; try again."
    default_retry_after = 1


class UpstreamUnreachable(BffError):
    """No answer could be had from the API."""

    code = "upstream_unreachable"
    status = 502
    title = "The API cannot be reached"
    default_detail = "The API behind this route could not be reached. Nothing is wrong with your session."


class UpstreamBusy(BffError):
    """All connections to the API are in use."""

    code = "upstream_busy"
    status = 503
    title = "The API is busy"
    default_detail = "All connections to the API behind this route are in use. Nothing was sent; try again."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)


class UpstreamTimeout(BffError):
    """The API took too long."""

    code = "upstream_timeout"
    status = 504
    title = "The API took too long"
    default_detail = "The API behind this route did not answer in time. Nothing is wrong with your session."


class SessionStoreUnavailable(BffError):
    """The store of sessions does not answer; sessions are intact."""

    code = "session_store_unavailable"
    status = 503
    title = "Sessions cannot be read right now"
    default_detail = "The session store does not answer. Nobody has been logged out; try again in a moment."
    default_retry_after = 2


class SessionFromNewerVersion(BffError):
    """A newer version of this server has written the session, in a form that this one cannot read."""

    code = "session_from_newer_version"
    status = 503
    title = "This server is being updated"
    default_detail = "A newer version of this server has written the session. You are still signed in; try again."
    default_retry_after = 5


class AuditUnavailable(BffError):
    """The audit log cannot be written (and the configuration says to do nothing that it cannot tell), or read."""

    code = "audit_unavailable"
    status = 503
    title = "The audit log does not work right now"
    default_detail = "What happens here has to be recorded, and cannot be at the moment. Try again shortly."

    def __init__(self, detail: str | None = None, *, retry_after: int = 5) -> None:
        super().__init__(detail, retry_after=retry_after)


class AuditNotSearchable(BffError):
    """Audit lines go to standard output, which cannot be read back."""

    code = "audit_not_searchable"
    status = 501
    title = "The audit log cannot be searched here"
    default_detail = (
        "Audit lines go to standard output: search them where that is collected, or set audit.sink to a file or to "
        "the session store."
    )


class IssuerUnavailable(BffError):
    """The OpenID provider does not answer, or not in its right mind."""

    code = "issuer_unavailable"
    status = 503
    title = "The identity provider cannot be reached"
    default_detail = "The identity provider does not answer. Nobody has been logged out; try again in a moment."
    default_retry_after = 5


class RenewalUnchecked(IssuerUnavailable):
    """A renewal came, and cannot be checked for lack of the issuer's keys.

    The old refresh token may be spent by now, so the new one must be kept; nothing else of the answer is used.
    """

    def __init__(self, refresh_token: str | None) -> None:
        super().__init__()
        self.refresh_token = refresh_token


# ── what the issuer's answers may be ─────────────────────────────────────────────────────────────────────


class GrantRejected(BffError):
    """The token endpoint refused a grant for good (RFC 6749 §5.2): `invalid_grant` and its kin."""

    code = "grant_rejected"
    status = 502
    title = "The identity provider refused the grant"
    default_detail = "The identity provider refused to issue tokens."

    def __init__(self, error: str, detail: str | None = None) -> None:
        super().__init__(detail)
        self.error = error  # the issuer's `error`, one of RFC 6749 §5.2 or an extension's


class MetadataInvalid(BffError):
    """The discovery document or the key set cannot be used as it is."""

    code = "issuer_metadata_invalid"
    status = 502
    title = "The identity provider's metadata is not usable"
    default_detail = "The identity provider's discovery document does not fit the configured issuer."


class CallbackRejected(BffError):
    """A login could not be finished. The subclass or `reason` tells operators why; people see a calm page."""

    code = "login_failed"
    status = 400
    title = "Signing in did not work"
    default_detail = "The sign-in could not be completed. Nothing was changed; please try again."

    def __init__(self, reason: str, detail: str | None = None, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason  # stable, for logs and the page: "state_mismatch", "nonce_mismatch", "expired", …
        self.http_status = status if status is not None else self.status


class LogoutTokenRejected(BffError):
    """A back-channel logout token failed validation (OIDC Back-Channel Logout §2.6)."""

    code = "logout_token_rejected"
    status = 400
    title = "Logout token rejected"
    default_detail = "The logout token is not valid."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
