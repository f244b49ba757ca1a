"""HTTP as bytes: for what no client would ever send."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

_QUIET = 0.3  # seconds without a byte after which an answer counts as over
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


async def say(port: int, *pieces: bytes, within: float = 5.0, quiet: float = _QUIET) -> Heard:
    """Send the pieces on one connection and listen until the server closes it or falls silent.

    Args:
        port: on 127.0.0.1.
        pieces: written one after the other.
        within: seconds to wait for the first byte of an answer.
        quiet: seconds of silence after the last byte that end the listening.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = bytearray()
    closed = False
    try:
        with contextlib.suppress(ConnectionError):  # it may refuse to read on
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        try:
            while True:
                async with asyncio.timeout(quiet if heard else within):
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


def request(
    method: str, target: str, host: str, *lines: str | bytes, body: bytes = b"", ends: bytes = b"\r\n"
) -> bytes:
    """The bytes of a request with exactly these header lines after Host."""
    head = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: " + host.encode()]
    head += [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return ends.join(head) + ends * 2 + body
