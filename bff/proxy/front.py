"""Which host a request is for, and whose it is, as far as the peer may be believed."""

from urllib.parse import urlsplit

from bff.errors import MisdirectedRequest
from bff.http.addresses import DEFAULT_PORTS
from bff.proxy.forwarded import Forwarding
from bff.proxy.head import RequestHead


class Front:
    """Holds requests to the public origin (RFC 9110 §7.4): no other name may be bound to our answers."""

    def __init__(self, public_url: str, forwarding: Forwarding) -> None:
        parts = urlsplit(public_url)
        name = (parts.hostname or "").encode("ascii")
        name = b"[" + name + b"]" if b":" in name else name
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._hosts = {name + b":%d" % port}
        if port == DEFAULT_PORTS[parts.scheme]:
            self._hosts.add(name)
        self._forwarding = forwarding

    def check_peer(self, client: tuple[str, int] | None, head: RequestHead) -> str:
        """Return the browser's address.

        Raises:
            MisdirectedRequest: the request is for another host.
        """
        peer = client[0] if client else ""
        host = head.host
        if head.forwarded_host is not None and self._forwarding.trusts(peer):
            host = head.forwarded_host
        self.check_host(host)
        return self._forwarding.client_address(peer, head.forwarded_for)

    def address_behind(self, client: tuple[str, int] | None, forwarded_for: bytes) -> str:
        """Return the browser's address, told of by a peer that has shown that it may be believed."""
        return self._forwarding.address_behind(client[0] if client else "", [forwarded_for])

    def check_host(self, host: bytes | None) -> None:
        """Raise `MisdirectedRequest` unless this is our public name."""
        if host not in self._hosts and (host is None or host.lower() not in self._hosts):
            raise MisdirectedRequest
