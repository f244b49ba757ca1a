"""Sealed, signed and timed text for cookies and URLs."""

import re

import pytest

from bff.crypto.envelope import MAX_ENVELOPE, Envelope, TooOldError
from bff.crypto.key_ring import CannotOpenError, KeyRing
from tests.values import KEY, NOW, OLD_KEY

ENVELOPE = Envelope(KeyRing([KEY]), b"cookie")
TEXT = ENVELOPE.seal(b"payload", NOW)


def test_payload_and_time_come_back():
    """Whoever holds the key reads both; the text itself fits a cookie and a URL, and shows neither."""
    assert (b"payload", NOW) == ENVELOPE.open(TEXT, NOW + 5)
    assert re.fullmatch(rb"[A-Za-z0-9_.-]+", TEXT)
    assert b"payload" not in TEXT


@pytest.mark.parametrize(
    ("age", "max_age", "error"),
    [
        (0, 60, None),
        (60, 60, None),
        (61, 60, TooOldError),
        (-60, 60, None),
        (-61, 60, CannotOpenError),
        (10**6, None, None),
    ],
)
def test_age_is_held_to_its_limit(age, max_age, error):
    """Older than asked for, or from a future beyond all skew, it does not open; the former is told apart."""
    if error is None:
        assert (b"payload", NOW) == ENVELOPE.open(TEXT, NOW + age, max_age=max_age)
    else:
        with pytest.raises(CannotOpenError) as raised:
            ENVELOPE.open(TEXT, NOW + age, max_age=max_age)
        assert error is raised.type


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b".",
        b"..",
        b"a.b.c",
        TEXT[:-1],
        TEXT[1:],
        TEXT + b"A",
        TEXT.replace(b".", b"", 1),
        TEXT.replace(b".", b":"),
        TEXT.upper(),
        TEXT + b"\n",
        "é".encode(),
        b"\xff\xfe",
        b"A" * (MAX_ENVELOPE + 1),
        Envelope(KeyRing([KEY]), b"other").seal(b"payload", NOW),
        Envelope(KeyRing([OLD_KEY]), b"cookie").seal(b"payload", NOW),
    ],
)
def test_nothing_else_opens(text):
    """Damaged, foreign, of another purpose or of another key: one error for all of them."""
    with pytest.raises(CannotOpenError):
        ENVELOPE.open(text, NOW)


def test_text_that_is_signed_but_not_sealed_does_not_open():
    """A signature alone is not enough: what is inside must have been sealed for the same purpose."""
    signed = ENVELOPE._signer(NOW).sign(b"!!!")
    short = ENVELOPE._signer(NOW).sign(b"AAAA")

    for text in (signed, short):
        with pytest.raises(CannotOpenError):
            ENVELOPE.open(text, NOW)


def test_rotated_keys_open_what_they_sealed():
    """The old key still opens; what it sealed is known to be old."""
    both = Envelope(KeyRing([OLD_KEY, KEY]), b"cookie")
    new = both.seal(b"payload", NOW)

    assert (b"payload", NOW) == both.open(TEXT, NOW)
    assert [False, True, True] == [both.is_newest(TEXT), both.is_newest(new), ENVELOPE.is_newest(TEXT)]
