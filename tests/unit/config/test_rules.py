"""What several keys must be to each other: each rule, at its exact line."""

import pytest

from bff.config.addresses import read_upstream
from tests.unit.config.conftest import VALID


def with_lines(*lines, table=None, after=None):
    """The valid file with a table at its end (line 11 on), or with lines after one of its own lines."""
    if after is not None:
        return VALID.replace(after, "\n".join([after, *lines]))
    return VALID + "\n".join([f"[{table}]", *lines]) + "\n"


CLIENT = 'client_secret = { env = "BFF_CLIENT_SECRET" }'
ROUTE = '[[api]]\npath = "{}"\nupstream = "http://x"\n'


@pytest.mark.parametrize(
    ("text", "where", "key", "message", "hint"),
    [
        pytest.param(
            VALID.replace(CLIENT, ""),
            2,
            "oidc.client_secret",
            "is missing",
            '{ env = "BFF_CLIENT_SECRET" }',
            id="basic needs a secret (RFC 6749 §2.3.1)",
        ),
        pytest.param(
            VALID.replace(CLIENT, 'client_auth = "client_secret_post"'),
            2,
            "oidc.client_secret",
            "is missing",
            '{ env = "BFF_CLIENT_SECRET" }',
            id="post needs a secret (RFC 6749 §2.3.1)",
        ),
        pytest.param(
            with_lines('client_auth = "private_key_jwt"', after=CLIENT),
            2,
            "oidc.private_key",
            "is missing",
            '{ file = "client-key.pem" }',
            id="private_key_jwt needs a key (OIDC Core §9)",
        ),
        pytest.param(
            with_lines('scopes = ["profile"]', after=CLIENT),
            6,
            "oidc.scopes",
            'does not contain "openid"',
            "",
            id="openid (OIDC Core §3.1.2.1)",
        ),
        pytest.param(
            with_lines("[oidc.extra_parameters]", 'code_challenge_method = "plain"', after=CLIENT),
            7,
            "oidc.extra_parameters.code_challenge_method",
            "is set by bff itself and cannot be changed",
            "every login is a code flow with PKCE S256, state and nonce (RFC 9700 §2.1.1)",
            id="PKCE is not up for change (RFC 9700 §2.1.1)",
        ),
        pytest.param(
            with_lines('extra_parameters = { response_type = "token" }', after=CLIENT),
            6,
            "oidc.extra_parameters.response_type",
            "is set by bff itself and cannot be changed",
            "every login is a code flow with PKCE S256, state and nonce (RFC 9700 §2.1.1)",
            id="no implicit flow (RFC 9700 §2.1.2)",
        ),
        pytest.param(
            with_lines("algorithms = []", table="tokens"),
            12,
            "tokens.algorithms",
            "accepts no token at all",
            "leave the key out to get the default",
            id="some algorithm (RFC 8725 §3.1)",
        ),
        pytest.param(
            with_lines('idle_timeout = "13h"', table="session"),
            12,
            "session.idle_timeout",
            "is longer than session.absolute_timeout",
            "a session cannot be idle for longer than it lives",
            id="idle within absolute",
        ),
        pytest.param(
            with_lines('absolute_timeout = "25h"', table="session"),
            12,
            "session.absolute_timeout",
            "is longer than tokens.max_session_lifetime",
            "",
            id="absolute within the token rule",
        ),
        pytest.param(
            with_lines("workers = 2", "[session]", 'store = "memory:"', table="server"),
            14,
            "session.store",
            'is "memory:", which 2 workers cannot share',
            'use "sqlite:///bff-sessions.db" on one machine, or a redis:// address',
            id="memory is one process",
        ),
        pytest.param(
            with_lines("renewal_process = true", "[session]", 'store = "memory:"', table="server"),
            14,
            "session.store",
            'is "memory:", which the renewal process cannot share',
            'use "sqlite:///bff-sessions.db" on one machine, or a redis:// address',
            id="memory is one process, without another that renews",
        ),
        pytest.param(
            with_lines('listen = "127.0.0.1:9090"', table="server"),
            11,
            "server.management_listen",
            "is the public address (server.listen)",
            'health, metrics and the admin API would be public; write "same" if that is meant',
            id="management apart from public",
        ),
        pytest.param(
            with_lines('management_listen = "0.0.0.0:8080"', table="server"),
            12,
            "server.management_listen",
            "is the public address (server.listen)",
            'health, metrics and the admin API would be public; write "same" if that is meant',
            id="management on all addresses, same port",
        ),
        pytest.param(
            VALID + ROUTE.format("/api/orders"),
            12,
            "api.1.path",
            "is also the path of route 0",
            "merge the two, or remove one",
            id="two routes with one path",
        ),
        pytest.param(
            VALID + ROUTE.format("/bff"),
            12,
            "api.1.path",
            'clashes with "/bff", where bff\'s own endpoints are',
            "or move bff's endpoints with server.prefix or server.management_listen",
            id="a route on our prefix",
        ),
        pytest.param(
            VALID + ROUTE.format("/bff/user"),
            12,
            "api.1.path",
            'clashes with "/bff", where bff\'s own endpoints are',
            "or move bff's endpoints with server.prefix or server.management_listen",
            id="a route below our prefix",
        ),
        pytest.param(
            with_lines('prefix = "/api/orders/bff"', table="server"),
            9,
            "api.0.path",
            'clashes with "/api/orders/bff", where bff\'s own endpoints are',
            "or move bff's endpoints with server.prefix or server.management_listen",
            id="our prefix below a route",
        ),
        pytest.param(
            with_lines('management_listen = "same"', table="server") + ROUTE.format("/health/api"),
            14,
            "api.1.path",
            'clashes with "/health", where bff\'s own endpoints are',
            "or move bff's endpoints with server.prefix or server.management_listen",
            id="a route on the health endpoints",
        ),
        pytest.param(
            VALID + 'forward_cookies = ["theme", "__Host-bff"]\n',
            11,
            "api.0.forward_cookies",
            "names the session cookie",
            "the session cookie never leaves bff",
            id="our cookie stays here (OAuth browser-based apps §6.1.1)",
        ),
        pytest.param(
            VALID + 'token = "none"\nallow = [{ roles = ["admin"] }]\n',
            12,
            "api.0.allow",
            "asks for roles on a route without a user",
            "",
            id="roles need a user",
        ),
        pytest.param(
            VALID.replace("http://orders.internal:9001", "https://app.example.com:443"),
            10,
            "api.0.upstream",
            "is our own public_url",
            "requests would come back to bff for ever",
            id="no loop",
        ),
        pytest.param(
            with_lines(table="spa"),
            11,
            "spa",
            "has neither directory nor upstream",
            "directory for built files, upstream for a development server",
            id="a spa from somewhere",
        ),
        pytest.param(
            with_lines('directory = "dist"', 'upstream = "http://127.0.0.1:5173"', table="spa"),
            11,
            "spa",
            "has both directory and upstream",
            "directory for built files, upstream for a development server",
            id="a spa from one place",
        ),
        pytest.param(
            VALID + 'websocket = true\nwebsocket_max_message = "17MiB"\n',
            12,
            "api.0.websocket_max_message",
            "is more than the server takes",
            "send more in several messages",
            id="messages of sockets",
        ),
    ],
)
def test_broken_rules(disk, text, where, key, message, hint):
    """Each rule is reported once, where the value that breaks it stands."""
    assert [("error", f"bff.toml:{where}", key, message, hint)] == disk.complaints(text)


@pytest.mark.parametrize(
    ("text", "where", "key", "message"),
    [
        (
            VALID + "csrf = false\n",
            11,
            "api.0.csrf",
            "lets every web site call this API in the user's name",
        ),
        (
            with_lines('trusted_proxies = ["10.0.0.0/8", "0.0.0.0/0"]', table="server"),
            12,
            "server.trusted_proxies.1",
            "trusts everybody",
        ),
        (
            with_lines('clock_skew = "5m"', table="tokens"),
            12,
            "tokens.clock_skew",
            "accepts tokens long after they expired",
        ),
    ],
)
def test_risky_settings_are_warnings(disk, text, where, key, message):
    """What may be meant, but is a risk, is told and accepted."""
    assert [("warning", f"bff.toml:{where}", key, message)] == [c[:4] for c in disk.complaints(text)]


@pytest.mark.parametrize(
    "text",
    [
        with_lines('management_listen = "same"', table="server"),
        with_lines('listen = "0.0.0.0:8080"', 'management_listen = "0.0.0.0:9090"', table="server"),
        with_lines('listen = "127.0.0.1:8080"', 'management_listen = "127.0.0.2:8080"', table="server"),
        with_lines('listen = "unix:/run/a"', table="server"),
        with_lines("workers = 1", "[session]", 'store = "memory:"', table="server"),
        VALID + ROUTE.format("/api"),
        VALID + ROUTE.format("/bffx"),
        VALID + ROUTE.format("/api/orders/old"),
        VALID + 'token = "none"\ncsrf = false\nallow = [{ methods = ["GET"] }]\n',
        with_lines('directory = "dist"', table="spa"),
        with_lines('idle_timeout = "12h"', table="session"),
    ],
)
def test_what_no_rule_forbids(disk, text):
    """Neighbours of the forbidden are allowed."""
    assert [] == disk.complaints(text)


def test_a_rule_about_a_broken_key_waits(disk):
    """A key that could not be read is not complained about twice."""
    text = with_lines('idle_timeout = "13 hours"', 'absolute_timeout = "1h"', table="session")

    assert [("bff.toml:12", "session.idle_timeout", 'has the unknown unit "hours"')] == [
        c[1:4] for c in disk.complaints(text)
    ]


def test_one_key_may_break_two_rules(disk):
    """Both rules are told."""
    text = VALID + ROUTE.format("/bff") + ROUTE.format("/bff")

    assert [
        ("bff.toml:12", 'clashes with "/bff", where bff\'s own endpoints are'),
        ("bff.toml:15", "is also the path of route 1"),
        ("bff.toml:15", 'clashes with "/bff", where bff\'s own endpoints are'),
    ] == [(c[1], c[3]) for c in disk.complaints(text)]


def test_plain_http_upstreams_on_other_machines_are_allowed():
    """Inside a private network the operator decides; `bff check` says what it means."""
    assert "http://orders.internal:9001" == read_upstream("http://orders.internal:9001")
