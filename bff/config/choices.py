"""Readers of words with a meaning: algorithms, scopes, token kinds, cookie names, stores and audit sinks. Pure."""

import re

from bff.config.settings import Csrf, TokenKind
from bff.config.values import (
    BadValue,
    did_you_mean,
    quoted,
    read_choice,
    read_text,
    read_token,
)

ASYMMETRIC_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
PROVIDERS = ("generic", "keycloak", "entra", "auth0", "okta", "google", "cognito")
PROMPTS = ("none", "login", "consent", "select_account", "create")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
STORE_SCHEMES = (
    "memory", "sqlite", "redis", "rediss", "unix",
    "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
)  # fmt: skip

_SCOPE = re.compile(r"[!#-\[\]-~]+", re.ASCII)  # RFC 6749 §3.3 scope-token


def read_algorithm(value: object) -> str:
    """A signature algorithm. RFC 8725 §3.1: the caller decides which are acceptable; ours are all asymmetric."""
    expected = "one of " + ", ".join(ASYMMETRIC_ALGORITHMS)
    name = read_text(value, expected)
    if name.lower() == "none":
        raise BadValue(
            'is "none"', expected, "an unsigned token proves nothing: anybody can write one (RFC 8725 §3.1, §3.2)"
        )
    if name.upper().startswith("HS"):
        raise BadValue(
            f"{quoted(name)} is symmetric",
            expected,
            "whoever can check such a token can also forge one, and an issuer's public key could be passed off as "
            "the shared secret (RFC 8725 §2.1, §3.1); have the issuer sign with RS256, PS256, ES256 or EdDSA",
        )
    if name not in ASYMMETRIC_ALGORITHMS:
        raise BadValue(f"{quoted(name)} is unknown", expected, did_you_mean(name, ASYMMETRIC_ALGORITHMS))
    return name


def read_provider(value: object) -> str:
    """Whose quirks are known."""
    return read_choice(value, PROVIDERS)


def read_prompt(value: object) -> str:
    """The `prompt` of every login: words of OIDC Core §3.1.2.1, with spaces between them."""
    expected = "some of " + ", ".join(map(quoted, PROMPTS)) + ", with spaces between them"
    words = read_text(value, expected).split(" ")
    for word in words:
        if word not in PROMPTS:
            raise BadValue(f"holds {quoted(word)}", expected, did_you_mean(word, PROMPTS))
    if "none" in words:
        raise BadValue('holds "none"', expected, "nobody could sign in; ask for it with /bff/login?prompt=none")
    return " ".join(words)


def read_log_level(value: object) -> str:
    """From which level on lines are written."""
    return read_choice(value, LOG_LEVELS)


def read_csrf(value: object) -> Csrf:
    """True for the header, false for none, or one of the words."""
    if isinstance(value, bool):
        return Csrf.HEADER if value else Csrf.OFF
    return Csrf(read_choice(value, tuple(Csrf)))


def read_token_kind(value: object) -> TokenKind:
    """Which token a route carries."""
    if value == "client":
        raise BadValue(
            "client tokens are not available in this version",
            "one of " + ", ".join(map(quoted, TokenKind)),
            "the route would need a token of the application itself (client credentials), which is not built yet",
        )
    return TokenKind(read_choice(value, tuple(TokenKind)))


def read_scope(value: object) -> str:
    """One scope (RFC 6749 §3.3)."""
    text = read_text(value, "a scope")
    if not _SCOPE.fullmatch(text):
        hint = "make it one array entry a scope" if " " in text else ""
        raise BadValue("holds characters that a scope cannot hold", "a scope without spaces (RFC 6749 §3.3)", hint)
    return text


def read_cookie_name(value: object) -> str:
    """The session cookie's name, with the prefix that has browsers refuse a planted one (RFC 6265bis §4.1.3.2)."""
    expected = 'a name that starts with "__Host-", such as "__Host-bff"'
    text = read_token(value)
    if not text.startswith("__Host-"):
        hint = f"did you mean {quoted('__Host-' + re.sub('^__[A-Za-z]+-', '', text))}?"
        raise BadValue("does not start with __Host-", expected, hint)
    if not 8 <= len(text) <= 64:
        raise BadValue("has a length that is not within 8 to 64", expected)
    return text


def check_store_url(text: str) -> None:
    """Check the address of a session store; it may hold a password and is never quoted."""
    expected = (
        '"memory:", "sqlite:///path", "redis://host", "rediss://host", "unix:///path/to/socket", '
        '"redis+sentinel://host,host/service" or "redis+cluster://host,host"'
    )
    scheme, colon, rest = text.partition(":")
    if not text.isprintable() or not colon or not re.fullmatch(r"[a-z][a-z0-9+]*", scheme):
        raise BadValue("is no address of a store", expected)
    if scheme not in STORE_SCHEMES:
        raise BadValue(f"has the unknown scheme {quoted(scheme)}", expected, did_you_mean(scheme, STORE_SCHEMES))
    match scheme:
        case "memory":
            if rest:
                raise BadValue('has something behind "memory:"', '"memory:"')
        case "sqlite":
            path = rest.removeprefix("///")
            if path in {rest, "", "/", ":memory:"} or set(path) & {"?", "#"}:
                raise BadValue(
                    "names no file",
                    '"sqlite:///relative/path.db" or "sqlite:////absolute/path.db", without options',
                    'for a store in memory write "memory:"',
                )
        case "unix":
            if not rest.startswith("///") or not rest.strip("/"):
                raise BadValue("names no socket", '"unix:///path/to/socket"')
        case _:
            if not rest.startswith("//") or not rest[2:].rpartition("@")[2].strip("/"):
                raise BadValue("names no host", f'"{scheme}://host:port"')


def has_password(url: str) -> bool:
    """Whether a store's address carries a password, before its host or as an option."""
    address, _, query = url.partition("?")
    user, at, _ = address.partition("://")[2].partition("/")[0].rpartition("@")
    in_query = any(
        option.partition("=")[0] in {"password", "ssl_password", "sentinel_password"} for option in query.split("&")
    )
    return in_query or (bool(at) and bool(user.partition(":")[2]))


def read_audit_sink(value: object) -> str:
    """Where audit lines go: `stdout`, `store` or `file:path`."""
    expected = '"stdout", "file:path" or "store"'
    text = read_text(value, expected)
    if text in {"stdout", "store"}:
        return text
    scheme, colon, path = text.partition(":")
    if scheme != "file" or not colon or not path.strip():
        hint = f"did you mean {quoted('file:' + text)}?" if not colon else did_you_mean(text, ("stdout", "store"))
        raise BadValue("is no audit sink", expected, hint)
    return text
