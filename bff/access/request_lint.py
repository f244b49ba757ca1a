"""What other origins may do, and how often anybody may ask, held to good practice. Pure, as its neighbour is."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from bff.access.findings import AccessFinding, Level
from bff.config.settings import ApiSettings, CorsSettings, Csrf, Settings, TokenKind

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MANY = 5  # origins
_SOURCE = "OWASP ASVS 3.4.2, browser-based apps §6.1.3.3.2"


def cross_origin_findings(settings: Settings) -> Iterator[AccessFinding]:
    """Every origin that may call a route from elsewhere can do there what its user can."""
    on_this_machine = urlsplit(settings.public_url).hostname in _LOOPBACK
    for index, route in enumerate(settings.api):
        if route.cors is None:
            continue
        at = f"api.{index}.cors"
        for position, origin in enumerate(route.cors.origins):
            if urlsplit(origin).hostname in _LOOPBACK and not on_this_machine:
                yield _finding(
                    Level.ERROR,
                    f"{at}.origins.{position}",
                    f"any program on a user's machine can have a page that calls {route.path}",
                    "remove it from what runs in production",
                )
        if route.cors.credentials:
            yield from _with_session(at, route, route.cors)


def limit_findings(settings: Settings) -> Iterator[AccessFinding]:
    """Whoever may try logins without end may also guess, or keep the provider busy in our name."""
    if settings.limits.logins_per_address is None:
        yield AccessFinding(
            Level.INFO,
            "logins_not_limited",
            "limits.logins_per_address",
            "an address may begin and end as many logins as it likes",
            "OWASP ASVS 6.3.1, 2.4.1",
            'set it to what one household or office needs, such as "60/1m", unless something in front does so',
        )


def _with_session(at: str, route: ApiSettings, cors: CorsSettings) -> Iterator[AccessFinding]:
    if route.csrf is Csrf.OFF:
        yield _finding(
            Level.ERROR,
            at,
            f"pages of other origins act on {route.path} without asking the server first",
            "set csrf to true: the header makes browsers send a preflight request",
        )
    if route.token is not TokenKind.NONE and not route.allow and route.policy is None:
        yield _finding(
            Level.WARNING,
            at,
            f"pages of other origins may do anything on {route.path} in the user's name",
            "say who may do what, with `allow`",
        )
    if set(cors.methods) >= _CHANGING:
        yield _finding(
            Level.INFO,
            f"{at}.methods",
            f"pages of other origins may use every method on {route.path}",
            "name the methods that they need",
        )
    if len(cors.origins) > _MANY:
        yield _finding(
            Level.WARNING,
            f"{at}.origins",
            f"{len(cors.origins)} origins may call {route.path} with the user's session",
            "name those alone whose pages you trust as your own",
        )


def _finding(level: Level, where: str, message: str, change: str) -> AccessFinding:
    return AccessFinding(level, "cors_wide", where, message, _SOURCE, change)
