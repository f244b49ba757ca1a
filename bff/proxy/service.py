"""What stands behind a route: its addresses, and how they are reached. Values only; times are seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """One server behind a route. All of a route's have the same path."""

    url: str  # what the rest of a path is put after: "http://a.internal:9001/v1", without a trailing slash
    socket: str | None = None  # the unix socket to connect to in place of the host

    @property
    def name(self) -> str:
        """What people call it: without its path."""
        return f"unix:{self.socket}" if self.socket is not None else self.url.removesuffix(urlsplit(self.url).path)


@dataclass(frozen=True, slots=True, repr=False)
class Tls:
    """What https is done with, beside the system's roots. PEM."""

    authorities: str | None = None
    identity: str | None = None  # the client's certificate, what it is signed by, and its key
    server_name: str | None = None  # that the certificate must have, and that is sent (SNI), in place of the host


@dataclass(frozen=True, slots=True)
class Health:
    """When an address is left out for a while."""

    eject_after: int = 3  # failures in a row
    eject_for: float = 10.0  # the first time; twice as long each time after that
    path: str | None = None  # asked for now and then; None: calls alone tell how an address is
    interval: float = 10.0


@dataclass(frozen=True, slots=True)
class Service:
    """How a route's addresses are used."""

    balance: str = "least_pending"  # or "round_robin"
    retry: str = "safe"  # or "idempotent", "never"
    idle_timeout: float | None = None  # between two bytes of the answer; None: the route's timeout
    total_timeout: float | None = None
    max_connections: int = 1024  # to each address
    pool_timeout: float = 2.0  # how long a call waits for one of them
    http2: bool = False
    tls: Tls = field(default_factory=Tls)
    health: Health = field(default_factory=Health)


def build_addresses(upstreams: Sequence[str]) -> tuple[Address, ...]:
    """Return the addresses of `http://host/base`, `https://host/base` and `unix:/socket:/base`."""
    return tuple(_build_address(upstream) for upstream in upstreams)


def _build_address(upstream: str) -> Address:
    if not upstream.startswith("unix:"):
        return Address(upstream.rstrip("/"))
    socket, _, base = upstream.removeprefix("unix:").partition(":")
    return Address("http://localhost" + base.rstrip("/"), socket)


def url_of(address: Address, tls: Tls) -> str:
    """Return the URL that an address is called by: with the name that its certificate must have."""
    url = urlsplit(address.url)
    if tls.server_name is None or url.scheme != "https":
        return address.url
    return url._replace(netloc=f"{tls.server_name}:{url.port or 443}").geturl()
