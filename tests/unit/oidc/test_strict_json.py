"""JSON with one meaning only."""

import pytest

from bff.oidc.strict_json import parse_json_object


def test_an_object_is_returned():
    """RFC 8259 §4."""
    assert {"a": [1, "é", None], "b": {"c": "\U0001f600"}} == parse_json_object(
        b'{"a": [1, "\\u00e9", null], "b": {"c": "\\ud83d\\ude00"}}'
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "a": 2}}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\\ud800", "b": "\\u00e9"}',
        b'{"a": 1} x',
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=range(18),
)
def test_anything_that_two_readers_could_read_differently_is_refused(text):
    """RFC 8725 §2.4: repeated names, byte order marks, NaN, lone surrogates, depth: refused, and never a crash."""
    with pytest.raises(ValueError):
        parse_json_object(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", 2.0**63),
        (b"-9223372036854775809", -(2.0**63)),
        (b"1" + b"0" * 400, float("inf")),
    ],
)
def test_an_integer_beyond_64_bits_becomes_a_float(text, value):
    """RFC 8259 §6: as it is to most readers; what holds sessions could not keep it otherwise."""
    parsed = parse_json_object(b'{"a": ' + text + b"}")["a"]

    assert (type(value), value) == (type(parsed), parsed)
