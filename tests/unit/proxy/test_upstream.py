"""The edge to the upstream client: its errors and its answers in our words."""

from types import SimpleNamespace

import pytest
from pyreqwest.exceptions import (
    BodyDecodeError,
    ConnectError,
    ConnectTimeoutError,
    PoolTimeoutError,
    ReadTimeoutError,
    RequestError,
)

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.upstream import PyreqwestUpstream, _Exchange, _read_headers
from tests.values import make_route


class Request:
    """A request of the client's that answers what it was told."""

    def __init__(self, response):
        self.response, self.exits = response, 0

    async def __aenter__(self):
        if isinstance(self.response, Exception):
            raise self.response
        return self.response

    async def __aexit__(self, *_):
        self.exits += 1


class Reader:
    def __init__(self, *chunks):
        self.chunks = list(chunks)

    async def read_chunk(self):
        chunk = self.chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


class Headers(dict):
    """Multi-valued headers of which one value may be in no encoding that can be handed out."""

    def items(self):
        if any(None in values for values in self.values()):
            raise ValueError("not ASCII")
        return [(name, value) for name, values in super().items() for value in values]


def response(status=200, reader=None, **headers):
    values = Headers({name.replace("_", "-"): value for name, value in headers.items()})

    def get_header_all(name):
        if None in values[name]:
            raise ValueError("not ASCII")
        return values[name]

    return SimpleNamespace(status=status, headers=values, body_reader=reader, get_header_all=get_header_all)


ERRORS = [
    (ConnectError("secret", {}), UpstreamUnreachable, None),
    (BodyDecodeError("secret", {}), UpstreamUnreachable, None),
    (RequestError("secret", {}), UpstreamUnreachable, None),
    (PoolTimeoutError("secret", {}), UpstreamUnreachable, 1),
    (ReadTimeoutError("secret", {}), UpstreamTimeout, None),
    (ConnectTimeoutError("secret", {}), UpstreamTimeout, None),
]


@pytest.mark.parametrize(("error", "ours", "retry_after"), ERRORS)
async def test_errors_of_the_client_become_ours(error, ours, retry_after):
    """Before the answer and in the middle of it; what the client says about it is not passed on."""
    with pytest.raises(ours) as before:
        await _Exchange(Request(error)).__aenter__()
    async with _Exchange(Request(response(reader=Reader(b"a", error)))) as exchange:
        assert b"a" == await exchange.read()
        with pytest.raises(ours) as after:
            await exchange.read()

    assert [retry_after, retry_after] == [caught.value.retry_after for caught in (before, after)]
    assert "secret" not in str(before.value)


async def test_answer_is_handed_on_as_it_comes():
    """Status, headers with their repetitions, chunks, and the end."""
    request = Request(response(201, Reader(b"a", bytearray(b"b"), None), content_type=["x"], link=["1", "2"]))

    async with _Exchange(request) as exchange:
        assert (201, [(b"content-type", b"x"), (b"link", b"1"), (b"link", b"2")]) == (
            exchange.status,
            exchange.headers,
        )
        assert [b"a", b"b", None] == [await exchange.read() for _ in range(3)]

    assert 1 == request.exits


async def test_protocol_that_nobody_asked_for_is_no_answer():
    """RFC 9110 §15.2.2: a switch of protocols is refused, and its connection let go of."""
    request = Request(response(101))

    with pytest.raises(UpstreamUnreachable):
        await _Exchange(request).__aenter__()

    assert 1 == request.exits


def test_header_that_cannot_be_handed_out_costs_itself_alone():
    """One value that is not ASCII does not take the others along."""
    assert [(b"a", b"1"), (b"c", b"2")] == _read_headers(response(a=["1"], b=["x", None], c=["2"]))


@pytest.mark.parametrize(
    ("body", "length"), [(None, []), (b"", [("content-length", "0")]), (b"x", []), (iter(()), [])]
)
async def test_empty_body_says_that_it_is_empty(body, length):
    """RFC 9110 §8.6: some servers ask for a length where there is none."""
    upstream = PyreqwestUpstream([make_route()])
    headers = []

    async def pieces():
        yield b""

    exchange = upstream.open(
        make_route(),
        "POST",
        "http://upstream.test/v1",
        headers,
        body if isinstance(body, bytes | None) else pieces(),
    )

    assert length == headers
    assert isinstance(exchange, _Exchange)
    await upstream.close()
