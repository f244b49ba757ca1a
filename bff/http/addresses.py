"""Addresses as peers and proxies tell them; one told as `::ffff:192.0.2.1` is 192.0.2.1. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

DEFAULT_PORTS = {"http": 80, "https": 443}


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address; None for what is none, such as the peer of a unix socket."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def is_within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether this is an address in one of the networks, by either way of writing it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(address in network or (plain is not None and plain in network) for network in networks)
