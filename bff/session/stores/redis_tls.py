"""TLS towards Redis: one context for all connections of a store, made anew when its files change.

redis-py makes one for each connection, which costs 30 ms each, and lets every authority that the system knows vouch
for the server besides the one that it is given.
"""

import ssl
from pathlib import Path
from typing import Any

from redis.asyncio.connection import RedisSSLContext, SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from bff.crypto.trust import build_trust


class Tls(RedisSSLContext):
    """What `ssl_…` options say; raises `ValueError` or what redis-py raises when they say nothing that can be."""

    def __init__(self, options: dict[str, Any]) -> None:
        told = SSLConnection(**options).ssl_context
        super().__init__(
            keyfile=told.keyfile,
            certfile=told.certfile,
            cert_reqs=told.cert_reqs,
            ca_certs=told.ca_certs,
            check_hostname=told.check_hostname,
            password=told.password,
        )
        if told.keyfile and not told.certfile:
            raise ValueError("ssl_keyfile is the key of a certificate: ssl_certfile names it")
        self._files = tuple(Path(name) for name in (told.keyfile, told.certfile, told.ca_certs) if name)
        self._made_of: tuple[int, ...] | None = None
        try:
            self.get()
        except OSError as exc:  # ssl.SSLError is one
            raise ValueError("a file of the store's ssl_… options cannot be read, or is none of its kind") from exc

    def get(self) -> ssl.SSLContext:
        """Return the context. Raises `OSError` while a file cannot be read."""
        # A client's certificate may be renewed every hour; connections made from then on show the new one.
        made_of = tuple(file.stat().st_mtime_ns for file in self._files)
        if self.context is None or made_of != self._made_of:
            context = ssl.create_default_context(cafile=self.ca_certs) if self.ca_certs else build_trust()
            context.check_hostname = self.check_hostname
            context.verify_mode = self.cert_reqs
            if self.certfile:
                context.load_cert_chain(self.certfile, self.keyfile, self.password)
            self.context, self._made_of = context, made_of
        return self.context

    def connection_class(self) -> type[SSLConnection]:
        """Return a class of connections that use this context."""
        return type("_Connection", (_Shared,), {"shared": self})

    def sentinel_connection_class(self) -> type[SentinelManagedSSLConnection]:
        """Return the same for connections to what sentinels name."""
        return type("_SentinelConnection", (_Shared, SentinelManagedSSLConnection), {"shared": self})


class _Shared(SSLConnection):
    shared: Tls

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context = self.shared

    async def disconnect(
        self,
        nowait: bool = False,
        error: Exception | None = None,
        failure_count: int | None = None,
        health_check_failed: bool = False,
    ) -> None:
        # What is dropped amid an answer takes no leave either: it could wait for a server that has gone.
        if nowait and self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait, error, failure_count, health_check_failed)
