"""What a gateway asks about, read from its sub-request. Pure.

Each kind of gateway has its own headers for the original request, and only those of the configured kind are read: a
header that this gateway does not set itself is the browser's, and says nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bff.errors import BadRequest, MethodNotAllowed
from bff.http.methods import ALLOW, NEVER_FORWARDED, USUAL
from bff.proxy.head import RawHeaders, RequestHead

SECRET = b"x-bff-gateway"
_METHODS = {name.encode("ascii"): name for name in USUAL}
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Z-]{1,32}\Z")  # RFC 9110 §9.1, in capitals: see `bff.http.methods`

# What is decided on, and may come once only.
_ONCE = frozenset(
    {
        b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"x-csrf", b"accept",
        b"x-original-method", b"x-original-uri", b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host",
        b"sec-websocket-version", b"sec-websocket-key", b"upgrade",
    }
)  # fmt: skip
_ADDRESS = b"x-forwarded-for"
_JOINED = {b"cookie": b"; ", b"x-forwarded-for": b", ", SECRET: b", "}  # two secrets are none


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of gateway asks, and what it makes of the answer."""

    method: bytes | None  # the header with the original method; None: the sub-request has it
    target: bytes | None  # the header with the original target; None: it follows our own path
    host: bytes  # the header with the original host
    passes_refusals: bool = True  # to the browser, as they are; else nothing but 401 and 403
    removes_on_demand: bool = False  # headers that we name


_FORWARD_AUTH = Dialect(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host")
DIALECTS: Mapping[str, Dialect] = {
    "nginx": Dialect(b"x-original-method", b"x-original-uri", b"host", passes_refusals=False),
    "caddy": _FORWARD_AUTH,
    "traefik": _FORWARD_AUTH,
    "envoy": Dialect(None, None, b"host", removes_on_demand=True),
}


class Asked(NamedTuple):
    """The original request, as far as it is decided on."""

    method: str
    path: bytes
    query: bytes
    host: bytes | None
    head: RequestHead
    forwarded_for: bytes
    headers: RawHeaders
    named: Mapping[bytes, bytes]  # the same by name

    @property
    def is_socket(self) -> bool:
        """Whether it opens a WebSocket (RFC 6455 §4.1, RFC 8441 §5). No script can set a header named Sec-*."""
        named = self.named
        return (
            b"sec-websocket-version" in named
            or b"sec-websocket-key" in named
            or (b"upgrade" in named and named[b"upgrade"].lower() == b"websocket")
        )

    @property
    def is_navigation(self) -> bool:
        """Whether a person goes to this address, so that a redirect leads somewhere."""
        if self.method not in {"GET", "HEAD"} or self.is_socket:
            return False
        mode = self.named.get(b"sec-fetch-mode")
        if mode is None:  # a browser without Fetch Metadata
            return b"text/html" in self.named.get(b"accept", b"")
        return mode == b"navigate" and self.named.get(b"sec-fetch-dest") == b"document"


def by_name(headers: RawHeaders) -> dict[bytes, bytes]:
    """Return the headers by name. Their number and size are the gateway's to limit, and the server's.

    Raises:
        BadRequest: something that we decide on was said twice.
    """
    named = dict(headers)
    return named if len(named) == len(headers) else _joined(headers)


def read_asked(
    dialect: Dialect,
    headers: RawHeaders,
    named: Mapping[bytes, bytes],
    method: str,
    path: bytes,
    query: bytes,
    own_path: bytes,
) -> Asked:
    """Return what a sub-request asks about; `method`, `path` and `query` are its own.

    Raises:
        BadRequest: the gateway does not say what it should.
        MethodNotAllowed: a method that is never let through.
    """
    if dialect.method is None or dialect.target is None:
        asked = method.encode("latin-1")
        path = path[len(own_path) :]
    else:
        said, target = named.get(dialect.method), named.get(dialect.target)
        if said is None or target is None:
            raise BadRequest(_incomplete(dialect))
        asked = said
        path, _, query = target.partition(b"?")
    # A peer's address in its place would let people choose: they can have a proxy drop headers (RFC 9110 §7.6.1).
    forwarded_for = named.get(_ADDRESS)
    if forwarded_for is None:
        raise BadRequest(_incomplete(dialect))
    cookie = named.get(b"cookie")
    site, has_header = named.get(b"sec-fetch-site"), named.get(b"x-csrf") == b"1"
    head = RequestHead([], [cookie] if cookie is not None else [], named.get(b"origin"), site, has_header)
    head.traceparent = named.get(b"traceparent")
    verb, host = _METHODS.get(asked) or _unusual(asked), named.get(dialect.host)
    return Asked(verb, path, query, host, head, forwarded_for, headers, named)


def _unusual(method: bytes) -> str:
    verb = method.decode("latin-1")
    if verb in NEVER_FORWARDED or not _METHOD.match(method):
        raise MethodNotAllowed(allow=ALLOW)
    return verb


def _incomplete(dialect: Dialect) -> str:
    wanted = ", ".join(name.decode() for name in (dialect.method, dialect.target, _ADDRESS) if name is not None)
    return f"The gateway does not say what it asks about: it has to send {wanted}."


def _joined(headers: RawHeaders) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in found and name in _ONCE:
            raise BadRequest("A header that is decided on was sent twice.")
        is_joined = name in found and name in _JOINED
        found[name] = found[name] + _JOINED[name] + value if is_joined else value
    return found
