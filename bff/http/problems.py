"""Problem documents (RFC 9457): the one place where an error becomes an HTTP answer."""

from typing import Any

import msgspec

from bff.errors import BffError, CallbackRejected, MethodNotAllowed, TooManyRequests

PROBLEM_JSON = b"application/problem+json"
TYPE_PREFIX = "urn:bff:problem:"
Headers = list[tuple[bytes, bytes]]

# On every answer of our own (OWASP ASVS 3.4): nothing may be sniffed, framed, cached or leak a referrer.
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE: tuple[bytes, bytes] = (b"cache-control", b"no-store")
_ERROR_CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


def status_of(error: BffError) -> int:
    """Return the status of the answer: a login that failed on the issuer's side has one of its own."""
    return error.http_status if isinstance(error, CallbackRejected) else error.status


def build_problem(error: BffError, request_id: str) -> dict[str, Any]:
    """Return the problem document as a mapping."""
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    document.update(error.members)
    return document


def build_problem_response(error: BffError, request_id: str) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of the answer for this error."""
    body = msgspec.json.encode(build_problem(error, request_id))
    headers: Headers = [
        (b"content-type", PROBLEM_JSON),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        NO_STORE,
        _ERROR_CSP,
        *SECURITY_HEADERS,
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode("ascii")))
    if isinstance(error, TooManyRequests) and error.quota is not None:
        left, policy = error.quota
        headers += [(b"ratelimit", left.encode("ascii")), (b"ratelimit-policy", policy.encode("ascii"))]
    status = status_of(error)
    if status == 401:
        # RFC 9110 §15.5.2 asks for a challenge; this scheme makes no browser open a password dialog.
        headers.append((b"www-authenticate", b'Session realm="bff"'))
    return status, headers, body
