"""How an error becomes an answer."""

import json

import pytest

from bff.errors import AccessDenied, BffError, IssuerUnavailable, SessionExpired, SessionRequired
from bff.http.problems import NO_STORE, SECURITY_HEADERS, build_problem, build_problem_response


def test_problem_document_has_all_that_a_page_needs():
    """RFC 9457 §3.1, with the stable code, the request's id and what the error adds."""
    assert {
        "type": "urn:bff:problem:access_denied",
        "title": "Not allowed",
        "status": 403,
        "detail": "You are signed in, but no rule allows you to do this.",
        "code": "access_denied",
        "request_id": "rid",
        "reason": "role_missing",
    } == build_problem(AccessDenied(reason="role_missing"), "rid")


def test_answer_is_never_cached_sniffed_or_framed():
    """OWASP ASVS 3.4: every answer of our own carries the same headers."""
    status, headers, body = build_problem_response(BffError(), "rid")

    assert (500, build_problem(BffError(), "rid")) == (status, json.loads(body))
    assert [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", b"rid"),
        NO_STORE,
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        *SECURITY_HEADERS,
    ] == headers


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (IssuerUnavailable(retry_after=7), [(b"retry-after", b"7")]),
        (SessionRequired(), [(b"www-authenticate", b'Session realm="bff"')]),
        (SessionExpired(), [(b"www-authenticate", b'Session realm="bff"')]),
        (AccessDenied(), []),
    ],
)
def test_some_answers_say_when_to_come_again_or_how_to_sign_in(error, more):
    """RFC 9110 §10.2.3 and §15.5.2; the challenge's scheme opens no dialog in any browser."""
    headers = build_problem_response(error, "rid")[1]

    assert more == [pair for pair in headers if pair[0] in {b"retry-after", b"www-authenticate"}]
