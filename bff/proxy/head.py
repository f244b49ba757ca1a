"""One pass over a request's headers: what we decide on, and what goes to the upstream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bff.errors import BadRequest, HeadersTooLarge
from bff.session.binding import CameFrom

RawHeaders = Sequence[tuple[bytes, bytes]]

# Who calls, from where and for what, as upstreams and gateways are known to believe it (OWASP ASVS 4.1.3).
BELIEVED = frozenset(
    {
        b"authorization", b"dpop", b"cookie", b"x-csrf", b"client-cert", b"client-cert-chain", b"x-user",
        b"x-remote-user", b"remote-user", b"x-auth-user", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip",
        b"true-client-ip", b"cf-connecting-ip", b"x-original-url", b"x-original-uri", b"x-rewrite-url",
        b"x-http-method", b"x-http-method-override", b"x-method-override",
    }
)  # fmt: skip
# Never forwarded: these, hop-by-hop (RFC 9110 §7.6.1), framing, what we set ourselves and what only we may read.
_DROPPED = BELIEVED | {
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"http2-settings", b"content-length", b"host",
    b"forwarded", b"via", b"x-request-id", b"traceparent", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest",
    b"sec-fetch-user", b"referer", b"origin",
}  # fmt: skip
_DROPPED_PREFIXES = (b"x-forwarded", b"proxy-", b"x-auth-request-", b"x-ssl-", b"sec-websocket-")
_MISSING = "\0"
_KNOWN_MAX = 2048  # names that are remembered
_LONGEST_KNOWN = 64  # bytes of one


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """The most that a request's header section may hold."""

    count: int
    size: int  # bytes


@dataclass(slots=True)
class RequestHead:
    """What a request's headers say. `forward` are the headers that may pass, in order."""

    forward: list[tuple[str, str]] = field(default_factory=list)
    cookies: list[bytes] = field(default_factory=list)
    origin: bytes | None = None
    sec_fetch_site: bytes | None = None
    csrf: bool = False
    content_length: int | None = None
    chunked: bool = False
    host: bytes | None = None
    forwarded_for: tuple[bytes, ...] = ()
    forwarded_host: bytes | None = None
    traceparent: bytes | None = None
    dropped_by_connection: frozenset[bytes] = frozenset()
    came_from: CameFrom = (b"", "")  # the browser, where whoever read the headers has noted it

    @property
    def has_body(self) -> bool:
        """Whether a body was announced, if only an empty one."""
        return self.chunked or self.content_length is not None


# What happens to a header is decided by its name alone, once: the name to forward it under, or None.
_fate: dict[bytes, str | None] = dict.fromkeys(_DROPPED)


def read_head(headers: RawHeaders, *, max_headers: int, max_size: int) -> RequestHead:
    """Read and sort the headers.

    Raises:
        HeadersTooLarge: more or larger headers than allowed.
        BadRequest: two Host headers, a Content-Length that is not one number (RFC 9112 §3.2 and §6.3), or a header
            in no encoding that can be passed on.
    """
    if len(headers) > max_headers:
        raise HeadersTooLarge
    head = RequestHead()
    forward = head.forward
    size = 0
    try:
        for name, value in headers:
            size += len(name) + len(value)
            passes_as = _fate.get(name, _MISSING)
            if passes_as is _MISSING:
                passes_as = _decide_fate(name)
            if passes_as is not None:
                forward.append((passes_as, value.decode()))  # as UTF-8, so that the same bytes go out again
            elif (read := _READERS.get(name)) is not None:
                read(head, value)
    except UnicodeDecodeError as error:
        raise BadRequest("A header is neither ASCII nor UTF-8.") from error
    if size > max_size:
        raise HeadersTooLarge
    if head.dropped_by_connection:
        named = head.dropped_by_connection
        head.forward = [pair for pair in forward if pair[0].lower().encode("latin-1") not in named]
    return head


def is_ours(name: bytes) -> bool:
    """Tell whether a header, in small letters, is one that no browser may send to an upstream."""
    return name in _DROPPED or name.startswith(_DROPPED_PREFIXES)


def _decide_fate(name: bytes) -> str | None:
    # An underscore is read as a hyphen by many servers: no twin of a header that we set may pass.
    # ASGI promises lower case; nothing rests on that promise.
    fate = None if is_ours(name.lower()) or b"_" in name else name.decode("latin-1")
    if len(_fate) < _KNOWN_MAX and len(name) <= _LONGEST_KNOWN:  # names come from the browser
        _fate[name] = fate
    return fate


def _read_host(head: RequestHead, value: bytes) -> None:
    if head.host is not None:
        raise BadRequest("The request has two Host headers.")
    head.host = value


def _read_content_length(head: RequestHead, value: bytes) -> None:
    if head.content_length is not None or not value.isdigit() or len(value) > 18:
        raise BadRequest("Content-Length is not one number.")
    head.content_length = int(value)


def _read_connection(head: RequestHead, value: bytes) -> None:
    if value != b"keep-alive":  # what browsers send names no header that would pass
        head.dropped_by_connection |= {item.strip(b" \t").lower() for item in value.split(b",")}


def _read_origin(head: RequestHead, value: bytes) -> None:
    head.origin = value if head.origin is None else b"\0"  # two of them equal no origin


def _read_sec_fetch_site(head: RequestHead, value: bytes) -> None:
    head.sec_fetch_site = value if head.sec_fetch_site is None else b"\0"


def _read_csrf(head: RequestHead, value: bytes) -> None:
    head.csrf = value == b"1"


def _read_chunked(head: RequestHead, _value: bytes) -> None:
    head.chunked = True


def _read_forwarded_for(head: RequestHead, value: bytes) -> None:
    head.forwarded_for += (value,)


def _read_forwarded_host(head: RequestHead, value: bytes) -> None:
    head.forwarded_host = value


def _read_traceparent(head: RequestHead, value: bytes) -> None:
    head.traceparent = value


_READERS: dict[bytes, Callable[[RequestHead, bytes], None]] = {
    b"cookie": lambda head, value: head.cookies.append(value),
    b"x-forwarded-for": _read_forwarded_for,
    b"x-forwarded-host": _read_forwarded_host,
    b"host": _read_host,
    b"content-length": _read_content_length,
    b"connection": _read_connection,
    b"origin": _read_origin,
    b"sec-fetch-site": _read_sec_fetch_site,
    b"x-csrf": _read_csrf,
    b"transfer-encoding": _read_chunked,
    b"traceparent": _read_traceparent,
}
