"""Whatever is done to a valid configuration, loading gives settings or a `ConfigError`, and nothing else."""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.config import ConfigError, Settings, load_config
from bff.config.toml_lines import find_lines
from bff.config.values import BadValue, read_duration, read_size
from bff.crypto.key_ring import new_key

VALID = """\
public_url = "https://app.example.com"
[server]
workers = 2
trusted_proxies = ["10.0.0.0/8"]
[oidc]
issuer = "https://id.example.com"
client_id = "spa"
client_secret = { env = "BFF_CLIENT_SECRET" }
scopes = ["openid", "profile"]
extra_parameters = { audience = "x" }
[session]
store = "redis://:password@cache:6379/0"
idle_timeout = "1h"
[keys]
secrets = [{ file = "bff.keys" }]
[tokens]
algorithms = ["RS256"]
[roles]
rename = { "a" = "b" }
[[api]]
path = "/api/orders"
upstream = "http://orders.internal:9001/v1/orders"
csrf = true
max_body_size = "1MiB"
allow = [
  { methods = ["GET"], roles = ["reader"] },
]
[spa]
directory = "dist"
"""
LINES = VALID.splitlines()
ENVIRON = {"BFF_CLIENT_SECRET": "client secret"}
FRAGMENTS = st.sampled_from(
    ['"', "'", "[", "]", "{", "}", "=", ".", ",", "#", "\n", "[[api]]", '"""', "\\", "\x00", "é", "1", *LINES]
)
SCALARS = st.one_of(
    st.text(max_size=12), st.integers(), st.floats(), st.booleans(), st.dates(), st.times(), st.none()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["env", "file", "path", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def load(tmp_path):
    """Load a text; None when it was refused."""
    (tmp_path / "bff.keys").write_text(new_key())
    (tmp_path / "bff.keys").chmod(0o600)
    file = tmp_path / "bff.toml"

    def load_text(text, environ=ENVIRON):
        file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        try:
            return load_config(file, environ=environ)
        except ConfigError as error:
            assert "password" not in str(error).replace("user or password", "")
            return None

    assert isinstance(load_text(VALID), Settings)
    return load_text


def dump(value):
    """A value in TOML. What TOML cannot say becomes an empty string."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return str(value)
        case list():
            return "[" + ", ".join(map(dump, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{dump(key)} = {dump(inner)}" for key, inner in value.items()) + "}"
        case None:
            return '""'
        case _:
            return value.isoformat()


@quick
@given(at=st.integers(0, len(VALID)), cut=st.integers(0, 30), put=FRAGMENTS | st.text(max_size=8))
def test_any_edit_of_the_text(load, at, cut, put):
    """Characters taken out and put in anywhere."""
    load(VALID[:at] + put + VALID[at + cut :])


@quick
@given(lines=st.permutations(LINES), keep=st.integers(0, len(LINES)))
def test_any_order_of_the_lines(load, lines, keep):
    """Lines dropped and shuffled."""
    load("\n".join(lines[:keep]))


@quick
@given(line=st.integers(0, len(LINES) - 1), value=VALUES)
def test_any_value_for_any_key(load, line, value):
    """Every kind of TOML value where another kind belongs."""
    key, equals, _ = LINES[line].partition(" = ")
    if equals:
        load("\n".join([*LINES[:line], f"{key} = {dump(value)}", *LINES[line + 1 :]]))


@quick
@given(
    parts=st.lists(
        st.sampled_from(
            [
                "API",
                "0",
                "1",
                "7",
                "OIDC",
                "CLIENT_SECRET",
                "ENV",
                "FILE",
                "KEYS",
                "SECRETS",
                "ALLOW",
                "ROLES",
                "X",
                "",
            ]
        ),
        max_size=5,
    ),
    text=st.text(max_size=20) | st.sampled_from(["[]", "[{}]", "{}", "[[", "1", "true", "null", "[null]"]),
)
def test_any_override(load, parts, text):
    """Variables that fit nowhere, or hold anything."""
    load(VALID, ENVIRON | {"__".join(["BFF", *parts]): text})


def paths(value, path=()):
    """Every path of a tree."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@quick
@given(
    tree=st.dictionaries(
        st.text(min_size=1, max_size=4),
        st.recursive(
            st.text(max_size=6) | st.integers() | st.booleans(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_the_scanner_finds_exactly_the_keys_that_there_are(tree):
    """One statement a line: every path of the tree has the line of its statement."""
    text = "\n".join(f"{dump(key)} = {dump(value)}" for key, value in tree.items())
    lines = {key: number for number, key in enumerate(tree, start=1)}

    assert tree == tomllib.loads(text)
    assert {path: lines[path[0]] for path in paths(tree)} == find_lines(text)


@quick
@given(text=st.text(max_size=10) | st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,12})? ?[a-zA-Z]{0,4}", fullmatch=True))
def test_quantities_are_read_or_refused(text):
    """A duration is a sane number of seconds, a size a positive whole number of bytes."""
    for read, kind in ((read_duration, float), (read_size, int)):
        try:
            value = read(text)
        except BadValue:
            continue
        assert isinstance(value, kind)
        assert 0 <= value <= 2**53
