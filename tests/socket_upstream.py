"""A WebSocket server behind the product: what a socket does is said by the last segment of its path.

It runs in a thread with an event loop of its own, and remembers the handshakes and how its sockets were closed.
"""

import asyncio
import json
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.closing import Closing

PIECE = b"x" * 64 * 1024


@dataclass
class Opened:
    """One socket as the upstream saw it."""

    target: str
    headers: list[tuple[str, str]]
    received: list[str | bytes] = field(default_factory=list)
    sent: int = 0
    close_code: int | None = None
    close_reason: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]


class SocketUpstream(Closing):
    """The server; `url` is its http address. It pings more often than anybody would."""

    def __init__(self, ping_interval: float = 0.2) -> None:
        self._ping_interval = ping_interval
        self.opened: list[Opened] = []
        self.refused: list[Opened] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._connections: set[ServerConnection] = set()
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        self.port = started.result(10)
        self.url = f"http://127.0.0.1:{self.port}"

    def say(self, text: str) -> None:
        """Send to every open socket."""

        async def say() -> None:
            for connection in tuple(self._connections):
                await connection.send(text)

        asyncio.run_coroutine_threadsafe(say(), self._loop).result(10)

    def cut(self) -> None:
        """Reset every connection, as when the process is killed."""

        def abort() -> None:
            for connection in tuple(self._connections):
                connection.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    def reset(self) -> None:
        """Forget what was."""
        self.cut()
        self.opened = []
        self.refused = []

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self, started: "Future[int]") -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: "Future[int]") -> None:
        server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._process,
            select_subprotocol=_choose,
            max_size=None,
            ping_interval=self._ping_interval,
            ping_timeout=5,
            server_header=None,
        )
        started.set_result(next(iter(server.sockets)).getsockname()[1])
        await self._stop.wait()
        server.close(code=1001)
        await server.wait_closed()

    async def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        if not urlsplit(request.path).path.endswith("/refuse"):
            return None
        self.refused.append(Opened(request.path, list(request.headers.raw_items())))
        headers = Headers([("Content-Type", "application/json"), ("X-Why", "one"), ("X-Why", "two")])
        headers["Set-Cookie"] = "a=b"
        headers["Content-Length"] = "13"
        return Response(HTTPStatus.IM_A_TEAPOT, "No", headers, b'{"why":"tea"}')

    async def _handle(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        seen = Opened(request.path, list(request.headers.raw_items()))
        self.opened.append(seen)
        self._connections.add(connection)
        try:
            await self._play(connection, seen)
            await connection.wait_closed()
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)
            seen.close_code, seen.close_reason = connection.close_code, connection.close_reason
            seen.ended.set()

    async def _play(self, connection: ServerConnection, seen: Opened) -> None:
        parts = urlsplit(seen.target)
        query: dict[str, Any] = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path.rsplit("/", 1)[-1]:
            case "close":
                await connection.close(int(query["code"]), query.get("reason", ""))
            case "empty-close":
                async with connection.send_context():
                    connection.protocol.send_close()
            case "headers":
                await connection.send(json.dumps(seen.headers))
            case "big":
                await connection.send(b"x" * int(query["size"]))
            case "flood":
                while True:
                    await connection.send(PIECE)
                    seen.sent += 1
            case "deaf":
                await self._stop.wait()
            case "pieces":
                await connection.send([b"one ", b"two ", b"three"])
        async for message in connection:
            seen.received.append(message)
            if parts.path.endswith("/echo"):
                await connection.send(message)


def _choose(_connection: ServerConnection, offered: Any) -> Any:
    """The last one offered."""
    return offered[-1] if offered else None
