"""Readers of single values."""

import datetime as dt
from ipaddress import ip_network

import pytest

from bff.config import addresses, choices, condition_readers, values
from bff.config.settings import Csrf, TokenKind
from bff.config.values import BadValue
from bff.session.stores import open_store


def refusal(read, value):
    """What a reader says about a value that it refuses."""
    with pytest.raises(BadValue) as caught:
        read(value)
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("500ms", 0.5), ("90s", 90.0), ("15m", 900.0), ("12h", 43200.0), ("7d", 604800.0), ("1.5h", 5400.0),
        ("0s", 0.0), (90, 90.0), (0.25, 0.25), (0, 0.0), (" 5 s ", 5.0),
    ],
)  # fmt: skip
def test_durations(value, seconds):
    """A number and a unit, or a plain number of seconds."""
    assert seconds == values.read_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (43200.0, "12h"),
        (86400.0, "1d"),
        (5400.0, "90m"),
        (90.0, "90s"),
        (0.25, "250ms"),
        (1.5, "1500ms"),
        (0.0, "0s"),
    ],
)
def test_durations_are_told_as_they_may_be_written(seconds, text):
    """Whoever is told a limit can paste it."""
    assert text == values.duration_text(seconds)
    assert seconds == values.read_duration(text)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("", 'is ""', ""),
        ("90", 'is "90"', ""),
        ("-1s", 'is "-1s"', ""),
        ("1e3s", 'is "1e3s"', ""),
        ("٣s", 'is "٣s"', ""),
        ("5S", 'has the unknown unit "S"', 'did you mean "s"?'),
        ("5mss", 'has the unknown unit "mss"', 'did you mean "ms"?'),
        ("5 fortnights", 'has the unknown unit "fortnights"', ""),
        (-1, "is out of range", ""),
        (10**400, "is out of range", ""),
        (float("nan"), "is out of range", ""),
        (float("inf"), "is out of range", ""),
        ("9999d", "is out of range", ""),
        (True, "is a boolean", ""),
        ([1], "is an array", ""),
        (dt.time(1), "is a date or time", ""),
        (dt.date(2026, 1, 1), "is a date or time", ""),
    ],
)
def test_refused_durations(value, message, hint):
    """Anything that would have to be guessed is refused."""
    assert (message, hint) == refusal(values.read_duration, value)


def test_a_positive_duration_is_not_zero():
    """A timeout of nothing would time everything out."""
    assert 0.001 == values.read_positive_duration("1ms")
    assert ("is zero", "") == refusal(values.read_positive_duration, "0s")


@pytest.mark.parametrize(
    ("value", "size"),
    [("64KiB", 65536), ("10MiB", 10 * 2**20), ("1GB", 10**9), ("1.5KiB", 1536), ("7B", 7), (1, 1), ("2 KB", 2000)],
)
def test_sizes(value, size):
    """A number and a unit, or a plain number of bytes."""
    assert size == values.read_size(value)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("64kib", 'has the unknown unit "kib"', 'did you mean "KiB"?'),
        ("0B", "is out of range", ""),
        (0, "is out of range", ""),
        ("9999999999GiB", "is out of range", ""),
        ("0.5B", "is out of range", ""),
        ("1.5B", "is not a whole number of bytes", ""),
        (1.0, "is a float", ""),
        (False, "is a boolean", ""),
        ("lots", 'is "lots"', ""),
    ],
)
def test_refused_sizes(value, message, hint):
    """A size is a whole number of bytes from one."""
    assert (message, hint) == refusal(values.read_size, value)


@pytest.mark.parametrize(
    ("value", "rate"),
    [("100/10s", (100, 10)), ("20/1m", (20, 60)), ("1/24h", (1, 86400)), (" 5 / 1.5m ", (5, 90))],
)
def test_rates(value, rate):
    """So many in whole seconds."""
    assert rate == values.read_rate(value)


@pytest.mark.parametrize(
    "value",
    [100, True, "", "100", "100/", "/10s", "0/1s", "x/1s", "-1/1s", "1.5/1s", "1/10", "1/0s", "1/500ms", "1/2d"],
)
def test_refused_rates(value):
    """With what would be one."""
    with pytest.raises(values.BadValue) as caught:
        values.read_rate(value)

    assert caught.value.expected


def test_counts():
    """A count is a whole number from 1; true is none."""
    assert 4 == values.read_count(4)
    assert ("is out of range", "") == refusal(values.read_count, 0)
    assert ("is out of range", "") == refusal(values.read_count, 2**40)
    assert ("is a boolean", "") == refusal(values.read_count, True)
    assert ("is a float", "") == refusal(values.read_count, 1.0)


def test_texts():
    """A text is a string with something in it, on one line."""
    assert "a b" == values.read_text("a b")
    assert ("is empty", "leave the key out to get the default") == refusal(values.read_text, " ")
    assert ("holds control characters", "") == refusal(values.read_text, "a\nb")
    assert ("is an integer", "") == refusal(values.read_text, 1)


def test_booleans():
    """A boolean stands without quotes."""
    assert values.read_bool(True) is True
    assert ("is a string", "write it without quotes") == refusal(values.read_bool, "True")
    assert ("is a string", "") == refusal(values.read_bool, "yes")
    assert ("is an array", "") == refusal(values.read_bool, [])


def test_choices_name_the_nearest():
    """A word that is almost right is answered with the right one."""
    assert "lax" == values.read_choice("lax", ("strict", "lax"))
    assert ('is "strickt"', 'did you mean "strict"?') == refusal(
        lambda value: values.read_choice(value, ("strict", "lax")), "strickt"
    )
    assert ("is a table", "") == refusal(lambda value: values.read_choice(value, ("strict", "lax")), {})


def test_networks():
    """An address is a network of one; bits beyond the prefix are somebody's mistake."""
    assert ip_network("10.0.0.0/8") == values.read_network("10.0.0.0/8")
    assert ip_network("::1/128") == values.read_network("::1")
    assert ('"10.0.0.1/8" has bits set beyond its prefix', 'did you mean "10.0.0.0/8"?') == refusal(
        values.read_network, "10.0.0.1/8"
    )
    assert ('"proxy" is no address and no network', "") == refusal(values.read_network, "proxy")
    assert ("is an integer", "") == refusal(values.read_network, 1)


def test_tokens():
    """RFC 9110 §5.6.2: a token has no white space and no separators."""
    assert "a-b" == values.read_token("a-b")
    assert ("holds characters that a name cannot hold", "") == refusal(values.read_token, "a b")


def test_header_values():
    """RFC 9110 §5.5: a header's value is ASCII, on one line."""
    assert "default-src 'self'" == values.read_header_value("default-src 'self'")
    assert "holds characters that a header should not hold" == refusal(values.read_header_value, "é")[0]
    assert "holds control characters" == refusal(values.read_header_value, "a\r\nb: c")[0]


def test_quoted_text_is_escaped_and_cut():
    """What is shown of a value cannot break a terminal line, nor fill it."""
    assert '"\\u001b[31m"' == values.quoted("\x1b[31m")
    assert f'"{"x" * 40}…"' == values.quoted("x" * 41)
    assert '"é"' == values.quoted("é")


def test_a_foreign_object_is_named_by_its_class():
    """Shapes are told even for what TOML cannot hold."""
    assert "NoneType" == values.shape_of(None)
    assert "a float" == values.shape_of(1.5)


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        "https://app.example.com", "https://app.example.com:8443", "http://localhost:8080", "http://127.0.0.1",
        "http://[::1]:8080", "https://[2001:db8::1]",
    ],
)  # fmt: skip
def test_origins(value):
    """An origin is what browsers send in `Origin`: https, or http on this machine (RFC 6454 §6.2)."""
    assert value == addresses.read_origin(value)


MORE = "is more than an origin, or not written as browsers write it"


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("https://app.example.com/", MORE, 'write "https://app.example.com"'),
        ("https://app.example.com/app", MORE, 'write "https://app.example.com"'),
        ("https://app.example.com?x", MORE, 'write "https://app.example.com"'),
        ("https://app.example.com?", MORE, 'write "https://app.example.com"'),
        ("https://app.example.com#x", MORE, 'write "https://app.example.com"'),
        ("https://App.example.com", MORE, 'write "https://app.example.com"'),
        ("https://app.example.com:443", MORE, 'write "https://app.example.com"'),
        ("http://localhost:80", MORE, 'write "http://localhost"'),
        (
            "http://app.example.com",
            "is not https",
            "browsers drop our Secure cookie on plain http; put TLS in front and give the https address here",
        ),
        ("app.example.com", "does not start with https:// or http://", ""),
        ("https:app.example.com", "does not start with https:// or http://", ""),
        ("ftp://app.example.com", "does not start with https:// or http://", ""),
        ("https://user:pw@app.example.com", "holds a user or password", "remove the part before the @"),
        ("https://", "has no valid host", ""),
        ("https://a..b", "has no valid host", ""),
        ("https://[::1", "is no URL: its host or port cannot be read", ""),
        ("https://[v1.x]", "has no valid host", ""),
        ("https://app:99999", "is no URL: its host or port cannot be read", ""),
        ("https://app:0", "has an empty or zero port", ""),
        ("https://app:", "has an empty or zero port", ""),
        ("https://app\\x", "holds characters that a URL cannot hold", "write an international host as xn--…"),
        (
            "https://bücher.example",
            "holds characters that a URL cannot hold",
            "write an international host as xn--…",
        ),
        ("https://a b", "holds characters that a URL cannot hold", "write an international host as xn--…"),
        ("https://a\tb", "holds control characters", ""),
        (7, "is an integer", ""),
    ],
)
def test_refused_origins(value, message, hint):
    """Everything else about public_url would end in cookies or redirects that do not fit."""
    assert (message, hint) == refusal(addresses.read_origin, value)


def test_issuers():
    """OIDC Discovery §2, RFC 8414 §2: https, no query, no fragment; plain http only on this machine."""
    for issuer in ("https://id.example.com", "https://id.example.com/realms/a/", "http://localhost:3000"):
        assert issuer == addresses.read_issuer(issuer)
    assert ("is not https", "") == refusal(addresses.read_issuer, "http://id.example.com")
    assert ("has a query or a fragment", 'end it after "id.example.com"') == refusal(
        addresses.read_issuer, "https://id.example.com?tenant=1"
    )
    assert ("has a query or a fragment", 'end it after "/realms/a"') == refusal(
        addresses.read_issuer, "https://id.example.com/realms/a#"
    )


def test_upstreams():
    """An upstream is http, https or a unix socket, without user, query, fragment and dot segments."""
    for upstream in (
        "http://orders.internal:9001/v1/orders", "https://[fd00::1]", "http://orders/a%20b/", "unix:/run/x",
        "unix:/run/x.sock:/v1",
    ):  # fmt: skip
        assert upstream == addresses.read_upstream(upstream)
    assert ("does not start with https:// or http://", "") == refusal(addresses.read_upstream, "ftp://orders")
    assert ("names no absolute socket path of at most 100 characters", "") == refusal(
        addresses.read_upstream, "unix:run/x"
    )
    assert ("has a path after the socket that no request can have", "") == refusal(
        addresses.read_upstream, "unix:/run/x:/a/../b"
    )
    assert ("holds a user or password", "remove the part before the @") == refusal(
        addresses.read_upstream, "http://u:hunter2@orders"
    )
    assert ("has a query or a fragment", 'end it after "orders"') == refusal(
        addresses.read_upstream, "http://orders?"
    )
    assert ("has dot segments in its path", "") == refusal(addresses.read_upstream, "http://orders/a/../b")


def test_resources():
    """RFC 8707 §2: an absolute URI without fragment."""
    assert "urn:api:orders" == addresses.read_resource("urn:api:orders")
    assert ("is no such URI", "") == refusal(addresses.read_resource, "orders")
    assert ("is no such URI", "") == refusal(addresses.read_resource, "https://api#x")


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("api", "does not start with a slash", 'did you mean "/api"?'),
        ("/", "is the root", "a route needs at least one segment"),
        ("/api/", "ends with a slash", 'did you mean "/api"?'),
        ("//", "ends with a slash", 'did you mean "/"?'),
        ("/api//x", "has an empty segment", ""),
        ("/api/../x", "has dot segments", ""),
        ("/./api", "has dot segments", ""),
        ("/api%20x", "has encoded characters", "write the path as it appears in a request, unencoded"),
        ("/api?x=1", "has a query or a fragment", "a route is chosen by its path alone"),
        ("/api#x", "has a query or a fragment", "a route is chosen by its path alone"),
        ("/api\\x", "holds characters that a path cannot hold", ""),
        ("/é", "holds characters that a path cannot hold", ""),
        ("/a b", "holds characters that a path cannot hold", ""),
    ],
)
def test_refused_route_paths(value, message, hint):
    """A route's path is matched byte for byte on whole segments, so it must have one spelling."""
    assert (message, hint) == refusal(addresses.read_route_path, value)


def test_route_paths():
    """Dots within a segment are fine."""
    assert "/api/v1.0/a..b/~x" == addresses.read_route_path("/api/v1.0/a..b/~x")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::]:1", ("::", 1)),
        ("localhost:65535", ("localhost", 65535)),
        ("unix:/run/bff.sock", ("/run/bff.sock", None)),
    ],
)
def test_listen_addresses(value, parts):
    """A listen address is a host and a port, or a socket."""
    assert parts == addresses.split_listen(addresses.read_listen(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("8080", "has no port"),
        ("localhost", "has no port"),
        (":8080", "has no valid host"),
        ("::1:8080", "has no valid host"),
        ("[1.2.3.4]:80", "has no valid host"),
        ("[zz::]:80", "has no valid host"),
        ("a b:80", "has no valid host"),
        ("localhost:0", "has no port from 1 to 65535"),
        ("localhost:65536", "has no port from 1 to 65535"),
        ("localhost:http", "has no port from 1 to 65535"),
        ("unix:run/bff.sock", "names no absolute socket path of at most 100 characters"),
        ("unix:", "names no absolute socket path of at most 100 characters"),
        (8080, "is an integer"),
    ],
)
def test_refused_listen_addresses(value, message):
    """An address without a host or a port is not guessed at."""
    assert message == refusal(addresses.read_listen, value)[0]


def test_management_may_share_the_listener():
    """`same` is a word of its own."""
    assert "same" == addresses.read_management_listen("same")
    assert "127.0.0.1:9090" == addresses.read_management_listen("127.0.0.1:9090")
    assert "has no port" == refusal(addresses.read_management_listen, "sam")[0]
    assert (
        "is a socket, where the management listener needs a port in this version"
        == (refusal(addresses.read_management_listen, "unix:/run/m.sock")[0])
    )


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────


def test_algorithms_are_asymmetric():
    """RFC 8725 §3.1: `none` and HMAC are refused by name, with the reason."""
    assert "EdDSA" == choices.read_algorithm("EdDSA")
    assert (
        'is "none"',
        "an unsigned token proves nothing: anybody can write one (RFC 8725 §3.1, §3.2)",
    ) == refusal(choices.read_algorithm, "None")
    message, hint = refusal(choices.read_algorithm, "HS256")
    assert '"HS256" is symmetric' == message
    assert "RFC 8725 §2.1, §3.1" in hint
    assert ('"rs256" is unknown', 'did you mean "RS256"?') == refusal(choices.read_algorithm, "rs256")
    assert ("is an integer", "") == refusal(choices.read_algorithm, 256)


def test_prompts():
    """OIDC Core §3.1.2.1: several words are allowed, `none` as everybody's default would lock everyone out."""
    assert "login consent" == choices.read_prompt("login consent")
    assert ('holds "concent"', 'did you mean "consent"?') == refusal(choices.read_prompt, "concent")
    assert 'holds "none"' == refusal(choices.read_prompt, "none")[0]


def test_csrf_is_a_boolean_or_a_word():
    """true is the header, false is nothing."""
    assert [Csrf.HEADER, Csrf.OFF, Csrf.ORIGIN] == [choices.read_csrf(value) for value in (True, False, "origin")]
    assert ('is "origins"', 'did you mean "origin"?') == refusal(choices.read_csrf, "origins")


def test_client_tokens_are_not_there_yet():
    """A kind that is planned is told apart from one that is misspelt."""
    assert TokenKind.USER_OPTIONAL is choices.read_token_kind("user_optional")
    assert "client tokens are not available in this version" == refusal(choices.read_token_kind, "client")[0]
    assert ('is "users"', 'did you mean "user"?') == refusal(choices.read_token_kind, "users")


def test_scopes():
    """RFC 6749 §3.3: a scope has no spaces; several in one string are the usual mistake."""
    assert "api:read" == choices.read_scope("api:read")
    assert ("holds characters that a scope cannot hold", "make it one array entry a scope") == refusal(
        choices.read_scope, "openid profile"
    )
    assert ("holds characters that a scope cannot hold", "") == refusal(choices.read_scope, 'a"b')


def test_methods():
    """Methods are upper-cased; TRACE and CONNECT are never forwarded (RFC 9110 §9.3.6, §9.3.8)."""
    assert "PATCH" == condition_readers.read_method("patch")
    assert ("is no method", "leave `methods` out to allow any") == refusal(condition_readers.read_method, "*")
    assert "TRACE is never forwarded" == refusal(condition_readers.read_method, "trace")[0]
    assert "holds characters that a name cannot hold" == refusal(condition_readers.read_method, "GET POST")[0]


def test_cookie_names():
    """RFC 6265bis §4.1.3.2: the prefix keeps other hosts and plain http from planting our cookie."""
    assert "__Host-shop" == choices.read_cookie_name("__Host-shop")
    assert ("does not start with __Host-", 'did you mean "__Host-bff"?') == refusal(choices.read_cookie_name, "bff")
    assert ("does not start with __Host-", 'did you mean "__Host-bff"?') == refusal(
        choices.read_cookie_name, "__Secure-bff"
    )
    assert "has a length that is not within 8 to 64" == refusal(choices.read_cookie_name, "__Host-")[0]
    assert "holds characters that a name cannot hold" == refusal(choices.read_cookie_name, "__Host-a;b")[0]


@pytest.mark.parametrize(
    "url",
    [
        "memory:", "sqlite:///x.db", "sqlite:////var/lib/x.db", "redis://localhost:6379/0",
        "rediss://:pw@cache", "redis://cache?db=1&prefix=shop", "unix:///run/valkey.sock?db=0",
        "redis+sentinel://a,b:26380/main/2", "rediss+sentinel://u:p@[::1]", "redis+cluster://a,b",
        "rediss+cluster://u:p@a:7000,b:7001?prefix=shop",
    ],
)  # fmt: skip
def test_store_addresses(url):
    """Every kind of store has its scheme, and what passes here can be opened."""
    choices.check_store_url(url)

    open_store(url)


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("redis", "is no address of a store", ""),
        ("/var/x.db", "is no address of a store", ""),
        ("REDIS://x", "is no address of a store", ""),
        ("postgres://x", 'has the unknown scheme "postgres"', ""),
        ("redisS://x", "is no address of a store", ""),
        ("reddis://:hunter2@x", 'has the unknown scheme "reddis"', 'did you mean "redis"?'),
        ("memory://", 'has something behind "memory:"', ""),
        ("sqlite://x.db", "names no file", 'for a store in memory write "memory:"'),
        ("sqlite:///", "names no file", 'for a store in memory write "memory:"'),
        ("sqlite:///:memory:", "names no file", 'for a store in memory write "memory:"'),
        ("sqlite:///x.db?mode=ro", "names no file", 'for a store in memory write "memory:"'),
        ("redis:", "names no host", ""),
        ("redis://:pw@", "names no host", ""),
        ("redis://cache\n", "is no address of a store", ""),
        ("unix:x.sock", "names no socket", ""),
        ("redis+sentinel://", "names no host", ""),
        ("redis+cluster:a,b", "names no host", ""),
        ("redis://", "names no host", ""),
    ],
)
def test_refused_store_addresses(url, message, hint):
    """A store's address is checked by its shape, and never shown."""
    assert (message, hint) == refusal(choices.check_store_url, url)


def test_passwords_in_store_addresses_are_seen():
    """Only an address with a password is a secret that should not stand in a file."""
    assert choices.has_password("redis://user:pw@host")
    assert choices.has_password("redis://:pw@host/0")
    assert choices.has_password("unix:///run/x.sock?db=0&password=pw")
    assert not choices.has_password("redis://user@host?db=1")
    assert not choices.has_password("redis://host/a:b@c")
    assert not choices.has_password("memory:")


def test_audit_sinks():
    """Audit lines go to standard output, to a file or to the session store."""
    assert ("stdout", "store") == tuple(map(choices.read_audit_sink, ("stdout", "store")))
    assert "file:audit.jsonl" == choices.read_audit_sink("file:audit.jsonl")
    assert ("is no audit sink", 'did you mean "file:audit.jsonl"?') == refusal(
        choices.read_audit_sink, "audit.jsonl"
    )
    assert ("is no audit sink", "") == refusal(choices.read_audit_sink, "file:")
    assert ("is no audit sink", 'did you mean "store"?') == refusal(choices.read_audit_sink, "store:")


def test_fractions():
    """A part of the whole."""
    assert [0.0, 0.25, 1.0] == [values.read_fraction(value) for value in (0, 0.25, 1)]
    assert {"is out of range"} == {refusal(values.read_fraction, value)[0] for value in (-0.1, 1.1, float("nan"))}
    assert ("is a boolean", "is a string") == tuple(refusal(values.read_fraction, x)[0] for x in (True, "1"))


def test_log_levels_and_providers():
    """Closed lists name the nearest."""
    assert "warning" == choices.read_log_level("warning")
    assert ('is "warn"', 'did you mean "warning"?') == refusal(choices.read_log_level, "warn")
    assert "entra" == choices.read_provider("entra")
    assert ('is "keycloack"', 'did you mean "keycloak"?') == refusal(choices.read_provider, "keycloack")
