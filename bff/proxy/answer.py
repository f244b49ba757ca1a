"""Which headers of an upstream's answer reach the browser."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from bff.proxy.routes import Route
from bff.proxy.service import url_of

Headers = list[tuple[bytes, bytes]]

# Hop-by-hop (RFC 9110 §7.6.1), and what would let an API act for the whole origin: its cross-origin policy, its
# transport policy, its service workers, its stored data, its sessions, what browsers tell it of themselves.
_DROPPED = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authentication-info", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"server", b"via", b"alt-svc", b"clear-site-data", b"set-cookie2",
        b"strict-transport-security", b"public-key-pins", b"service-worker-allowed", b"refresh", b"sourcemap",
        b"content-security-policy", b"content-security-policy-report-only", b"x-frame-options", b"nel",
        b"report-to", b"reporting-endpoints", b"x-request-id", b"x-content-type-options",
        b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-allow-methods",
        b"access-control-allow-headers", b"access-control-expose-headers", b"access-control-max-age",
        b"access-control-allow-private-network", b"accept-ch", b"critical-ch", b"origin-agent-cluster",
        b"set-login", b"sec-session-registration", b"secure-session-registration", b"use-as-dictionary",
    }
)  # fmt: skip
_SPECIAL = frozenset(
    {b"connection", b"set-cookie", b"cache-control", b"location", b"content-location", b"www-authenticate"}
)
# A dialog of the browser's own would ask people for a password that belongs to the upstream. A line may hold
# several challenges; what stands in quotes is none, and a name before "=" is a parameter's (RFC 9110 §11.6.1).
_DIALOG = rb"[ \t]*(?:basic|digest|negotiate|ntlm)(?=[ \t,]|\Z)(?![ \t]*=)"
_NO_DIALOG = re.compile(rb'(?!%b)(?:[^",]|"(?:[^"\\]|\\.)*+"|,(?!%b))*+' % (_DIALOG, _DIALOG), re.IGNORECASE)
_ADDED: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_NO_STORE = (b"cache-control", b"no-store")
_NAMES_NOTHING = frozenset({b"keep-alive", b"close"})  # values of Connection that name no header of this answer


def build_answer_headers(
    headers: Sequence[tuple[bytes, bytes]], route: Route, cookie_name: bytes, request_id: bytes
) -> Headers:
    """Return the headers for the browser, repeated ones in their order.

    An answer that says nothing about caching is not cached: it was made for one user (RFC 9111 §3.5).
    """
    answer: Headers = []
    if route.response_rules is not None:
        headers = route.response_rules.without_removed(headers)
    cached = route.is_page
    named_by_connection: set[bytes] = set()
    for pair in headers:
        name, value = pair
        if name in _DROPPED:
            continue
        if name not in _SPECIAL:
            answer.append(pair)
        elif name == b"cache-control":
            cached = True
            answer.append(pair)
        elif name == b"connection":
            if value not in _NAMES_NOTHING:
                named_by_connection.update(item.strip(b" \t").lower() for item in value.split(b","))
        elif (kept := _for_browser(name, value, route, cookie_name)) is not None:
            answer.append((name, kept))
    if named_by_connection:  # before ours are added: what the upstream names must not take those away
        answer = [pair for pair in answer if pair[0] not in named_by_connection]
        cached = route.is_page or any(name == b"cache-control" for name, _ in answer)
    answer.append((b"x-request-id", request_id))
    if not route.is_page:
        answer += _ADDED
    if not cached:
        answer.append(_NO_STORE)
    return answer if route.response_rules is None else route.response_rules.with_set(answer)


def _for_browser(name: bytes, value: bytes, route: Route, cookie_name: bytes) -> bytes | None:
    """Return what the browser sees of a header that is looked into, None for nothing."""
    match name:
        case b"set-cookie":
            return value if route.allow_set_cookie and _cookie_may_pass(value, cookie_name) else None
        case b"www-authenticate":
            return value if _NO_DIALOG.fullmatch(value) else None
        case _:
            return _rewrite_location(value, route)


def _cookie_may_pass(value: bytes, cookie_name: bytes) -> bool:
    # A nameless cookie ("=name=value") comes back from some browsers under the name in its value.
    name = value.lstrip(b" \t=").partition(b"=")[0].rstrip(b" \t").lower()
    return not name.startswith(cookie_name.lower())  # ours, and those of logins, which begin with it


def _rewrite_location(value: bytes, route: Route) -> bytes:
    """Turn a location at the upstream into one at our route; leave others alone."""
    path = urlsplit(route.upstream).path.encode()  # that of all addresses
    tls = route.service.tls
    bases = [path] if value.startswith(b"/") else [url_of(address, tls).encode() for address in route.addresses]
    for base in bases:
        rest = value[len(base) :]
        if value.startswith(base) and rest[:1] in {b"", b"/", b"?", b"#"} and not rest.startswith(b"//"):
            return route.path.encode() + rest
    return value
