"""The head of a request as HTTP/1.1 writes it (RFC 9112 §3), and the frame of a chunk. Pure."""

from bff.proxy.upstream import Headers

LAST_CHUNK = b"0\r\n\r\n"


# What browsers and we ourselves send alike with most requests, none of it secret: written once, and remembered.
_USUAL = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "cache-control", "content-type", "dnt", "forwarded",
        "pragma", "priority", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-gpc", "user-agent", "via",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    }
)  # fmt: skip
_KNOWN_MAX = 2048
_LONGEST_KNOWN = 512  # characters
_known: dict[tuple[str, str], str] = {}


def write_head(method: str, target: str, host: str, headers: Headers, framing: str = "") -> bytes:
    """Return the head of a request for `target`, which begins with `/` and holds nothing that could end a line.

    `framing` is the line that says where the body ends, with its line end; "" when `headers` says it or there is
    no body. Values go out as UTF-8, which is how the browser's have been read.

    Raises:
        ValueError: a value holds a line end or a NUL, and would make another head of it (RFC 9110 §5.5).
    """
    known = _known
    lines = "".join([known.get(pair) or _write_line(pair) for pair in headers])
    agent = "" if "user-agent: " in lines else "user-agent: bff\r\n"  # some APIs refuse who does not say what it is
    return f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n{lines}{framing}{agent}\r\n".encode()


def _write_line(header: tuple[str, str]) -> str:
    name, value = header
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("a header's value holds a line end or a NUL")
    line = f"{name}: {value}\r\n"
    if name in _USUAL and len(line) <= _LONGEST_KNOWN and len(_known) < _KNOWN_MAX:
        _known[header] = line
    return line


def frame_chunk(chunk: bytes) -> bytes:
    """Return a piece of a body, not an empty one, as the chunked coding has it (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)
