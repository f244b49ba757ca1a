"""A web site of a few lines, in the test's own loop: it plays another origin, or an API that counts its callers."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_BLANK = b"<!doctype html><title>another site</title><body></body>"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that reached the site. Header names are lowercase."""

    method: str
    path: str
    headers: dict[str, str]


class Site:
    """Answers everything with a blank page that forbids nothing, and writes down who came.

    Attributes:
        port: of 127.0.0.1.
        visits: what reached it, oldest first.
    """

    def __init__(self) -> None:
        self.visits: list[Visit] = []

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()  # its connections are not waited for: a browser keeps some that it never uses

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a browser opens connections ahead of need and drops them unused
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.visits.append(Visit(method, path, headers))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (len(_BLANK), _BLANK)
        )
        await writer.drain()
