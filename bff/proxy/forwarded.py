"""What we tell the upstream about the browser: its address, our public name, the trace and the request's id."""

import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from random import Random
from urllib.parse import urlsplit

from bff.http.addresses import is_within

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_KNOWN_MAX = 4096  # addresses that are remembered
_UNKNOWN = "unknown"  # RFC 7239 §6.2
_ids = Random()  # noqa: S311 -- no secret: it names a request, to whoever sent it as well
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)  # or all workers would count the same


class Forwarding:
    """Builds the headers that we alone may set. Forwarded-For is believed only from trusted proxies."""

    def __init__(self, public_url: str, trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        parts = urlsplit(public_url)
        self._trusted = tuple(trusted_proxies)
        self._fixed = [("x-forwarded-proto", parts.scheme), ("x-forwarded-host", parts.netloc), ("via", "1.1 bff")]
        self._forwarded = f";host={_quoted(parts.netloc)};proto={parts.scheme}"
        self._trusts: dict[str, bool] = {}
        self._headers: dict[str, list[tuple[str, str]]] = {}  # by the browser's address

    def trusts(self, peer: str) -> bool:
        """Tell whether this peer is one of the trusted proxies."""
        if not self._trusted:
            return False
        known = self._trusts.get(peer)
        if known is None:
            known = self._is_trusted(peer)
            if len(self._trusts) < _KNOWN_MAX:
                self._trusts[peer] = known
        return known

    def client_address(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """Return the browser's address: the last one in the chain that no trusted proxy holds."""
        if not forwarded_for or not self.trusts(peer):
            return peer or _UNKNOWN
        return self.address_behind(peer, forwarded_for)

    def address_behind(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """Return the browser's address, told of by a peer that is believed."""
        chain = [item.strip() for line in forwarded_for for item in line.decode("latin-1").split(",")]
        address = peer
        for item in reversed(chain[-50:]):
            candidate = _address(item)
            if candidate is None:
                break
            address = candidate
            if not self._is_trusted(candidate):
                break
        return address or _UNKNOWN

    def headers(self, address: str) -> Sequence[tuple[str, str]]:
        """Return the headers that tell of the browser at this address (RFC 7239, and its older relatives)."""
        known = self._headers.get(address)
        if known is None:
            node = f'"[{address}]"' if ":" in address else address
            known = [("x-forwarded-for", address), ("forwarded", f"for={node}{self._forwarded}"), *self._fixed]
            if len(self._headers) < _KNOWN_MAX:
                self._headers[address] = known
        return known

    def _is_trusted(self, peer: str) -> bool:
        # A unix socket has no address: whoever can reach it was let in by the file's mode.
        return not peer or is_within(peer, self._trusted)


def new_request_id() -> str:
    """32 random hexadecimal digits, fit to be a trace id too."""
    return _ids.getrandbits(128).to_bytes(16, "big").hex()


def trace_header(traceparent: bytes | None, request_id: str) -> tuple[str, str]:
    """Pass a valid W3C trace context on, or start one whose trace id is the request's id."""
    if traceparent is not None and _TRACEPARENT.match(traceparent):
        return "traceparent", traceparent.decode("ascii")
    return "traceparent", f"00-{request_id}-{request_id[:16]}-00"


def _address(item: str) -> str | None:
    """Read one entry of X-Forwarded-For: an address, perhaps with a port."""
    text = item.removeprefix("[").partition("]")[0] if item.startswith("[") else item
    if text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:  # a zone names an interface of somebody else's machine, in any characters
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _quoted(host: str) -> str:
    return f'"{host}"' if ":" in host else host
