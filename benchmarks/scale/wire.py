"""One connection of a browser's, cheap enough that the server is what is measured."""

import asyncio
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower-case."""

    status: int
    location: str
    cookies: dict[str, str]  # those that were set, without those that were deleted
    body: bytes


class Wire:
    """HTTP/1.1 over a connection that stays open, one request after the other."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, path: str, *headers: str) -> Answer:
        """Ask, and read the whole answer."""
        lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{self._port}", *headers, "", ""]
        self._writer.write("\r\n".join(lines).encode("ascii"))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length, location, cookies = 0, "", {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            match name.lower():
                case "content-length":
                    length = int(value)
                case "location":
                    location = value
                case "set-cookie" if "max-age=0" not in value.lower():
                    cookie, _, rest = value.partition("=")
                    cookies[cookie] = rest.partition(";")[0]
        body = await self._reader.readexactly(length)
        return Answer(int(head[0].split(" ")[1]), location, cookies, body)
