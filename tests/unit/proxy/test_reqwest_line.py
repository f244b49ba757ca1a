"""The edge to the client of upstreams that speak HTTP/2: its errors and its answers in our words."""

from types import SimpleNamespace

import pytest
from pyreqwest.exceptions import (
    BodyDecodeError,
    ConnectError,
    ConnectTimeoutError,
    ReadTimeoutError,
    RequestError,
)

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.reqwest_line import ReqwestAnswer, ReqwestLine, _read_headers
from bff.proxy.service import Service
from bff.proxy.upstream import ConnectTimeout
from tests.values import make_route


class Request:
    """A request of the client's that answers what it was told."""

    def __init__(self, response):
        self.response, self.exits, self.sent = response, 0, []

    def __getattr__(self, name):  # the builder's methods, each of which returns it
        def note(*values):
            self.sent.append((name, *values))
            return self

        return note

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


def line_with(request):
    return ReqwestLine(request, is_upload=False)


CONNECTING = {"causes": [{"message": "client error (Connect)"}]}
ERRORS = [
    (ConnectError("secret", {"causes": None}), UpstreamUnreachable),
    (BodyDecodeError("secret", {"causes": None}), UpstreamUnreachable),
    (RequestError("secret", {"causes": None}), UpstreamUnreachable),
    (ReadTimeoutError("secret", {"causes": None}), UpstreamTimeout),
    (ConnectTimeoutError("secret", {"causes": [{"message": "operation timed out"}]}), UpstreamTimeout),
    (ConnectTimeoutError("secret", CONNECTING), ConnectTimeout),
]


@pytest.mark.parametrize(("error", "ours"), ERRORS)
async def test_errors_of_the_client_become_ours(error, ours):
    """Before the answer and in the middle of it; what the client says about it is not passed on."""
    with pytest.raises(UpstreamUnreachable if ours is UpstreamUnreachable else UpstreamTimeout) as before:
        await line_with(Request(error)).send("GET", "http://x/", [], None)
    answer = ReqwestAnswer(Request(None), response(reader=Reader(b"a", error)))
    assert b"a" == await answer.read()
    with pytest.raises(type(before.value)):
        await answer.read()

    assert ours is type(before.value)
    assert "secret" not in str(before.value)


async def test_answer_is_handed_on_as_it_comes():
    """Status, headers with their repetitions, chunks, and the end."""
    request = Request(response(201, Reader(b"a", bytearray(b"b"), None), content_type=["x"], link=["1", "2"]))
    line = line_with(request)
    assert line.is_fresh

    answer = await line.send("POST", "http://x/y", [("a", "b")], b"body")

    assert (201, [(b"content-type", b"x"), (b"link", b"1"), (b"link", b"2")]) == (answer.status, answer.headers)
    assert [b"a", b"b", None] == [await answer.read() for _ in range(3)]
    await answer.close()
    assert (1, False) == (request.exits, line.is_fresh)
    assert [
        ("request", "POST", "http://x/y"),
        ("headers", [("a", "b")]),
        ("body_bytes", b"body"),
        ("streamed_read_buffer_limit", 0),
        ("build_streamed",),
    ] == request.sent


def test_header_that_cannot_be_handed_out_costs_itself_alone():
    """One value that is not ASCII does not take the others along."""
    assert [(b"a", b"1"), (b"c", b"2")] == _read_headers(response(a=["1"], b=["x", None], c=["2"]))


def test_line_whose_connection_is_shared_is_not_cut():
    """Other calls are on it."""
    assert not line_with(None).cut()


@pytest.mark.parametrize(("body", "expected"), [(None, []), (b"", [("content-length", "0")]), (b"x", [])])
async def test_empty_body_says_that_it_is_empty(body, expected, monkeypatch):
    """RFC 9110 §8.6: some servers ask for a length where there is none. The caller's list stays as it is."""
    from bff.proxy.upstreams import Upstreams

    sent = []

    async def send(_line, _method, _url, headers, _body):
        sent.extend(headers)
        raise UpstreamUnreachable

    monkeypatch.setattr(ReqwestLine, "send", send)
    headers = []
    route = make_route(service=Service(http2=True))
    upstreams = Upstreams([route], lambda *_: None)
    with pytest.raises(UpstreamUnreachable):
        async with upstreams.open(route, "POST", "/x", headers, body):
            pass

    assert (expected, []) == (sent, headers)
    await upstreams.close()


async def test_protocol_that_nobody_asked_for_is_no_answer(monkeypatch):
    """RFC 9110 §15.2.2: a switch of protocols is refused, and its line let go of."""
    from bff.proxy.upstreams import Upstreams

    request = Request(response(101))

    async def send(_line, *_):
        return ReqwestAnswer(request, request.response)

    monkeypatch.setattr(ReqwestLine, "send", send)
    route = make_route(service=Service(http2=True))
    upstreams = Upstreams([route], lambda *_: None)
    with pytest.raises(UpstreamUnreachable):
        async with upstreams.open(route, "GET", "/x", [], None):
            pass

    assert 1 == request.exits
    await upstreams.close()
