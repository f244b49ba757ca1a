"""Whatever an upstream sends, and however it is cut: one answer, the right one, or an error."""

import asyncio
from itertools import pairwise

import h11
from hypothesis import given
from hypothesis import strategies as st

from bff.errors import UpstreamUnreachable
from bff.proxy.http1_connection import Connection

_BODIES = st.binary(max_size=200)
_STATUSES = st.sampled_from([200, 201, 206, 301, 401, 404, 422, 500, 503])
_NOISE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"\r\n", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"5\r\nhello", b"\0"]
    ),
)


class Wire(asyncio.Transport):
    """Notes whether it was broken off."""

    aborted = False

    def abort(self):
        self.aborted = True

    def write(self, data):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def asked(loop, method="GET"):
    connection, wire = Connection(30.0, loop), Wire()
    connection.connection_made(wire)
    connection.begin(b"", has_no_body=method == "HEAD")
    return connection, wire


async def read(connection):
    """The whole answer; raises what is raised for a broken one."""
    await asyncio.wait_for(connection.arrival(), 15) if not connection.status else None
    parts = []
    while (part := await connection.read()) is not None:
        parts.append(part)
    return connection.status, b"".join(parts)


def feed(connection, data, cuts):
    """Send it in pieces, as far as the connection takes any."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        if connection._lost:  # the event loop calls nobody that has hung up
            return
        connection.data_received(data[start:end])


@given(status=_STATUSES, body=_BODIES, chunked=st.booleans(), cuts=st.lists(st.integers(0, 500), max_size=6))
def test_answer_is_the_same_however_it_is_cut(status, body, chunked, cuts):
    """As another implementation writes it (h11), in any pieces; the connection is good for the next one."""

    async def check():
        server = h11.Connection(h11.SERVER)
        server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.next_event()
        framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body)))
        data = server.send(h11.Response(status_code=status, headers=[framing, ("x-a", "1"), ("x-a", "2")])) or b""
        data += (server.send(h11.Data(data=body)) or b"") + (server.send(h11.EndOfMessage()) or b"")

        connection, _ = asked(asyncio.get_running_loop())
        feed(connection, data, cuts)

        assert [b"1", b"2"] == [value for name, value in connection.headers if name == b"x-a"]
        assert (status, body) == await read(connection)
        await connection.close()
        assert connection.is_ready
        connection.abort()

    asyncio.run(check())


@given(noise=st.lists(_NOISE, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 500), max_size=4))
def test_noise_never_becomes_somebody_elses_answer(noise, cuts):
    """What is no answer breaks the connection, and what comes after one does so when that ends at the latest."""

    async def check():
        connection, wire = asked(asyncio.get_running_loop())
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        feed(connection, answer + b"".join(noise), cuts)

        assert (200, b"ok") == await read(connection)
        await connection.close()
        assert wire.aborted or not b"".join(noise).strip(b"\r\n")  # empty lines between messages mean nothing
        connection.abort()

        connection, wire = asked(asyncio.get_running_loop())
        feed(connection, b"".join(noise), cuts)
        connection.eof_received()
        if not connection._lost:
            connection.connection_lost(None)
        try:
            await read(connection)
        except UpstreamUnreachable:
            pass
        else:
            assert b"".join(noise).lstrip(b"\r\n").startswith(b"HTTP/1.")
        connection.abort()

    asyncio.run(check())
