"""An upstream that keeps every byte it is sent, and answers with any bytes it is told to.

    with Echo() as echo:
        echo.script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", CUT)   # how the next request is answered
        ...
        assert [b"/v1/items"] == [request.target for request in echo.requests]

It runs in a thread with an event loop of its own, so that one of them outlives many tests; `reset` between them.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from tests.closing import Closing

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\necho"
_MAX_HEAD = 1024 * 1024


class Gate:
    """A step of a script that waits until the test opens it."""

    def __init__(self) -> None:
        self._future: Future[None] = Future()

    def open(self) -> None:
        """Let the script go on."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await asyncio.wrap_future(self._future)


class Cut:
    """A step of a script that resets the connection."""


class Close:
    """A step of a script that closes the connection in good order."""


CUT = Cut()
CLOSE = Close()
Step = bytes | float | Gate | Cut | Close  # a float is a pause in seconds


@dataclass
class Received:
    """One request. `body` grows while it comes in."""

    connection: int
    head: bytes  # the request line and the header lines, as they came
    body: bytearray = field(default_factory=bytearray)
    complete: threading.Event = field(default_factory=threading.Event)  # the whole body is here
    hung_up: threading.Event = field(default_factory=threading.Event)  # the other side left before the answer's end

    @property
    def method(self) -> bytes:
        return self.head.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0].split(b" ")[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name in lower case and value, in order."""
        lines = self.head.split(b"\r\n")[1:]
        return [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]

    def all(self, name: str) -> list[bytes]:
        """Every value of a header."""
        wanted = name.lower().encode()
        return [value for key, value in self.headers if key == wanted]


class Echo(Closing):
    """The server. `url` is its origin; `requests` are what came, in order."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0  # accepted since the last reset
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._always: tuple[Step, ...] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        self.port = started.result(10)
        self.url = f"http://127.0.0.1:{self.port}"

    def script(self, *steps: Step) -> None:
        """Answer the next request that has no script yet with these steps."""
        self._scripts.append(steps)

    def always(self, *steps: Step) -> None:
        """Answer every request that has no script of its own with these steps."""
        self._always = steps

    def reset(self) -> None:
        """Forget what came and what was planned; connections that are busy are cut."""

        def cut_busy() -> None:
            for task in tuple(self._busy):
                task.cancel()

        self._loop.call_soon_threadsafe(cut_busy)
        self._scripts.clear()
        self._always = None
        self.requests = []
        self.connections = 0

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self, started: Future[int]) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: Future[int]) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_MAX_HEAD)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(number, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request and answer it; False when the connection is over."""
        head = await reader.readuntil(b"\r\n\r\n")
        request = Received(number, head[:-4])
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        self.requests.append(request)
        steps = self._scripts.popleft() if self._scripts else self._always or (PLAIN,)
        reading = asyncio.ensure_future(_read_body(reader, request))
        try:
            if all(isinstance(step, bytes) for step in steps):
                await reading
            return await self._answer(steps, request, reader, writer, reading)
        except (ConnectionError, asyncio.CancelledError):
            request.hung_up.set()
            raise
        finally:
            self._busy.discard(task)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
                await reading

    async def _answer(
        self,
        steps: tuple[Step, ...],
        request: Received,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        reading: asyncio.Future[None],
    ) -> bool:
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Gate():
                    if not await _unless_gone(step.wait(), request, reader, reading):
                        return False
                case Cut():
                    _reset(writer)
                    return False
                case Close():
                    return False
                case seconds:
                    if not await _unless_gone(asyncio.sleep(seconds), request, reader, reading):
                        return False
        await reading
        return True


async def _unless_gone(
    work: object, request: Received, reader: asyncio.StreamReader, reading: asyncio.Future[None]
) -> bool:
    """Wait for the work; False as soon as the other side has hung up."""
    waiting = asyncio.ensure_future(work)  # type: ignore[arg-type]
    leaving = asyncio.ensure_future(_end_of(reader, reading))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return True
        request.hung_up.set()
        return False
    finally:
        waiting.cancel()
        leaving.cancel()


async def _end_of(reader: asyncio.StreamReader, reading: asyncio.Future[None]) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await asyncio.shield(reading)
        while not reader.at_eof():
            await reader.read(65536)


async def _read_body(reader: asyncio.StreamReader, request: Received) -> None:
    lengths = request.all("content-length")
    if any(b"chunked" in value.lower() for value in request.all("transfer-encoding")):
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            request.body += await reader.readexactly(size)
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    elif lengths:
        missing = int(lengths[0])
        while missing:
            piece = await reader.read(min(missing, 65536))
            if not piece:
                raise asyncio.IncompleteReadError(bytes(request.body), missing)
            request.body += piece
            missing -= len(piece)
    request.complete.set()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Make the close an RST, as when a machine goes away."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(status: str = "200 OK", *headers: str, body: bytes = b"") -> bytes:
    """A whole answer with its Content-Length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
