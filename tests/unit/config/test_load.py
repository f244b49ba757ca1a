"""Loading a whole configuration: defaults, overrides, and what is said about mistakes."""

from dataclasses import fields
from ipaddress import ip_network
from types import MappingProxyType

import pytest

from bff.config import ConfigError, Finding, Secret, Settings, Severity, load_config, load_with_findings
from bff.config.settings import (
    AllowSettings,
    ApiSettings,
    ClientAuth,
    Csrf,
    OidcSettings,
    SameSite,
    SessionSettings,
    SpaSettings,
)
from tests.unit.config.conftest import KEY, VALID

CONTRACT = """\
public_url = "https://app.example.com"

[server]
listen = "127.0.0.1:8080"
workers = 1
management_listen = "127.0.0.1:9090"
trusted_proxies = ["10.0.0.0/8"]

[oidc]
issuer = "https://id.example.com"
client_id = "spa"
client_secret = { env = "BFF_CLIENT_SECRET" }
client_auth = "client_secret_post"
scopes = ["openid", "profile", "offline_access"]
provider = "generic"

[session]
store = "sqlite:///bff-sessions.db"
cookie_name = "__Host-bff"
same_site = "lax"
idle_timeout = "1h"
absolute_timeout = "12h"
renew_ahead = "60s"

[keys]
secrets = [{ file = "bff.keys" }]

[tokens]
algorithms = ["RS256", "PS256", "ES256", "EdDSA"]
access_token_audience = []
max_access_token_lifetime = "1h"
max_session_lifetime = "24h"
on_violation = "reject"
clock_skew = "30s"

[roles]
claims = ["roles", "groups", "realm_access.roles"]
rename = { "kc-admins" = "admin" }

[[api]]
path = "/api/orders"
upstream = "http://orders.internal:9001/v1/orders"
token = "user"
csrf = true
websocket = false
timeout = "30s"
allow = [
  { methods = ["GET"], roles = ["reader", "admin"] },
  { methods = ["post", "DELETE"], roles = ["admin"] },
]

[spa]
directory = "frontend_example/dist"

[audit]
sink = "file:audit.jsonl"
"""


def said(severity, where, key, message, hint=""):
    return (severity, where, key, message, hint)


def errors(disk, text, **more):
    """Each error as (where, key, message)."""
    return [complaint[1:4] for complaint in disk.complaints(text, **more) if complaint[0] == "error"]


# ── what is right ────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_file_becomes_settings(disk):
    """Every form of value arrives as the settings' own type."""
    settings, warnings = disk.load(CONTRACT)

    assert [] == warnings
    assert (ip_network("10.0.0.0/8"),) == settings.server.trusted_proxies
    assert ClientAuth.POST is settings.oidc.client_auth
    assert SameSite.LAX is settings.session.same_site
    assert (3600.0, 43200.0, 60.0) == (
        settings.session.idle_timeout,
        settings.session.absolute_timeout,
        settings.session.renew_ahead,
    )
    assert {"kc-admins": "admin"} == settings.roles.rename
    assert (
        ApiSettings(
            path="/api/orders",
            upstream="http://orders.internal:9001/v1/orders",
            csrf=Csrf.HEADER,
            allow=(AllowSettings(("GET",), ("reader", "admin")), AllowSettings(("POST", "DELETE"), ("admin",))),
        ),
    ) == settings.api


def test_what_is_left_out_gets_its_default(disk):
    """The shortest file and the defaults of the settings are the same thing."""
    expected = Settings(
        public_url="https://app.example.com",
        oidc=OidcSettings("https://id.example.com", "spa", Secret("a client secret")),
        api=(ApiSettings("/api/orders", "http://orders.internal:9001/v1/orders"),),
        session=SessionSettings(store=Secret(f"sqlite:///{disk.directory}/bff-sessions.db")),
    )
    settings = disk.settings()

    for name in ("public_url", "oidc", "server", "session", "tokens", "roles", "api", "spa", "audit", "log"):
        assert getattr(expected, name) == getattr(settings, name)
    assert (Secret(KEY),) == settings.keys.secrets


def test_settings_are_frozen(disk):
    """Nothing in the settings can be changed, maps included."""
    settings = disk.settings(CONTRACT)

    assert isinstance(settings.roles.rename, MappingProxyType)
    with pytest.raises(AttributeError):
        settings.public_url = "https://evil.example"


def test_relative_paths_start_from_the_configuration_file(disk):
    """Wherever the server is started, it finds the same files."""
    settings = disk.settings(CONTRACT)

    assert SpaSettings(directory=f"{disk.directory}/frontend_example/dist") == settings.spa
    assert f"file:{disk.directory}/audit.jsonl" == settings.audit.sink
    assert Secret(f"sqlite:///{disk.directory}/bff-sessions.db") == settings.session.store
    absolute = disk.settings(
        CONTRACT.replace("sqlite:///bff", "sqlite:////var/bff").replace("frontend_e", "/srv/e")
    )
    assert Secret("sqlite:////var/bff-sessions.db") == absolute.session.store
    assert SpaSettings(directory="/srv/example/dist") == absolute.spa


def test_the_file_is_named_by_argument_variable_or_place(disk, monkeypatch):
    """The path, else BFF_CONFIG, else bff.toml in the working directory."""
    disk.write("bff.toml", VALID)
    disk.write("other.toml", VALID.replace("app.example", "other.example"))
    monkeypatch.chdir(disk.directory)
    named = disk.environ | {"BFF_CONFIG": str(disk.directory / "other.toml")}

    assert "https://app.example.com" == load_config(environ=disk.environ).public_url
    assert "https://other.example.com" == load_config(environ=named).public_url
    assert "https://app.example.com" == load_config(str(disk.file), environ=named).public_url


def test_the_process_environment_is_the_default(disk, monkeypatch):
    """Without a mapping the real environment is read, once."""
    disk.write("bff.toml", VALID)
    monkeypatch.setenv("BFF_CONFIG", str(disk.file))
    monkeypatch.setenv("BFF_CLIENT_SECRET", "from the process")
    monkeypatch.setenv("BFF__SERVER__WORKERS", "3")

    assert Secret("from the process") == load_config().oidc.client_secret
    assert 3 == load_config().server.workers


# ── the environment ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text", "get", "expected"),
    [
        ("PUBLIC_URL", "https://x.example", lambda s: s.public_url, "https://x.example"),
        ("SERVER__WORKERS", "4", lambda s: s.server.workers, 4),
        ("SERVER__MAX_BODY_SIZE", "1GB", lambda s: s.server.max_body_size, 10**9),
        ("SERVER__MAX_BODY_SIZE", "1024", lambda s: s.server.max_body_size, 1024),
        ("SERVER__TRUSTED_PROXIES", "::1, 10.0.0.0/8", lambda s: list(map(str, s.server.trusted_proxies)),
         ["::1/128", "10.0.0.0/8"]),
        ("SERVER__TRUSTED_PROXIES", "", lambda s: s.server.trusted_proxies, ()),
        ("SESSION__STORE", "redis://:pw@cache", lambda s: s.session.store, Secret("redis://:pw@cache")),
        ("SESSION__IDLE_TIMEOUT", "90", lambda s: s.session.idle_timeout, 90.0),
        ("SESSION__IDLE_TIMEOUT", "1.5", lambda s: s.session.idle_timeout, 1.5),
        ("SESSION__IDLE_TIMEOUT", "5m", lambda s: s.session.idle_timeout, 300.0),
        ("SESSION__SAME_SITE", "lax", lambda s: s.session.same_site, SameSite.LAX),
        ("OIDC__USERINFO", "True", lambda s: s.oidc.userinfo, True),
        ("OIDC__CLIENT_ID", "true", lambda s: s.oidc.client_id, "true"),
        ("OIDC__SCOPES", '["openid", "a"]', lambda s: s.oidc.scopes, ("openid", "a")),
        ("OIDC__SCOPES", "openid,b", lambda s: s.oidc.scopes, ("openid", "b")),
        ("OIDC__EXTRA_PARAMETERS", '{"kc_idp_hint": "x"}', lambda s: dict(s.oidc.extra_parameters),
         {"kc_idp_hint": "x"}),
        ("OIDC__EXTRA_PARAMETERS__AUDIENCE", "y", lambda s: dict(s.oidc.extra_parameters), {"audience": "y"}),
        ("OIDC__SCOPES__0", "profile", lambda s: s.oidc.scopes, ("profile", "openid")),
        ("API__0__UPSTREAM", "http://x", lambda s: s.api[0].upstream, "http://x"),
        ("API__0__CSRF", "false", lambda s: s.api[0].csrf, Csrf.OFF),
        ("API__0__CSRF", "origin", lambda s: s.api[0].csrf, Csrf.ORIGIN),
        ("API", '[{"path": "/x", "upstream": "http://x"}]', lambda s: s.api, (ApiSettings("/x", "http://x"),)),
        ("API__0__ALLOW__0__ROLES", "a,b", lambda s: s.api[0].allow, (AllowSettings((), ("a", "b")),)),
        ("SPA__UPSTREAM", "http://127.0.0.1:5173", lambda s: s.spa, SpaSettings(upstream="http://127.0.0.1:5173")),
    ],
)  # fmt: skip
def test_the_environment_overrides_any_key(disk, name, text, get, expected):
    """`BFF__SECTION__KEY` wins over the file, in the form that the key takes."""
    disk.environ[f"BFF__{name}"] = text

    assert expected == get(disk.settings(VALID.replace("[keys]", 'scopes = ["email", "openid"]\n[keys]')))


def test_the_environment_may_add_a_route(disk):
    """The number after the last route makes a new one; numbers sort as numbers."""
    for index in range(1, 12):
        disk.environ[f"BFF__API__{index}__PATH"] = f"/api/{index}"
        disk.environ[f"BFF__API__{index}__UPSTREAM"] = "http://x"

    assert ["/api/orders", *(f"/api/{index}" for index in range(1, 12))] == [
        route.path for route in disk.settings().api
    ]


def test_mistakes_in_the_environment_name_the_variable(disk):
    """There is no line to point at, so the variable is named."""
    disk.environ |= {
        "BFF__SESSION__IDEL_TIMEOUT": "5m",
        "BFF__SERVER__WORKERS": "four",
        "BFF__API__2__PATH": "/x",
        "BFF__API__X__PATH": "/x",
        "BFF__OIDC__SCOPES": "openid,a b",
        "BFF__OIDC__RESOURCE": "[",
        "BFF__OIDC__EXTRA_PARAMETERS": "audience=x",
        "BFF__ROLES__RENAME": '{"a": 1}',
        "BFF__SPA": "dist",
        "BFF__LOG__LEVEL": "verbose",
        "BFF__NOTHING": "x",
        "BFF__": "x",
        "BFF_OTHER": "x",
    }

    no_entry = "the array has no such entry: it has 1 before this variable"
    assert [
        ("BFF__API__2__PATH", "api.2", no_entry),
        ("BFF__API__X__PATH", "api.x", no_entry),
        ("BFF__LOG__LEVEL", "log.level", 'is "verbose"'),
        ("BFF__NOTHING", "nothing", "unknown key"),
        ("BFF__OIDC__EXTRA_PARAMETERS", "oidc.extra_parameters", "is no JSON"),
        ("BFF__OIDC__RESOURCE", "oidc.resource", "is no JSON"),
        ("BFF__OIDC__SCOPES", "oidc.scopes.1", "holds characters that a scope cannot hold"),
        ("BFF__ROLES__RENAME", "roles.rename.a", "is an integer"),
        ("BFF__SERVER__WORKERS", "server.workers", "is a string"),
        ("BFF__SESSION__IDEL_TIMEOUT", "session.idel_timeout", "unknown key"),
        ("BFF__SPA", "spa", "is a string"),
    ] == errors(disk, VALID)


def test_options_of_the_command_line_win_over_the_environment(disk):
    """An option overrides both, and is named when it is wrong."""
    disk.environ["BFF__SERVER__WORKERS"] = "2"

    assert 3 == disk.settings(options={"server.workers": ("--workers", "3")}).server.workers
    assert [("--listen", "server.listen", "has no port")] == errors(
        disk, VALID, options={"server.listen": ("--listen", "localhost")}
    )


# ── mistakes in the file ─────────────────────────────────────────────────────────────────────────────────


def test_every_mistake_is_told_at_once(disk):
    """Unknown keys, wrong types, missing keys and bad values all arrive together, in the order of the file."""
    text = """\
public_url = "https://app.example.com/"
idle_timeout = "1h"
[server]
workers = "2"
lisen = "127.0.0.1:1"
shutdown_timeout = "20 seconds"
max_header_size = "1 MIB"
[oidc]
issuer = 7
client_auth = "client_secret_basics"
client_secret = { evn = "X" }
user_claims = "name"
userinfo = 1
extra_parameters = { a = 1 }
[keys]
secrets = { file = "bff.keys" }
[sesion]
[[api]]
path = "/a"
upstream = "http://a"
csrf = "of"
allow = [
  { methods = ["GET", 1] },
  { role = ["a"] },
  "x",
]
[spa]
directory = ["dist"]
[log]
format = "jsn"
level = 2026-01-01
"""
    hint = "did you mean "

    assert [
        said("error", "bff.toml:1", "public_url", "is more than an origin, or not written as browsers write it",
             'write "https://app.example.com"'),
        said("error", "bff.toml:2", "idle_timeout", "unknown key", "it belongs in [session] or in [[api]]"),
        said("error", "bff.toml:4", "server.workers", "is a string"),
        said("error", "bff.toml:5", "server.lisen", "unknown key", hint + '"listen"?'),
        said("error", "bff.toml:6", "server.shutdown_timeout", 'has the unknown unit "seconds"'),
        said("error", "bff.toml:7", "server.max_header_size", 'has the unknown unit "MIB"', hint + '"MiB"?'),
        said("error", "bff.toml:8", "oidc.client_id", "is missing"),
        said("error", "bff.toml:9", "oidc.issuer", "is an integer"),
        said("error", "bff.toml:10", "oidc.client_auth", 'is "client_secret_basics"',
             hint + '"client_secret_basic"?'),
        said("error", "bff.toml:11", "oidc.client_secret", 'has the unknown source "evn"', hint + '"env"?'),
        said("error", "bff.toml:12", "oidc.user_claims", "is a string"),
        said("error", "bff.toml:13", "oidc.userinfo", "is an integer"),
        said("error", "bff.toml:14", "oidc.extra_parameters.a", "is an integer"),
        said("error", "bff.toml:16", "keys.secrets", "is a table"),
        said("error", "bff.toml:17", "sesion", "unknown key", hint + '"session"?'),
        said("error", "bff.toml:21", "api.0.csrf", 'is "of"', hint + '"off"?'),
        said("error", "bff.toml:23", "api.0.allow.0.methods.1", "is an integer"),
        said("error", "bff.toml:24", "api.0.allow.1.role", "unknown key", hint + '"roles"?'),
        said("error", "bff.toml:25", "api.0.allow.2", "is a string", "write it as { … }"),
        said("error", "bff.toml:28", "spa.directory", "is an array"),
        said("error", "bff.toml:30", "log.format", 'is "jsn"', hint + '"json"?'),
        said("error", "bff.toml:31", "log.level", "is a date or time"),
    ] == disk.complaints(text)  # fmt: skip


def test_a_key_of_another_table_is_sent_there(disk):
    """A key below the wrong header is the commonest mistake in TOML."""
    text = VALID + "cookie_name = '1h'\npublic_url = 'x'\n[session]\ntimeout = 1\n"

    assert [
        said("error", "bff.toml:11", "api.0.cookie_name", "unknown key", "it belongs in [session]"),
        said("error", "bff.toml:12", "api.0.public_url", "unknown key", "it belongs above the first [table]"),
        said("error", "bff.toml:14", "session.timeout", "unknown key",
             'it belongs in [oidc] or in [[api]]; or did you mean "idle_timeout"?'),
    ] == disk.complaints(text)  # fmt: skip


def test_an_empty_file_misses_what_has_no_default(disk):
    """Each key that must be there is named, without a line."""
    assert [
        ("bff.toml", "public_url", "is missing"),
        ("bff.toml", "oidc.issuer", "is missing"),
        ("bff.toml", "oidc.client_id", "is missing"),
        ("bff.toml", "oidc.client_secret", "is missing"),
        ("bff.toml", "keys.secrets", "holds no key"),
    ] == errors(disk, "")


def test_a_table_that_is_no_table(disk):
    """What must be a table, or an array of tables, is told how to be one."""
    text = 'public_url = "https://a.example"\noidc = "x"\napi = { path = "/x" }\nspa = 1\nroles = { rename = [] }\n'

    assert [
        said("error", "bff.toml", "keys.secrets", "holds no key", "`bff keys new -o bff.keys` makes the file"),
        said("error", "bff.toml:2", "oidc", "is a string", "write it as [oidc]"),
        said("error", "bff.toml:3", "api", "is a table", "write it as [[api]]"),
        said("error", "bff.toml:4", "spa", "is an integer", "write it as [spa]"),
        said("error", "bff.toml:5", "roles.rename", "is an array"),
    ] == disk.complaints(text)


def test_a_table_within_an_entry_of_an_array_is_told_as_toml_writes_it(disk):
    """`[[api.allow]]` belongs to the last `[[api]]`: entries have no numbers there."""
    text = VALID + "[api.allow]\nroles = ['a']\n"

    assert [
        said("error", "bff.toml:11", "api.0.allow", "is a table", "write it as [[api.allow]]")
    ] == disk.complaints(text)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a = 1\nb = \n", "bff.toml:2", "Invalid value"),
        ("a = 1\na = 2\n", "bff.toml:2", "Cannot overwrite a value"),
        ('a = """\n\n', "bff.toml:3", "Unterminated string"),
    ],
)
def test_a_file_that_is_not_toml(disk, text, where, message):
    """A syntax error names its line, and stops the rest."""
    assert [said("error", where, "", f"this is not TOML: {message}")] == disk.complaints(text)


def test_a_byte_order_mark_does_no_harm(disk):
    """Some editors put one in front."""
    assert "https://app.example.com" == disk.settings("\ufeff" + VALID).public_url


def test_a_file_nested_beyond_reason(disk):
    """Deep nesting is refused like any other mistake."""
    (complaint,) = disk.complaints("a = " + "[" * 100_000)

    assert ("error", "") == (complaint[0], complaint[2])


def test_a_file_that_cannot_be_read(disk):
    """Missing, unreadable and binary files are told apart."""
    hint = "`bff init` writes one; -c or BFF_CONFIG names another"
    disk.write("binary.toml", "x").write_bytes(b"a = '\xff'")
    seen = []
    for name in ("missing.toml", ".", "binary.toml", "a\0b"):
        with pytest.raises(ConfigError) as caught:
            load_config(disk.directory / name, environ={})
        (finding,) = caught.value.findings
        seen.append((finding.message, finding.hint))

    assert [
        ("the file does not exist", hint),
        ("the file cannot be read: is a directory", ""),
        ("the file is not UTF-8 text (byte 5)", ""),
        ("the file cannot be read: embedded null byte", ""),
    ] == seen


# ── how findings look ────────────────────────────────────────────────────────────────────────────────────


def test_an_error_lists_all_findings_for_people(disk):
    """The text of the error is what `bff run` prints before it gives up."""
    disk.write("bff.toml", VALID.replace("client_id", "client_di"))
    with pytest.raises(ConfigError) as caught:
        load_with_findings(disk.file, environ=disk.environ)

    assert f"""\
the configuration has 2 errors
{disk.file}:2: error: oidc.client_id: is missing
    expected: a value: this key has no default
{disk.file}:4: error: oidc.client_di: unknown key
    expected: one of {", ".join(field.name for field in fields(OidcSettings))}
    hint: did you mean "client_id"?""" == str(caught.value)


def test_a_single_finding_reads_well():
    """Without line, key, expectation and hint there is just the message."""
    finding = Finding(Severity.WARNING, "bff.toml", None, "", "is odd")

    assert "bff.toml: warning: is odd" == str(finding)
    assert "the configuration has 1 error\nx: error: y" == str(
        ConfigError([Finding(Severity.ERROR, "x", None, "", "y")])
    )
