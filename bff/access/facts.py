"""What a policy may know of a request: a value, of which the costly parts are worked out when a rule asks."""

import re
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

import msgspec

from bff.http.addresses import read_address

Segments = tuple[str, ...]

# Spellings that one server reads as another path than the next one: of `/a;x/b`, `//a` and `/a%2Fb` nobody can say
# which rule for `/a/b` is meant to apply (RFC 3986 §6.2, OWASP ASVS 4.2).
_AMBIGUOUS = re.compile(r"[/\\;%]")


class RequestFacts(msgspec.Struct, frozen=True, dict=True):
    """One request to a route.

    Attributes:
        method: upper case.
        path: below the route, as it came: empty, or from its slash on.
        now: epoch seconds.
        address: the browser's.
        scope: of the access token, with spaces between.
    """

    method: str
    path: str = ""
    now: float = 0.0
    address: str = ""
    scope: str = ""

    @cached_property
    def segments(self) -> Segments | None:
        """The decoded segments; None when servers may read them in several ways. A last slash is nothing."""
        return split_path(self.path)

    @cached_property
    def scopes(self) -> frozenset[str]:
        """The scopes that the access token was granted."""
        return _scopes(self.scope)

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The browser's address; None for what is none."""
        return _ip(self.address)


def split_path(path: str) -> Segments | None:
    """Return the decoded segments of a raw path, or None when it is ambiguous."""
    trimmed = path.removeprefix("/").removesuffix("/")
    if not trimmed:
        return () if path in {"", "/"} else None
    if "%" not in trimmed and ";" not in trimmed and "//" not in path:
        return tuple(trimmed.split("/"))
    segments = []
    for raw in trimmed.split("/"):
        try:
            segment = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            return None
        if not segment or _AMBIGUOUS.search(segment) or segment in {".", ".."}:
            return None
        segments.append(segment)
    return tuple(segments) if "//" not in path else None


@lru_cache(1024)
def _scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split())


_ip = lru_cache(1024)(read_address)
