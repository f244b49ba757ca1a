"""One pass over a request's headers: what we decide on, and what goes to the upstream."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bff.errors import BadRequest, HeadersTooLarge

RawHeaders = Sequence[tuple[bytes, bytes]]

# Never forwarded: hop-by-hop (RFC 9110 §7.6.1), framing, what we set ourselves, what only we may read, and
# identity or routing headers that upstreams and gateways are known to believe (OWASP ASVS 4.1.3).
_DROPPED = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"http2-settings", b"content-length", b"host",
        b"authorization", b"dpop", b"cookie", b"x-csrf", b"forwarded", b"via", b"x-real-ip", b"client-cert",
        b"client-cert-chain", b"x-original-url", b"x-original-uri", b"x-rewrite-url", b"x-http-method-override",
        b"x-http-method", b"x-method-override", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip",
        b"x-cluster-client-ip", b"x-request-id", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest",
        b"sec-fetch-user", b"referer", b"origin", b"x-user", b"x-remote-user", b"remote-user", b"x-auth-user",
    }
)  # fmt: skip
_DROPPED_PREFIXES = (b"x-forwarded-", b"x-forwarded", b"proxy-", b"x-auth-request-", b"x-ssl-", b"sec-websocket-")
_READ = frozenset(
    {b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"x-csrf", b"content-length", b"host",
     b"traceparent"}
)  # fmt: skip


@dataclass(slots=True)
class RequestHead:
    """What a request's headers say. `forward` are the headers that may pass, in order, as pyreqwest wants them."""

    forward: list[tuple[str, str]] = field(default_factory=list)
    cookies: list[bytes] = field(default_factory=list)
    origin: bytes | None = None
    sec_fetch_site: bytes | None = None
    csrf: bool = False
    content_length: int | None = None
    chunked: bool = False
    host: bytes | None = None
    forwarded_for: list[bytes] = field(default_factory=list)
    forwarded_host: bytes | None = None
    request_id: bytes | None = None


def read_head(headers: RawHeaders, *, max_headers: int, max_size: int) -> RequestHead:
    """Read and sort the headers.

    Raises:
        HeadersTooLarge: more or larger headers than allowed.
        BadRequest: two Host headers, or a Content-Length that is not one number (RFC 9112 §3.2 and §6.3).
    """
    if len(headers) > max_headers:
        raise HeadersTooLarge
    head = RequestHead()
    forward = head.forward
    named_by_connection: set[bytes] | None = None
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        match name:
            case b"cookie":
                head.cookies.append(value)
            case b"connection":
                if value not in _PLAIN_CONNECTIONS:
                    named_by_connection = named_by_connection or set()
                    named_by_connection.update(item.strip(b" \t").lower() for item in value.split(b","))
            case b"host":
                if head.host is not None:
                    raise BadRequest("The request has two Host headers.")
                head.host = value
            case b"origin":
                head.origin = value if head.origin is None else b"\0"  # two of them equal no origin
            case b"sec-fetch-site":
                head.sec_fetch_site = value
            case b"x-csrf":
                head.csrf = value == b"1"
            case b"content-length":
                if head.content_length is not None or not value.isdigit():
                    raise BadRequest("Content-Length is not one number.")
                head.content_length = int(value)
            case b"transfer-encoding":
                head.chunked = True
            case b"x-forwarded-for":
                head.forwarded_for.append(value)
            case b"x-forwarded-host":
                head.forwarded_host = value
            case b"x-request-id":
                head.request_id = value
            case _:
                if name in _DROPPED or name.startswith(_DROPPED_PREFIXES) or b"_" in name:
                    # An underscore is read as a hyphen by many servers: no twin of a header we set may pass.
                    continue
                forward.append((name.decode("latin-1"), value.decode("latin-1")))
    if size > max_size:
        raise HeadersTooLarge
    if named_by_connection:
        head.forward = [pair for pair in forward if pair[0].encode("latin-1") not in named_by_connection]
    return head


_PLAIN_CONNECTIONS = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})
