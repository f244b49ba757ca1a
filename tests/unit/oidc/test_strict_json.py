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
