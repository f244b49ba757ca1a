"""The head of a request as HTTP/1.1 writes it (RFC 9112 §3), and the frame of a chunk. Pure."""

from bff.proxy.upstream import Headers

LAST_CHUNK = b"0\r\n\r\n"


def write_head(method: str, target: str, host: str, headers: Headers, framing: str = "") -> bytes:
    r"""Return the head of a request for `target`, which begins with `/`.

    `framing` is the line that says where the body ends, with its line end; "" when `headers` says it or there is
    no body. Values go out as UTF-8, which is how the browser's have been read.

    Raises:
        ValueError: a value holds a line end or a NUL, and would make another head of it (RFC 9110 §5.5).
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    text = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n{''.join(lines)}{framing}"
    if "\r\nuser-agent: " not in text:  # some APIs refuse who does not say what it is
        text += "user-agent: bff\r\n"
        lines.append("")
    ends = len(lines) + 2 + bool(framing)
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ValueError("a header's value holds a line end or a NUL")
    return f"{text}\r\n".encode()


def frame_chunk(chunk: bytes) -> bytes:
    """Return a piece of a body, not an empty one, as the chunked coding has it (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)
