"""The scanner that knows on which line of a TOML text each key stands."""

import tomllib

import pytest

from bff.config.toml_lines import find_lines

TEXT = '''# a comment = "x"
top = 1
"quoted key" = 'it # is'
a.b.'c.d' = true

[server]  # [not.a.header]
listen = "127.0.0.1:8080"   # = comment
text = """
[fake]
x = 1
\\""" still inside """
after = 2
literal = \'\'\'
[[fake]]
y = 2\'\'\'
quotes = """"quoted""""
ends = 1979-05-27T07:32:00Z

[[api]]
path = "/one"
allow = [
  # a comment with ] and "quotes
  { methods = ["GET"], roles = ["a"] },
  {
    methods = ["POST"], roles = [] },
]

[[api]]
path = "/two"
[api.extra.deep]
x = { y = { z = "}" } }
[[api.nested]]
n = 1
[[api.nested]]
n = 2
'''.replace("  {\n    methods", "\n  { methods")


EXPECTED = {
    ("top",): 2,
    ("quoted key",): 3,
    ("a",): 4,
    ("a", "b"): 4,
    ("a", "b", "c.d"): 4,
    ("server",): 6,
    ("server", "listen"): 7,
    ("server", "text"): 8,
    ("server", "after"): 12,
    ("server", "literal"): 13,
    ("server", "quotes"): 16,
    ("server", "ends"): 17,
    ("api",): 19,
    ("api", 0): 19,
    ("api", 0, "path"): 20,
    ("api", 0, "allow"): 21,
    ("api", 0, "allow", 0): 23,
    ("api", 0, "allow", 0, "methods"): 23,
    ("api", 0, "allow", 0, "methods", 0): 23,
    ("api", 0, "allow", 0, "roles"): 23,
    ("api", 0, "allow", 0, "roles", 0): 23,
    ("api", 0, "allow", 1): 25,
    ("api", 0, "allow", 1, "methods"): 25,
    ("api", 0, "allow", 1, "methods", 0): 25,
    ("api", 0, "allow", 1, "roles"): 25,
    ("api", 1): 28,
    ("api", 1, "path"): 29,
    ("api", 1, "extra"): 30,
    ("api", 1, "extra", "deep"): 30,
    ("api", 1, "extra", "deep", "x"): 31,
    ("api", 1, "extra", "deep", "x", "y"): 31,
    ("api", 1, "extra", "deep", "x", "y", "z"): 31,
    ("api", 1, "nested"): 32,
    ("api", 1, "nested", 0): 32,
    ("api", 1, "nested", 0, "n"): 33,
    ("api", 1, "nested", 1): 34,
    ("api", 1, "nested", 1, "n"): 35,
}


def test_every_key_has_its_line():
    """Headers, dotted and quoted keys, arrays of tables, inline tables and multi-line strings are all followed."""
    tomllib.loads(TEXT)

    assert EXPECTED == dict(find_lines(TEXT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n# only a comment", {}),
        ("a = 1", {("a",): 1}),
        ("a = 1\r\nb = 2\r\n", {("a",): 1, ("b",): 2}),
        ("a=''\nb=\"\"\nc=[]\nd={}", {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}),
        ('"\\u0061" = 1', {("a",): 1}),
        ("a = [1, 2,]\nb = 3", {("a",): 1, ("a", 0): 1, ("a", 1): 1, ("b",): 2}),
        ('[ a . "b" ]\nc = 1', {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2}),
        ("a = [[1],\n[2]]", {("a",): 1, ("a", 0): 1, ("a", 0, 0): 1, ("a", 1): 2, ("a", 1, 0): 2}),
        ('a = """x\\\n  y"""\nb = 1', {("a",): 1, ("b",): 3}),
        ("a = '''\n'it''s''''\nb = 1", {("a",): 1, ("b",): 3}),
    ],
)
def test_small_texts(text, expected):
    """Each form of a statement is passed over to its end, and no further."""
    tomllib.loads(text)

    assert expected == dict(find_lines(text))
