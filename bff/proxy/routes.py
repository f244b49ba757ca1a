"""Routes: which upstream serves which path, compiled once; matching on whole segments of the raw path."""

from collections.abc import Sequence
from dataclasses import dataclass

from bff.access.policy import Rule


@dataclass(frozen=True, slots=True)
class Route:
    """One `[[api]]`, ready for use. Times are seconds, sizes bytes."""

    path: str  # "/api/orders"
    upstream: str  # "http://orders.internal:9001/v1/orders", without a trailing slash
    needs_session: bool  # 401 without one
    sends_token: bool  # the user's access token goes upstream when there is a session
    csrf: str  # "header", "origin" or "off"
    timeout: float
    connect_timeout: float
    max_body_size: int
    forward_cookies: frozenset[bytes] = frozenset()
    allow_set_cookie: bool = False
    rules: tuple[Rule, ...] = ()
    is_page: bool = False  # the development server behind us: its own caching and content policy stand


class RouteTable:
    """Finds the route with the longest path that is a prefix by whole segments."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = {route.path.encode("ascii"): route for route in routes}
        self._depth = max((path.count(b"/") for path in self._routes), default=0)

    @property
    def paths(self) -> list[str]:
        """The routes' paths."""
        return [route.path for route in self._routes.values()]

    def match(self, raw_path: bytes) -> tuple[Route, str] | None:
        """Return the route and the rest of the path (empty, or with its leading slash), byte for byte.

        Only the literal spelling of a route's path matches: an escaped letter makes it another path.
        """
        prefix = b"/".join(raw_path.split(b"/", self._depth + 1)[: self._depth + 1])
        while prefix:
            route = self._routes.get(prefix)
            if route is not None:
                return route, raw_path[len(prefix) :].decode("latin-1")
            prefix = prefix[: prefix.rfind(b"/")]
        return None
