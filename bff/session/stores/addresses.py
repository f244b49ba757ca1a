"""The addresses of several servers in one URL: those of a Sentinel set or of a cluster. Pure."""

from dataclasses import dataclass
from urllib.parse import unquote

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379
_DEFAULT_SERVICE = "mymaster"  # as in the configuration that Redis and Valkey bring

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Members:
    """Who is asked first, and where the data is among what they know.

    Attributes:
        credentials: `user:password@` as it stood in the URL, or nothing.
        addresses: host and port of each.
        service: what the sentinels call the primary; empty for a cluster.
        database: the number; a cluster has but 0.
    """

    credentials: str
    addresses: tuple[Address, ...]
    service: str = ""
    database: int = 0


def parse_sentinels(rest: str) -> Members:
    """Read `//[user:password@]host[:port],host[:port]…[/service[/database]]`.

    Raises `ValueError`, whose message repeats no part of it.
    """
    credentials, addresses, path = _parse(rest, SENTINEL_PORT)
    service, _, database = path.partition("/")
    if service.isdecimal() or (database and not database.isdecimal()):
        raise ValueError("the path of a Sentinel address is /service or /service/database, such as /mymaster/0")
    return Members(credentials, addresses, unquote(service) or _DEFAULT_SERVICE, int(database or 0))


def parse_cluster(rest: str) -> Members:
    """Read `//[user:password@]host[:port],host[:port]…`; raises `ValueError` as `parse_sentinels` does."""
    credentials, addresses, path = _parse(rest, CLUSTER_PORT)
    if path not in {"", "0"}:
        raise ValueError("a cluster has one database, 0: write none, or /0")
    return Members(credentials, addresses)


def _parse(rest: str, port: int) -> tuple[str, tuple[Address, ...], str]:
    authority, _, path = rest.removeprefix("//").partition("/")
    credentials, at, hosts = authority.rpartition("@")
    if not rest.startswith("//") or not hosts:
        raise ValueError("names no host")
    return credentials + at, tuple(_parse_address(host, port) for host in hosts.split(",")), path.rstrip("/")


def _parse_address(text: str, port: int) -> Address:
    if text.startswith("["):  # RFC 3986 §3.2.2
        host, bracket, given = text[1:].partition("]")
        given = given.removeprefix(":") if bracket else "?"
    else:
        host, _, given = text.partition(":")
    if not host or not (given or "1").isdecimal() or not 0 < int(given or port) < 65_536:
        raise ValueError("holds an address that is not host, host:port or [IPv6]:port")
    return unquote(host), int(given or port)
