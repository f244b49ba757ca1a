"""tests/neg_op.py over a real socket, so that slowness, cuts and bad bytes are real ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h11

from tests.neg_op import NegOp
from tests.neg_op_wire import Reply, Seen


@contextlib.asynccontextmanager
async def serve(op: NegOp | None = None) -> AsyncIterator[NegOp]:
    """Run the provider on a loopback port that the system chooses; `op.issuer` becomes its address."""
    op = op or NegOp()
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connections.add(task)
        try:
            await _serve_connection(op, reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the client went away, never spoke HTTP, or the server is being closed
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    op.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield op
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def _serve_connection(op: NegOp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other."""
    http = h11.Connection(h11.SERVER)
    while True:
        request = await _next_event(http, reader)
        if not isinstance(request, h11.Request):
            return
        body = b""
        while isinstance(event := await _next_event(http, reader), h11.Data):
            body += bytes(event.data)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        url = op.issuer + request.target.decode("latin-1")
        try:
            reply = await op.answer(Seen.of(request.method.decode("ascii"), url, headers, body))
        except Exception:  # noqa: BLE001 (any exception in the script means: hang up)
            return
        await _send(http, writer, reply)
        if http.our_state is not h11.DONE:
            return
        http.start_next_cycle()


async def _next_event(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(65536))
    return event


async def _send(http: h11.Connection, writer: asyncio.StreamWriter, reply: Reply) -> None:
    headers = [*reply.all_headers(), ("transfer-encoding", "chunked")]
    if isinstance(reply.body, bytes) and not any(name == "content-length" for name, _ in headers):
        headers = [*headers[:-1], ("content-length", str(len(reply.body)))]
    writer.write(http.send(h11.Response(status_code=reply.status, headers=headers, reason=b"")))
    for pause, piece in [(0.0, reply.body)] if isinstance(reply.body, bytes) else reply.body:
        if pause:
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(http.send(h11.Data(data=piece)))
    writer.write(http.send(h11.EndOfMessage()))
    await writer.drain()
