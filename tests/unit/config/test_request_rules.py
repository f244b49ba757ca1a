"""What the headers and origins of a route must be, at their lines."""

import pytest

from bff.from_settings import build_route
from tests.unit.config.conftest import VALID


def errors(disk, line, kind="error"):
    """Each complaint about the valid file with this line in its route, as (key, message, hint)."""
    found = disk.complaints(f"{VALID}{line}\n")
    assert {"bff.toml:11"} >= {where for severity, where, *_ in found if severity == kind}
    return [complaint[2:] for complaint in found if complaint[0] == kind]


def test_header_rules_and_cors_are_read(disk):
    """As they stand in the reference."""
    line = """request_headers = { set = { "X-User" = "{sub}" }, remove = ["X-Debug"] }
response_headers = { set = { "X-A" = "b" }, remove = ["X-C"] }
cors = { origins = ["https://admin.example.com"], credentials = true, max_age = "1h" }"""
    (route,) = disk.settings(f"{VALID}{line}\n").api

    assert (("sub", True),) == route.request_headers.set["X-User"].parts
    assert (("X-Debug",), {"X-A": "b"}, ("X-C",)) == (
        route.request_headers.remove,
        dict(route.response_headers.set),
        route.response_headers.remove,
    )
    assert (("https://admin.example.com",), True, 3600.0) == (
        route.cors.origins,
        route.cors.credentials,
        route.cors.max_age,
    )


OWN_UP = (
    "Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE",
    "Trailer", "Upgrade", "Expect", "Proxy-Authorization", "Forwarded", "X-Forwarded-For", "X-Forwarded-User",
    "Via", "X-Request-Id", "X-CSRF", "DPoP", "traceparent", "Sec-WebSocket-Key",
)  # fmt: skip
OWN_DOWN = (
    "Set-Cookie",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Access-Control-Allow-Origin",
    "Vary",
)


@pytest.mark.parametrize("how", ['set = { "NAME" = "x" }', 'remove = ["NAME"]'])
@pytest.mark.parametrize(
    ("direction", "name"),
    [*(("request", name) for name in OWN_UP), *(("response", name) for name in OWN_DOWN)],
)
@pytest.mark.parametrize("spell", [str, str.upper])
def test_headers_that_are_ours_cannot_be_touched(disk, direction, name, how, spell):
    """Framing, hops, targets and identity, in any spelling (RFC 9110 §7.6.1)."""
    line = f"{direction}_headers = {{ {how.replace('NAME', spell(name))} }}"
    ((_, message, _),) = errors(disk, line)

    assert "is bff's own and cannot be changed" in message


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ('request_headers = { set = { "X_User" = "a" } }', "request_headers.set.X_User", "underscore"),
        ('request_headers = { set = { "X User" = "a" } }', "request_headers.set.X User", "no name of a header"),
        ('request_headers = { set = { "X-A" = "a", "x-a" = "b" } }', "request_headers.set.x-a", "the same header"),
        ('request_headers = { set = { "X-A" = "{" } }', "request_headers.set.X-A", "brace"),
        ('request_headers = { set = { "X-A" = "a\\r\\nb" } }', "request_headers.set.X-A", "control"),
        ('request_headers = { set = { "X-A" = "é" } }', "request_headers.set.X-A", "should not hold"),
        ('request_headers = { set = { "X-A" = 1 } }', "request_headers.set.X-A", "is an integer"),
        ("request_headers = { sets = { } }", "request_headers.sets", "unknown key"),
        ('token = "none"\nrequest_headers = { set = { "X-A" = "{sub}" } }', "request_headers.set.X-A", "no user"),
        ('response_headers = { remove = ["X-Content-Type-Options"] }', "response_headers.remove.0", "ours stays"),
        (
            'request_headers = { secrets = { Cookie = { env = "HEADER" } } }',
            "request_headers.secrets.Cookie",
            "own",
        ),
        ('request_headers = { secrets = { X = { env = "BAD" } } }', "request_headers.secrets.X", "no header can"),
        (
            'request_headers = { set = { X = "a" }, secrets = { x = { env = "HEADER" } } }',
            "request_headers.secrets.x",
            "in `set` as well",
        ),
        ("cors = { credentials = true }", "cors.origins", "names no origin"),
        ('cors = { origins = ["*"], credentials = true }', "cors.origins.0", "does not start with"),
        ('cors = { origins = ["null"], credentials = true }', "cors.origins.0", "does not start with"),
        (
            'cors = { origins = ["https://app.example.com"], credentials = true }',
            "cors.origins.0",
            "our own public_url",
        ),
        ('cors = { origins = ["https://admin.example.com"] }', "cors.credentials", "nobody who calls"),
    ],
)
def test_mistakes_are_told_at_their_key(disk, line, key, message):
    """With the line."""
    disk.environ |= {"HEADER": "k3y", "BAD": "\u00e9"}
    found = [entry[2:] for entry in disk.complaints(f"{VALID}{line}\n") if entry[0] == "error"]

    assert [f"api.0.{key}"] == [entry[0] for entry in found]
    assert message in found[0][1]


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("https://admin.example.com", False),
        ("https://admin.example.com:8443", False),
        ("https://example.com", False),
        ("https://example.org", True),
        ("http://localhost:3000", True),
        ("https://10.0.0.1", True),
    ],
)
def test_origin_of_another_site_is_warned_of(disk, origin, told):
    """The session cookie is SameSite: it would never come along (RFC 6265bis §5.2)."""
    line = f'cors = {{ origins = ["{origin}"], credentials = true }}'

    assert told == bool(errors(disk, line, "warning"))


def test_secret_header_is_read_from_elsewhere(disk):
    """And goes up as it is, braces and all."""
    disk.environ["HEADER"] = "k3y{sub}"
    settings = disk.settings(VALID + 'request_headers = { secrets = { X-Api-Key = { env = "HEADER" } } }\n')
    rules = build_route(settings.api[0], settings).request_rules

    assert "k3y" not in repr(settings.api)
    assert [("x-api-key", "k3y{sub}")] == rules.apply([("x-api-key", "forged")], None)


def test_value_of_a_header_is_never_quoted(disk):
    """It may be a key."""
    found = disk.complaints(VALID + 'request_headers = { set = { "X-Api-Key" = "s3cret{" } }\n')

    assert not any("s3cret" in str(entry) for entry in found)


LISTENS = '[server]\nlisten = "unix:/run/bff.sock"\n'


@pytest.mark.parametrize(
    ("tables", "keys"),
    [
        (
            LISTENS + '[limits]\nper_address = "1/1s"\nlogins_per_address = "1/1s"',
            ["per_address", "logins_per_address"],
        ),
        (LISTENS + '[limits]\nper_session = "1/1s"', []),
        (LISTENS + 'trusted_proxies = ["10.0.0.1"]\n[limits]\nper_address = "1/1s"', []),
        ('[limits]\nper_address = "1/1s"', []),
        ('[spa]\nupstream = "http://127.0.0.1:5173"\nnonce_placeholder = "N"', ["nonce_placeholder"]),
        ('[spa]\ndirectory = "dist"\nnonce_placeholder = "N"', []),
    ],
)
def test_keys_without_effect_are_warned_of(disk, tables, keys):
    """A limit by address where nobody has one, and headers of pages that another server sends."""
    warned = [key for severity, _, key, *_ in disk.complaints(f"{VALID}{tables}\n") if severity == "warning"]

    assert keys == [key.rpartition(".")[2] for key in warned]
