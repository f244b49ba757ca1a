"""Sessions bound to their browser: whether a request looks like the browser that signed in.

A mismatch never ends a session: else whoever replays a stolen cookie could sign its user out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from bff.errors import SessionElsewhere
from bff.events import Emit
from bff.http.addresses import read_address
from bff.session.live import LiveSession

CameFrom = tuple[bytes, str]  # the browser's User-Agent and address

USER_AGENT, NETWORK = "user_agent", "network"
_TOLD_EVERY = 60.0  # seconds, for each session
# The first that is found names the browser: most of them claim to be others as well.
_FAMILIES = (
    (b"Edg", "edge"), (b"OPR/", "opera"), (b"SamsungBrowser/", "samsung"), (b"YaBrowser/", "yandex"),
    (b"Vivaldi/", "vivaldi"), (b"Firefox/", "firefox"), (b"FxiOS/", "firefox"), (b"CriOS/", "chrome"),
    (b"Chrome/", "chrome"), (b"Safari/", "safari"),
)  # fmt: skip
_SYSTEMS = (
    (b"Android", "android"), (b"iPhone", "iphone"), (b"iPad", "ipad"), (b"Windows", "windows"),
    (b"CrOS", "chromeos"), (b"Macintosh", "mac"), (b"Linux", "linux"),
)  # fmt: skip

_KEPT = 512  # bytes of a user agent: a warm session remembers them


def came_from(headers: Iterable[tuple[bytes, bytes]], address: str) -> CameFrom:
    """Return what a browser shows of itself; headers with names in small letters, as ASGI has them."""
    for name, value in headers:
        if name == b"user-agent":
            return value[:_KEPT], address
    return b"", address


def browser_family(user_agent: bytes) -> str:
    """Name a browser's family and system, which stay when it is updated: `firefox on linux`."""
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    family = next((name for mark, name in _FAMILIES if mark in user_agent), None)
    if family is None:  # a program: the product's name, without its version (RFC 9110 §10.1.5)
        family = user_agent.split(b"/", 1)[0][:32].decode("ascii", "replace").lower()
    return f"{family} on {system}" if system else family


def network_of(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """Return the network of an address; what is no address (a unix socket) is its own."""
    found = read_address(address)
    if found is None:
        return address
    prefix = ipv4_prefix if found.version == 4 else ipv6_prefix
    return str(ip_network((found.packed, prefix), strict=False))


@dataclass(frozen=True, slots=True)
class Binding:
    """Notes at login what a browser looks like, and compares later requests with that."""

    traits: Sequence[str]
    ipv4_prefix: int
    ipv6_prefix: int
    is_enforced: bool
    clock: Callable[[], float]
    emit: Emit

    def traits_of(self, came: CameFrom) -> Mapping[str, str]:
        """Return what is compared, by name."""
        user_agent, address = came
        found = {
            USER_AGENT: browser_family(user_agent),
            NETWORK: network_of(address, self.ipv4_prefix, self.ipv6_prefix),
        }
        return {name: found[name] for name in self.traits}

    def check(self, live: LiveSession, came: CameFrom) -> None:
        """Compare; a warm session whose browser shows what it showed last time costs one comparison.

        Raises:
            SessionElsewhere: the browser looks like another one, and that is enforced. The session lives on.
        """
        if came == live.came_from:
            return
        if self.is_same(live, came):
            live.came_from = came
            return
        now = self.clock()
        if now >= live.tell_elsewhere_at:
            live.tell_elsewhere_at = now + _TOLD_EVERY
            self._tell(live, came)
        if self.is_enforced:
            raise SessionElsewhere

    def is_same(self, live: LiveSession, came: CameFrom) -> bool:
        """Tell whether nothing differs that was noted at login."""
        noted = live.session.traits
        return not noted or all(noted.get(name, now) == now for name, now in self.traits_of(came).items())

    def _tell(self, live: LiveSession, came: CameFrom) -> None:
        noted, now = live.session.traits, self.traits_of(came)
        differing = [name for name in now if noted.get(name, now[name]) != now[name]]
        self.emit(
            "session.elsewhere",
            {
                "outcome": "denied" if self.is_enforced else "reported",
                "subject": live.principal.subject,
                "session": live.session.handle,
                "reason": "_and_".join(differing),
                "address": came[1],
                "began_with": {name: noted[name] for name in differing},
                "came_with": {name: now[name] for name in differing},
            },
        )
