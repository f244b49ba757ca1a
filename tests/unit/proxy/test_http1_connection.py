"""What comes back on a connection to an upstream: whose it is, where it ends, and what may follow it."""

import asyncio

import pytest

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy import http1_connection
from bff.proxy.http1_connection import Connection
from tests.world import eventually


class Wire(asyncio.Transport):
    """The other side of a connection, as far as it can be seen from this one."""

    def __init__(self):
        super().__init__()
        self.sent, self.aborted, self.reading = [], False, True

    def write(self, data):
        self.sent.append(bytes(data))

    def abort(self):
        self.aborted = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


def connect(patience=30.0):
    connection, wire = Connection(patience, asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)
    return connection, wire


def asked(method="GET", patience=30.0):
    connection, wire = connect(patience)
    connection.begin(b"", has_no_body=method == "HEAD")
    return connection, wire


async def whole(connection):
    """The rest of an answer that has come."""
    parts = []
    while (part := await connection.read()) is not None:
        parts.append(part)
    return b"".join(parts)


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", 200, b"ok", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "GET", 200, b"ok", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", 200, b"ok", False),
    (
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
        "GET",
        200,
        b"ok",
        True,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        "GET",
        200,
        b"ok",
        True,
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", 304, b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD", 200, b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "PUT", 200, b"ok", True),
    (
        b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "GET",
        200,
        b"ok",
        True,
    ),
    # One answer too many: the first one is ours, and the connection is done for.
    (b"HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "GET", 204, b"", False),
    # A body where there may be none (RFC 9110 §9.3.2): not read, and nothing else is read after it.
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HEAD", 200, b"", False),
]


@pytest.mark.parametrize(("answer", "method", "status", "body", "kept"), ANSWERS)
@pytest.mark.parametrize("at_once", [True, False])
async def test_answer_is_read_however_it_is_cut(answer, method, status, body, kept, at_once):
    """RFC 9112 §6 and §9.3: where it ends, and whether another request may follow on the same connection."""
    connection, wire = asked(method)

    for piece in [answer] if at_once else [answer[at : at + 1] for at in range(len(answer))]:
        connection.data_received(piece)
    assert (status, body) == (connection.status, connection.whole())
    assert [] == [pair for pair in connection.headers if pair[0] in {b"link", b"x-t"}]
    await connection.close()
    # Piece by piece, what is too much comes after the call, and ends the connection as well.
    assert (kept, not kept) == (connection.is_ready, wire.aborted)


BROKEN = [
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + b"a" * 70_000 + b"\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + b"".join(b"%x:\r\n" % n for n in range(20_000)) + b"\r\nok",
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_what_is_no_answer_breaks_the_connection(answer):
    """Two readings of one answer are none (RFC 9112 §6.3); nor may a head be without end."""
    connection, wire = asked()

    connection.data_received(answer)

    with pytest.raises(UpstreamUnreachable):
        await connection.arrival()
    assert (True, False) == (wire.aborted, connection.is_ready)


async def test_large_body_that_comes_with_its_head_does_not_count_for_it():
    """Both may come in one read."""
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)

    assert 200_000 == len(connection.whole() or b"")


async def test_trailers_without_end_break_the_connection():
    """What is dropped in the end must not fill the memory before."""
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ")

    for _ in range(300):
        connection.data_received(b"a" * 1024)

    assert wire.aborted
    assert b"ok" == await connection.read()
    with pytest.raises(UpstreamUnreachable):
        await connection.read()


async def test_body_without_a_length_ends_with_the_connection():
    """RFC 9112 §6.3: and that is its proper end."""
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nsome")
    connection.data_received(b"thing")
    connection.eof_received()
    connection.connection_lost(None)

    assert b"something" == await whole(connection)
    assert not connection.is_ready


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"]
)
async def test_body_that_breaks_off_never_looks_complete(framing):
    """RFC 9112 §8: what has come is handed on, and then it is an error."""
    connection, _ = asked()
    body = b"2\r\nok\r\n" if b"chunked" in framing else b"ok"
    connection.data_received(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body)
    connection.eof_received()
    connection.connection_lost(None)

    assert b"ok" in (await connection.read() or b"")
    with pytest.raises(UpstreamUnreachable):
        await connection.read()


async def test_answer_that_nobody_asked_for_ends_the_connection():
    """It would be the next caller's."""
    connection, wire = connect()

    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert (True, False) == (wire.aborted, connection.is_ready)


@pytest.mark.parametrize("is_idle", [True, False])
async def test_connection_that_the_upstream_has_ended_carries_nothing_more(is_idle):
    """From that moment on: what is written between it and the news of the loss is lost, and may be no GET."""
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    if is_idle:
        await connection.close()
        assert connection.is_ready
    connection.eof_received()
    if not is_idle:  # it has ended with its answer, which is whole
        assert b"ok" == connection.whole()
        await connection.close()

    assert not connection.is_ready


async def test_slow_reader_makes_the_upstream_wait():
    """Memory stays bounded; once it has been read, more may come."""
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
    for _ in range(2):
        connection.data_received(b"x" * 40_000)

    assert not wire.reading
    assert 80_000 == len(await connection.read() or b"")
    assert wire.reading


async def test_reading_goes_on_after_a_call_that_was_given_up():
    """A connection that is kept must not be one that nobody listens to."""
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 80000\r\n\r\n" + b"x" * 80_000)
    assert not wire.reading

    await connection.close()

    assert (True, True) == (wire.reading, connection.is_ready)
    connection.begin(b"", has_no_body=False)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert b"ok" == await whole(connection)


async def test_silence_is_a_timeout_for_the_head_and_for_each_part():
    """The time counts anew from every part on."""
    connection, wire = asked(patience=0.02)
    with pytest.raises(UpstreamTimeout):
        await connection.arrival()
    assert wire.aborted

    connection, wire = asked(patience=0.02)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
    assert b"some" == await connection.read()
    with pytest.raises(UpstreamTimeout):
        await connection.read()


async def test_connection_that_nobody_uses_is_closed(monkeypatch):
    """Upstreams close idle ones too: better us, before the next request is on its way."""
    monkeypatch.setattr(http1_connection, "KEEP_IDLE", 0.01)
    connection, wire = connect()

    await eventually(lambda: wire.aborted, "its end", within=15)

    assert not connection.is_ready


async def test_failed_upload_fails_the_call_with_its_own_error_and_later_with_ours():
    """Before the answer the caller hears why; a body that breaks beside its answer cuts that."""

    async def broken():
        raise ConnectionResetError

    connection, wire = asked("PUT")
    connection.upload(asyncio.create_task(broken()))
    with pytest.raises(ConnectionResetError):
        await connection.arrival()
    assert wire.aborted

    connection, wire = asked("PUT")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    connection.upload(asyncio.create_task(broken()))
    with pytest.raises(UpstreamUnreachable):
        await connection.read()
    assert wire.aborted


async def test_upload_that_goes_on_after_its_answer_ends_with_the_call():
    """What is left of a body would be read as the next request (RFC 9112 §9.3)."""
    connection, wire = asked("PUT")
    task = asyncio.create_task(asyncio.Event().wait())
    connection.upload(task)  # type: ignore[arg-type]
    connection.data_received(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")

    await connection.close()

    assert (True, False) == (wire.aborted, connection.is_ready)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_writer_waits_for_room_and_hears_of_the_end():
    """Back-pressure of the upstream's; whoever waits for room is woken when there is nobody left."""
    connection, wire = asked("PUT")
    connection.pause_writing()
    writing = asyncio.create_task(connection.write(b"a"))
    await asyncio.sleep(0)
    assert [b""] == wire.sent
    connection.resume_writing()
    await writing
    assert [b"", b"a"] == wire.sent

    connection.pause_writing()
    writing = asyncio.create_task(connection.write(b"b"))
    await asyncio.sleep(0)
    connection.connection_lost(None)
    with pytest.raises(UpstreamUnreachable):
        await writing
