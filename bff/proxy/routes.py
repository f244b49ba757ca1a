"""Routes: which upstream serves which path, compiled once; matching on whole segments of the raw path."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bff.access.policy import Policy
from bff.proxy.cors import CrossOrigin
from bff.proxy.header_rules import RequestHeaderRules, ResponseHeaderRules
from bff.proxy.service import Address, Service


@dataclass(frozen=True, slots=True)
class SocketRules:
    """What the WebSockets of a route may do."""

    max_message: int  # bytes, both ways
    max_queue: int  # messages of the upstream that wait for a slow browser
    idle_timeout: float  # seconds without a message either way


@dataclass(frozen=True, slots=True)
class Route:
    """One `[[api]]`, ready for use. Times are seconds, sizes bytes."""

    path: str  # "/api/orders"
    upstream: str  # "http://orders.internal:9001/v1/orders", without a trailing slash; "" where a gateway carries
    needs_session: bool  # 401 without one
    sends_token: bool  # the user's access token goes upstream when there is a session
    csrf: str  # "header", "origin" or "off"
    timeout: float
    connect_timeout: float
    max_body_size: int
    forward_cookies: frozenset[bytes] = frozenset()
    allow_set_cookie: bool = False
    policy: Policy = field(default_factory=Policy)
    request_rules: RequestHeaderRules | None = None
    response_rules: ResponseHeaderRules | None = None
    cors: CrossOrigin | None = None
    sockets: SocketRules | None = None  # None: it carries none
    upstreams: tuple[Address, ...] = ()  # several, or one that is no URL; `upstream` is the first one then
    service: Service = field(default_factory=Service)
    double_slashes: bool = True  # as they come; False: refused
    is_page: bool = False  # the development server behind us: its own caching and content policy stand

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address that serves it; none where a gateway carries its calls."""
        return self.upstreams or ((Address(self.upstream),) if self.upstream else ())


class RouteTable:
    """Finds the route with the longest path that is a prefix by whole segments."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = {route.path.encode("ascii"): route for route in routes}
        self._deeper = range(1, max((path.count(b"/") for path in self._routes), default=0))
        self._by_plain = {path.lower(): route for path, route in self._routes.items()}
        self._nested = any(
            path != other and path.startswith(other + b"/") for path in self._by_plain for other in self._by_plain
        )

    @property
    def paths(self) -> list[str]:
        """The routes' paths."""
        return [route.path for route in self._routes.values()]

    @property
    def each(self) -> list[Route]:
        """The routes."""
        return list(self._routes.values())

    def match(self, raw_path: bytes) -> tuple[Route, str] | None:
        """Return the route and the rest of the path (empty, or with its leading slash), byte for byte.

        Only the literal spelling of a route's path matches: an escaped letter makes it another path. None as well
        for a path that `is_disguised`.
        """
        found = self._find(self._routes, raw_path)
        if found is None or (self._nested and self.is_disguised(raw_path)):
            return None
        route, prefix = found
        return route, raw_path[len(prefix) :].decode("latin-1")

    def is_disguised(self, raw_path: bytes) -> bool:
        """Tell whether a lenient upstream would read this path as one that belongs to a route further in.

        Where /api and /api/admin are two routes, /api//admin, /api/%61dmin, /api/admin;x and /api/Admin belong to
        the first by the letter, and would reach what the second one guards (OWASP ASVS 4.2, 8.3.1).
        """
        if _PLAIN.match(raw_path):
            return False
        outer, inner = self._find(self._routes, raw_path), self._find(self._by_plain, _plain(raw_path))
        return outer is not None and inner is not None and outer[0] is not inner[0]

    def _find(self, routes: dict[bytes, Route], path: bytes) -> tuple[Route, bytes] | None:
        end = path.find(b"/", 1)
        for _ in self._deeper:
            if end < 0:
                break
            end = path.find(b"/", end + 1)
        prefix = path if end < 0 else path[:end]
        while prefix:
            route = routes.get(prefix)
            if route is not None:
                return route, prefix
            prefix = prefix[: prefix.rfind(b"/")]
        return None


# Paths that have one reading only: no escape, no parameter, no empty segment, no capital.
_PLAIN = re.compile(rb"(?:/[^/%;A-Z]+)*/?\Z")
_ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")


def _plain(path: bytes) -> bytes:
    """Return the path as the most lenient reader would: decoded as often as it can be, folded, collapsed."""
    for _ in range(3):
        path = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), path)
    segments = (segment.partition(b";")[0].strip(b" ") for segment in path.lower().split(b"/"))
    return b"".join(b"/" + segment for segment in segments if segment)
