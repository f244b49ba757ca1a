"""Readers of addresses: origins, URLs, route paths and listen addresses.

Pure. URLs are never quoted whole, because people put passwords into them.
"""

import re
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from bff.config.values import BadValue, quoted, read_text

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986 §3.3: what a path may hold unencoded. No percent sign: an encoded path is ambiguous to match.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)


def split_url(value: object, schemes: tuple[str, ...], expected: str) -> SplitResult:
    """Take a URL apart: a scheme of `schemes`, a host, a sane port, no user and password, nothing to be guessed."""
    text = read_text(value, expected)
    if not text.isascii() or any(char in text for char in ' \\"<>^`{|}'):
        raise BadValue("holds characters that a URL cannot hold", expected, "write an international host as xn--…")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise BadValue("is no URL: its host or port cannot be read", expected) from None
    if url.scheme not in schemes or not text.startswith(f"{url.scheme}://"):
        names = " or ".join(f"{scheme}://" for scheme in schemes)
        raise BadValue(f"does not start with {names}", expected)
    if "@" in url.netloc:
        raise BadValue("holds a user or password", expected, "remove the part before the @")
    if port == 0 or url.netloc.endswith(":"):
        raise BadValue("has an empty or zero port", expected)
    # Brackets are for IPv6 alone; Python's versions differ in what else they let pass.
    if not url.hostname or not is_host(url.hostname) or ("[" in url.netloc) != (":" in url.hostname):
        raise BadValue("has no valid host", expected)
    return url


def is_host(host: str) -> bool:
    """Whether this is a name or an address, without brackets."""
    if ":" in host:
        try:
            return isinstance(ip_address(host), IPv6Address)
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None and ".." not in host


def is_address(host: str) -> bool:
    """Whether this is an IP address, without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(url: SplitResult) -> bool:
    """Whether plain http may be used: nothing leaves the machine."""
    return url.hostname in LOOPBACK_HOSTS


def origin_of(url: SplitResult) -> str:
    """The origin as browsers write it: lower case, without the scheme's own port (RFC 6454 §6.2)."""
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if url.port in {None, DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def read_origin(value: object) -> str:
    """An origin: scheme and host, perhaps a port, and nothing else; https except on this machine itself."""
    expected = 'an origin such as "https://app.example.com"'
    url = split_url(value, ("https", "http"), expected)
    origin = origin_of(url)
    if url.scheme == "http" and not is_loopback(url):
        raise BadValue(
            "is not https",
            "https, or http on localhost, 127.0.0.1 or [::1]",
            "browsers drop our Secure cookie on plain http; put TLS in front and give the https address here",
        )
    if url.geturl() != origin or value != origin:
        raise BadValue("is more than an origin, or not written as browsers write it", expected, f'write "{origin}"')
    return origin


def read_issuer(value: object) -> str:
    """An issuer identifier: https without query and fragment (OIDC Discovery §2, RFC 8414 §2)."""
    expected = 'the issuer\'s exact identifier, such as "https://id.example.com/realms/main"'
    url = split_url(value, ("https", "http"), expected)
    if url.scheme == "http" and not is_loopback(url):
        raise BadValue("is not https", "https, or http on localhost, 127.0.0.1 or [::1] (RFC 8414 §2)")
    return _without_query(value, url, expected)


def read_upstream(value: object) -> str:
    """Where requests are forwarded: http, https or a unix socket, perhaps with a path in place of the route's."""
    expected = 'a URL such as "http://orders.internal:9001/v1", or a socket such as "unix:/run/orders.sock:/v1"'
    if isinstance(value, str) and value.startswith("unix:"):
        return _read_socket(value, expected)
    url = split_url(value, ("https", "http"), expected)
    if any(segment in {".", ".."} for segment in url.path.split("/")):
        raise BadValue("has dot segments in its path", expected)
    return _without_query(value, url, expected)


def _read_socket(text: str, expected: str) -> str:
    found = re.fullmatch(r"unix:(/[^\0:]{1,100})(?::(/.*))?", text)
    if found is None:
        raise BadValue("names no absolute socket path of at most 100 characters", expected)
    base = found[2] or ""
    if not _PATH.fullmatch(base or "/") or any(segment in {".", ".."} for segment in base.split("/")):
        raise BadValue("has a path after the socket that no request can have", expected)
    return text


def read_host(value: object) -> str:
    """The name of a host."""
    expected = 'a host name such as "api.internal"'
    text = read_text(value, expected)
    if ":" in text or not is_host(text):
        raise BadValue("is no host name", expected)
    return text


def read_own_target(value: object) -> str:
    """The path and perhaps the query of a request of our own."""
    expected = 'a path such as "/healthz"'
    text = read_text(value, expected)
    if not re.fullmatch(r"/[!-\"$-~]*", text):
        raise BadValue("is no path", expected)
    return text


def _without_query(value: object, url: SplitResult, expected: str) -> str:
    text = str(value)
    # The characters themselves: urlsplit does not tell an empty query from none.
    if "?" in text or "#" in text:
        raise BadValue("has a query or a fragment", expected, f'end it after "{url.path or url.hostname}"')
    return text


def read_resource(value: object) -> str:
    """A resource indicator: an absolute URI without fragment (RFC 8707 §2)."""
    expected = "an absolute URI without fragment (RFC 8707 §2)"
    text = read_text(value, expected)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text) or "#" in text:
        raise BadValue("is no such URI", expected)
    return text


def read_route_path(value: object) -> str:
    """A path prefix that is matched on whole segments: no trailing slash, nothing encoded, nothing to collapse."""
    expected = 'a path such as "/api/orders"'
    text = read_text(value, expected)
    if not text.startswith("/"):
        raise BadValue("does not start with a slash", expected, f"did you mean {quoted('/' + text)}?")
    if "?" in text or "#" in text:
        raise BadValue("has a query or a fragment", expected, "a route is chosen by its path alone")
    if "%" in text:
        raise BadValue("has encoded characters", expected, "write the path as it appears in a request, unencoded")
    if not _PATH.fullmatch(text):
        raise BadValue("holds characters that a path cannot hold", expected)
    segments = text[1:].split("/")
    if text == "/":
        raise BadValue("is the root", expected, "a route needs at least one segment")
    if text.endswith("/"):
        raise BadValue("ends with a slash", expected, f"did you mean {quoted(text.rstrip('/') or '/')}?")
    if "" in segments:
        raise BadValue("has an empty segment", expected)
    if "." in segments or ".." in segments:
        raise BadValue("has dot segments", expected)
    return text


def read_listen(value: object) -> str:
    """Where to listen: `host:port`, `[address]:port` or `unix:/path`."""
    expected = 'an address such as "127.0.0.1:8080", "[::1]:8080" or "unix:/run/bff.sock"'
    text = read_text(value, expected)
    if text.startswith("unix:"):
        if not re.fullmatch(r"unix:/[^\0]{1,100}", text):
            raise BadValue("names no absolute socket path of at most 100 characters", expected)
        return text
    host, colon, port = text.rpartition(":")
    if not colon:
        raise BadValue("has no port", expected)
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise BadValue("has no port from 1 to 65535", expected)
    if host.startswith("[") and host.endswith("]"):
        bare = host[1:-1]
        is_valid = ":" in bare and is_host(bare)
    else:
        is_valid = ":" not in host and is_host(host)
    if not is_valid:
        raise BadValue("has no valid host", expected, 'use "0.0.0.0" for all IPv4 addresses, "[::]" for all')
    return text


def read_management_listen(value: object) -> str:
    """`host:port`, or `same` for the public address."""
    if value == "same":
        return "same"
    text = read_listen(value)
    if text.startswith("unix:"):
        raise BadValue(
            "is a socket, where the management listener needs a port in this version", '"127.0.0.1:9090"'
        )
    return text


def split_listen(listen: str) -> tuple[str, int | None]:
    """Take a checked listen address apart: host without brackets and port, or socket path and None."""
    if listen.startswith("unix:"):
        return listen.removeprefix("unix:"), None
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
