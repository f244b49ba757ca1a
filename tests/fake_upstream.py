"""The API behind the product, as an object: it remembers what it was sent and answers what it was told to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bff.proxy.routes import Route
from bff.proxy.upstream import Body


@dataclass(frozen=True)
class Sent:
    """One request as it would have gone out."""

    route: str
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return every value of a header, whatever its case."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class Given:
    """One answer; an exception among the chunks breaks it there."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes | Exception] = field(default_factory=lambda: [b"{}"])

    def whole(self) -> bytes | None:
        return None

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        if not self.chunks:
            return None
        chunk = self.chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


@dataclass
class FakeUpstream:
    """Implements `Upstream`."""

    seen: list[Sent] = field(default_factory=list)
    closed: int = 0
    left: int = 0  # exchanges that were closed again

    def __post_init__(self) -> None:
        self._script: deque[Given | Exception] = deque()
        self.gate: asyncio.Event | None = None  # holds every answer until it is set

    def script(self, *answers: Given | Exception) -> None:
        """Answer the next requests so, one each."""
        self._script.extend(answers)

    @asynccontextmanager
    async def open(
        self, route: Route, method: str, target: str, headers: list[tuple[str, str]], body: Body
    ) -> AsyncIterator[Given]:
        """See `Upstream.open`."""
        url = route.upstream + target
        whole = (
            body if isinstance(body, bytes) else b"" if body is None else b"".join([part async for part in body])
        )
        self.seen.append(Sent(route.path, method, url, list(headers), whole))
        try:
            if self.gate is not None:
                await self.gate.wait()
            answer = self._script.popleft() if self._script else Given()
            if isinstance(answer, Exception):
                raise answer
            yield answer
        finally:
            self.left += 1

    def start(self) -> None:
        """See `Upstream.start`."""

    async def close(self) -> None:
        """See `Upstream.close`."""
        self.closed += 1


async def _read_all(body: Body) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return b"".join([part async for part in body])
