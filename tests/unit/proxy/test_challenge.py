"""What an upstream's WWW-Authenticate asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.proxy.challenge import Challenge, parse_challenge

CASES = [
    ("Bearer", Challenge()),
    ('Bearer realm="x"', Challenge()),
    ('Bearer error="invalid_token"', Challenge("invalid_token")),
    ('Basic realm="a, Bearer error=\\"x\\"", Bearer error=invalid_token', Challenge("invalid_token")),
    ("Negotiate abc==, Bearer error=invalid_token", Challenge("invalid_token")),
    ('DPoP error="invalid_token", algs="ES256"', Challenge("invalid_token")),
    ('bearer ERROR = "invalid_token"', Challenge("invalid_token")),
    (
        'Bearer error="insufficient_user_authentication", realm="A\\"b\\,", acr_values="gold platinum", max_age=5',
        Challenge("insufficient_user_authentication", ("gold", "platinum"), 5),
    ),
    (
        "Bearer error=insufficient_user_authentication, max_age=5",
        Challenge("insufficient_user_authentication", (), 5),
    ),
    ('Bearer error="a", Bearer error="b"', Challenge("a")),
    ('Bearer error="a", error="b"', Challenge("a")),
    # What could break out of a URL or is no number is left out.
    ('Bearer acr_values="gold&prompt=none", max_age="5"', Challenge("", ("gold&prompt=none",), 5)),
    ('Bearer acr_values="gold\\"x", max_age="-1"', Challenge()),
    ('Bearer acr_values="a  b", max_age="9999999999"', Challenge()),
    ('Bearer acr_values="g\u00f6ld", max_age="٣"'.encode().decode("latin-1"), Challenge()),
    ('Basic realm="x"', Challenge()),
    ('Bearer error="unfinished', Challenge()),
    ("=,=;", Challenge()),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_challenges_are_read_as_the_standards_write_them(value, expected):
    """RFC 9110 §11.6.1: several in one header, tokens and quoted strings; RFC 9470 §3."""
    assert expected == parse_challenge([(b"www-authenticate", value.encode("latin-1"))])


def test_first_challenge_for_a_token_counts():
    """Other headers and other schemes are passed over."""
    headers = [
        (b"x", b"Bearer error=no"),
        (b"www-authenticate", b"Basic"),
        (b"www-authenticate", b"Bearer error=yes"),
    ]

    assert Challenge("yes") == parse_challenge(headers)
    assert Challenge() == parse_challenge([])


def test_what_a_challenge_means():
    """RFC 6750 §3.1: another token helps against invalid_token; RFC 9470 §4: not where a login is asked for."""
    login = Challenge("insufficient_user_authentication")

    assert [True, True, False, False] == [
        challenge.doubts_token
        for challenge in (Challenge(), Challenge("invalid_token"), Challenge("invalid_request"), login)
    ]
    assert [True, False] == [login.wants_login, Challenge("invalid_token").wants_login]


@given(st.binary(max_size=200))
def test_anything_may_stand_there(value):
    """Nothing an upstream says breaks the call, and what comes out can stand in a query."""
    challenge = parse_challenge([(b"www-authenticate", b"Bearer " + value)])

    assert all(0x21 <= ord(char) < 0x7F and char not in '"\\' for acr in challenge.acr_values for char in acr)
    assert challenge.max_age is None or 0 <= challenge.max_age < 10**9
