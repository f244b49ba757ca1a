"""What the token endpoint's answers mean."""

import json

import pytest

from bff.errors import GrantRejected, IssuerUnavailable, TokenRejected
from bff.oidc.token_response import ClientRefused, build_token_set, parse_token_response
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import Answer
from tests.forging import REMOVED, changed

DOCUMENT = {
    "access_token": "at",
    "token_type": "Bearer",
    "expires_in": 300,
    "refresh_token": "rt",
    "id_token": "a.b.c",
    "scope": "openid",
}
FATAL = ("invalid_grant",)


def answer(
    document: object, status: int = 200, media_type: str = "application/json", retry: int | None = None
) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, media_type, body, retry)


def parse(changes: dict):
    return parse_token_response(answer(changed(DOCUMENT, changes)), FATAL)


def test_every_field_is_read():
    """RFC 6749 §5.1; unknown members are ignored."""
    found = parse({"x": 1})

    assert ("at", 300.0, "rt", "a.b.c", "openid") == (
        found.access_token,
        found.expires_in,
        found.refresh_token,
        found.id_token,
        found.scope,
    )


@pytest.mark.parametrize("name", ["expires_in", "refresh_token", "id_token", "scope"])
@pytest.mark.parametrize("value", [REMOVED, None, ""])
def test_what_is_optional_may_be_missing(name, value):
    """RFC 6749 §5.1."""
    assert getattr(parse({name: value}), name) is None


@pytest.mark.parametrize("value", ["Bearer", "bearer", "bEARER"])
def test_the_token_type_is_compared_without_case(value):
    """RFC 6749 §5.1."""
    assert "at" == parse({"token_type": value}).access_token


@pytest.mark.parametrize("value", ["mac", "DPoP", "N_A", "Bearer ", "", 7, None, REMOVED])
def test_a_token_of_an_unknown_type_is_not_used(value):
    """RFC 6749 §7.1."""
    with pytest.raises(TokenRejected) as caught:
        parse({"token_type": value})

    assert {"token": "access_token", "reason": "token_type_unknown"} == caught.value.members


@pytest.mark.parametrize("value", ["a b", "a\r\nSet-Cookie: x=1", "é", "a" * 65537])
def test_an_access_token_that_would_break_a_header_is_not_used(value):
    """RFC 6750 §2.1."""
    with pytest.raises(TokenRejected) as caught:
        parse({"access_token": value})

    assert "malformed" == caught.value.members["reason"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (300, 300.0),
        ("300", 300.0),
        (0.5, 1.0),
        (0, 1.0),
        (-1, 1.0),
        ("-60", 1.0),
        (1e12, 366 * 86400.0),
        ("inf", 366 * 86400.0),
        (10**400, 366 * 86400.0),
        ("nan", None),
        ("soon", None),
        (True, None),
        ([300], None),
        ({}, None),
    ],
)
def test_expires_in_is_clamped_to_what_causes_no_storm(value, seconds):
    """RFC 6749 §5.1: a number; strings are common; zero and less count as one second, nonsense as not given."""
    assert seconds == parse({"expires_in": value}).expires_in


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": REMOVED},
        {"access_token": ""},
        {"access_token": None},
        {"access_token": 7},
        {"access_token": ["at"]},
    ],
)
def test_a_malformed_answer_is_a_fault_of_the_moment(changes):
    """RFC 6749 §5.1: an answer that makes no sense says nothing about the grant."""
    with pytest.raises(IssuerUnavailable):
        parse(changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refresh_token", 7),
        ("refresh_token", "a\nb"),
        ("refresh_token", "r" * 65537),
        ("refresh_token", ""),
        ("scope", ["openid"]),
        ("scope", "a\r\nb"),
    ],
)
def test_a_malformed_field_costs_nothing_of_the_rest(name, value):
    """RFC 6749 §5.1: both are optional, and what is none counts as not given; a rotated token beside it is kept."""
    assert getattr(parse({name: REMOVED}), name) is getattr(parse({name: value}), name) is None
    assert "at" in parse({name: value}).access_token


@pytest.mark.parametrize("value", [{"a": 1}, "é", "a\nb", 7])
def test_a_malformed_id_token_is_refused(value):
    """OIDC Core §3.1.3.7: it cannot be checked, now or later."""
    with pytest.raises(TokenRejected) as caught:
        parse({"id_token": value})

    assert {"token": "id_token", "reason": "malformed"} == caught.value.members


@pytest.mark.parametrize(
    "given",
    [
        answer(b"<html>", media_type="text/html"),
        answer(DOCUMENT, media_type="text/html"),
        answer(DOCUMENT, media_type=""),
        answer(b"{"),
        answer([DOCUMENT]),
        answer(b'{"access_token": "a", "access_token": "b", "token_type": "Bearer"}'),
        answer(b""),
    ],
)
def test_an_answer_that_is_no_json_object_is_a_fault_of_the_moment(given):
    """OIDC Core §3.1.3.3: application/json, one object, read in one way only."""
    with pytest.raises(IssuerUnavailable):
        parse_token_response(given, FATAL)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_invalid_grant_is_final(status):
    """RFC 6749 §5.2: 400; some providers say it with 401 or 403."""
    with pytest.raises(GrantRejected) as caught:
        parse_token_response(answer({"error": "invalid_grant", "error_description": "expired"}, status), FATAL)

    assert "invalid_grant" == caught.value.error


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"error": "invalid_grant"}, 500),
        ({"error": "invalid_grant"}, 503),
        ({"error": "invalid_grant"}, 429),
        ({"error": "invalid_grant"}, 302),
        ({"error": "server_error"}, 400),
        ({"error": "temporarily_unavailable"}, 400),
        ({"error": "slow"}, 408),
        ({"error": "early"}, 425),
        (b"<html>invalid_grant</html>", 400),
        (b"", 404),
        (b"", 204),
        (DOCUMENT, 201),
    ],
)
def test_everything_that_may_pass_is_a_fault_of_the_moment(document, status):
    """No transient fault logs anyone out: 5xx, 429, 408, redirects, pages of a proxy."""
    with pytest.raises(IssuerUnavailable) as caught:
        parse_token_response(answer(document, status), FATAL)

    assert not isinstance(caught.value, ClientRefused)


@pytest.mark.parametrize(
    ("document", "status", "error"),
    [
        ({"error": "invalid_client"}, 401, "invalid_client"),
        ({"error": "unauthorized_client"}, 400, "unauthorized_client"),
        ({"error": "invalid_scope"}, 400, "invalid_scope"),
        ({"error": "invalid_request"}, 400, "invalid_request"),
        ({"error": "unsupported_grant_type"}, 400, "unsupported_grant_type"),
        ({"error": "<script>"}, 400, "no_error_code"),
        ({"error": ["invalid_grant"]}, 400, "no_error_code"),
        ({}, 400, "no_error_code"),
    ],
)
def test_a_fault_of_our_configuration_logs_nobody_out(document, status, error):
    """RFC 6749 §5.2: errors about the client are ours to mend."""
    with pytest.raises(ClientRefused) as caught:
        parse_token_response(answer(document, status), FATAL)

    assert (error, status) == (caught.value.error, caught.value.http_status)


def test_retry_after_is_passed_on():
    """RFC 9110 §10.2.3."""
    with pytest.raises(IssuerUnavailable) as caught:
        parse_token_response(answer(b"", 429, retry=17), FATAL)

    assert 17 == caught.value.retry_after


def test_nothing_of_an_error_description_is_repeated():
    """RFC 6749 §5.2: what the issuer writes there is for its own logs."""
    with pytest.raises(ClientRefused) as caught:
        parse_token_response(answer({"error": "invalid_scope", "error_description": "eyJ-a-token"}, 400), FATAL)

    assert "eyJ" not in caught.value.detail + str(caught.value)


@pytest.mark.parametrize(
    ("expires_in", "exp", "expires_at"),
    [
        (300, None, 1300),
        (300, 1200, 1200),
        (300, 1400, 1300),
        (REMOVED, 1200, 1200),
        (REMOVED, None, 1300),
        (0, None, 1001),
        (300, 990, 1001),
    ],
)
def test_the_end_is_the_earlier_of_both_and_never_now(expires_in, exp, expires_at):
    """RFC 6749 §5.1: unknown means five minutes; an end in the past would make us renew without a pause."""
    access_claims = None if exp is None else {"exp": exp}

    tokens = build_token_set(parse({"expires_in": expires_in}), access_claims, 1000.0, id_token="i", scope="s")

    assert (1000, expires_at) == (tokens.issued_at, tokens.expires_at)


def test_what_is_left_out_stays_as_it_was():
    """RFC 6749 §5.1, §6: scope and refresh token."""
    response = parse({"refresh_token": REMOVED, "scope": REMOVED})

    assert TokenSet("at", 0.0, 300.0, "old", "i", "openid profile") == build_token_set(
        response, None, 0.0, id_token="i", scope="openid profile", refresh_token="old"
    )
