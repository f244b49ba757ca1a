"""Readers of what entries of `allow` may hold, and of the words of `[tokens]` that name kinds and curves. Pure."""

import re
from collections.abc import Mapping

from bff.config.conditions import ClaimTest, PathPattern, TimeWindow, parse_path_pattern, parse_time_window
from bff.config.values import BadValue, did_you_mean, quoted, read_choice, read_text, read_token, wrong_type

# The methods of the IANA registry that a browser application or a WebDAV client may send, and QUERY.
METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "ACL", "BASELINE-CONTROL", "BIND",
    "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
    "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPFIND", "PROPPATCH", "REBIND", "REPORT", "SEARCH",
    "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
)  # fmt: skip
CURVES = ("P-256", "P-384", "P-521", "Ed25519")
ACCESS_TOKEN_TYPES = ("any", "at+jwt")

_CALLABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def read_method(value: object) -> str:
    """An HTTP method, upper-cased."""
    expected = 'a method such as "GET" or "POST"'
    if value == "*":
        raise BadValue("is no method", expected, "leave `methods` out to allow any")
    method = read_token(value).upper()
    if method in {"TRACE", "CONNECT"}:
        raise BadValue(f"{method} is never forwarded", expected, "remove it (RFC 9110 §7.6.2, §9.3.6)")
    if method not in METHODS:
        raise BadValue(f"{method} is no HTTP method that is registered", expected, did_you_mean(method, METHODS))
    return method


def read_path_pattern(value: object) -> PathPattern:
    """A pattern for the path below a route."""
    expected = 'a path below the route such as "/users/{sub}/orders/*" or "/files/**"'
    text = read_text(value, expected)
    try:
        return parse_path_pattern(text)
    except ValueError as error:
        raise BadValue(f"{quoted(text)} {error}", expected) from None


def read_time_window(value: object) -> TimeWindow:
    """Days, hours and a time zone."""
    expected = 'days, hours and a time zone such as "mon-fri 08:00-18:00 Europe/Berlin"'
    text = read_text(value, expected)
    try:
        return parse_time_window(text)
    except ValueError as error:
        raise BadValue(f"{quoted(text)} {error}", expected) from None


def read_claim_test(value: object) -> ClaimTest:
    """A value that a claim equals, `{ contains = … }` or `{ present = true }`."""
    expected = 'a string, a number or a boolean, or { contains = "x" }, or { present = true }'
    if isinstance(value, bool | int | float | str):
        return ClaimTest("equals", value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((how, wanted),) = value.items()
        if how in {"equals", "contains"} and isinstance(wanted, bool | int | float | str):
            return ClaimTest(str(how), wanted)
        if how == "present" and isinstance(wanted, bool):
            return ClaimTest("present", wanted)
        raise BadValue(f"has {quoted(str(how))} with a value it does not take", expected)
    if isinstance(value, list):
        raise BadValue("is an array", expected, "make it one entry of `allow` for each value")
    return wrong_type(value, expected)


def read_callable(value: object) -> str:
    """Where a Python callable is: `package.module:name`."""
    expected = 'a callable as "package.module:name"'
    text = read_text(value, expected)
    if not _CALLABLE.fullmatch(text):
        raise BadValue(f"{quoted(text)} names no callable", expected)
    return text


def read_curve(value: object) -> str:
    """The name of a curve (RFC 7518 §6.2.1.1, RFC 8037 §2)."""
    return read_choice(value, CURVES)


def read_access_token_type(value: object) -> str:
    """What an access token's `typ` must be."""
    return read_choice(value, ACCESS_TOKEN_TYPES)


def read_rsa_bits(value: object) -> int:
    """The least size of an RSA key: 2048 or more (RFC 8725 §3.5, NIST SP 800-131A)."""
    expected = "a number of bits from 2048 to 8192"
    if isinstance(value, bool) or not isinstance(value, int):
        wrong_type(value, expected)
    if not 2048 <= value <= 8192:
        raise BadValue("is out of range", expected, "RSA keys below 2048 bits can be broken (RFC 8725 §3.5)")
    return value
