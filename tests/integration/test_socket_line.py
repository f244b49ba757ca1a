"""What a unix socket's upstream is sent, where the library in between is stricter than the wire."""

import asyncio
from pathlib import Path

from bff.proxy.socket_line import SocketLine


async def test_space_around_a_value_is_left_out_and_fails_no_call(tmp_path: Path) -> None:
    """It is no part of the value (RFC 9110 §5.5); HTTP/2 can bring it, and a failure counts against the API."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    socket = tmp_path / "api.sock"
    async with await asyncio.start_unix_server(answer, socket):
        line = SocketLine(str(socket), {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 0.0}, is_upload=False)
        response = await line.send(
            "GET", "http://localhost/x", [("x-a", " padded"), ("x-b", "padded\t "), ("x-c", "a b")], None
        )
        await response.close()
        await line.close()

    assert 204 == response.status
    assert [b"x-a: padded", b"x-b: padded", b"x-c: a b"] == [
        part for part in heads[0].split(b"\r\n") if part.startswith(b"x-")
    ]
