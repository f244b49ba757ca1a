"""HTTP as bytes: for what no client would ever send."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

ALL = 9  # answers: more than anybody gets, so that the end of the connection or silence ends the listening
_QUIET = 0.3  # seconds without a byte after which an answer without a length of its own counts as over
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")


@dataclass(frozen=True)
class Heard:
    """What came back on one connection."""

    data: bytes
    closed: bool  # by the server

    @property
    def statuses(self) -> list[int]:
        """The status of each answer, in order."""
        return [int(found) for found in _ANSWER.findall(self.data)]

    @property
    def body(self) -> bytes:
        """What follows the first head."""
        return self.data.partition(b"\r\n\r\n")[2]


async def say(port: int, *pieces: bytes, answers: int = 1, within: float = 30.0, quiet: float = _QUIET) -> Heard:
    """Send the pieces on one connection and listen until it is answered, the server closes it or falls silent.

    Args:
        port: on 127.0.0.1.
        pieces: written one after the other.
        answers: so many whole answers end the listening.
        within: seconds to wait for an answer that has to come, and for what is missing of it.
        quiet: seconds of silence that end the listening where nobody can tell whether more is to come.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    has_bodies = not pieces[0].startswith(b"HEAD ")
    heard = bytearray()
    closed = False
    try:
        with contextlib.suppress(ConnectionError):  # it may refuse to read on
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        try:
            while True:
                count, rest = _whole_answers(bytes(heard))
                if count >= answers:
                    break
                is_awaited = not heard or (_lacks_bytes(rest, has_bodies=has_bodies) if rest else answers < ALL)
                async with asyncio.timeout(within if is_awaited else quiet):
                    data = await reader.read(65536)
                if not data:
                    closed = True
                    break
                heard += data
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return Heard(bytes(heard), closed)


def _lacks_bytes(rest: bytes, *, has_bodies: bool) -> bool:
    """Whether it is sure that the answer which begins here goes on."""
    head, end, body = rest.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return not end or (has_bodies and length is not None and len(body) < int(length[1]))


def _whole_answers(data: bytes) -> tuple[int, bytes]:
    """How many answers are here from the first byte to the last, interim ones aside; and what comes after them."""
    count = 0
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        status = _ANSWER.match(head + b"\r\n")
        if not end or status is None:
            break
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if status[1].startswith(b"1"):
            data = rest
            continue
        if length is None and b"\r\ntransfer-encoding: chunked" in head.lower():
            _, end, following = rest.partition(b"0\r\n\r\n")
            if not end:
                break
            data = following
        elif length is not None:
            if len(rest) < int(length[1]):
                break
            data = rest[int(length[1]) :]
        else:
            break  # ends with the connection, or has no body: silence tells
        count += 1
    return count, data


def request(
    method: str, target: str, host: str, *lines: str | bytes, body: bytes = b"", ends: bytes = b"\r\n"
) -> bytes:
    """The bytes of a request with exactly these header lines after Host."""
    head = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: " + host.encode()]
    head += [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return ends.join(head) + ends * 2 + body
