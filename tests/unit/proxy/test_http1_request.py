"""The bytes of a request to an upstream."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.proxy.http1_request import LAST_CHUNK, frame_chunk, write_head


def test_head_is_written_as_it_was_read():
    """Order, repetitions, UTF-8 in values; the target byte for byte."""
    head = write_head("GET", "/a%2Fb;c?q=\"'<>&x", "api:9001", [("a", "1"), ("b", "ä"), ("a", "2")], "x: y\r\n")

    assert (
        "GET /a%2Fb;c?q=\"'<>&x HTTP/1.1\r\nhost: api:9001\r\na: 1\r\nb: ä\r\na: 2\r\nx: y\r\n"
        "user-agent: bff\r\n\r\n"
    ).encode() == head


def test_user_agent_is_the_browsers_where_there_is_one():
    """Ours stands in for none."""
    assert b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: x\r\n\r\n" == write_head(
        "GET", "/", "a", [("user-agent", "x")]
    )


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_value_that_would_split_the_head_is_never_sent(value):
    """RFC 9110 §5.5 (OWASP ASVS 4.2): not a token, not a claim, not anything."""
    with pytest.raises(ValueError, match="line end"):
        write_head("GET", "/", "a", [("authorization", value)])


_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True).filter(
    lambda name: name not in {"host", "user-agent", "content-length", "transfer-encoding", "connection"}
)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), max_size=20)


@given(headers=st.lists(st.tuples(_NAMES, _VALUES), max_size=8))
def test_another_parser_reads_what_was_meant(headers):
    """h11 finds one request, with just these headers."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(write_head("GET", "/x", "a", headers))
    request = server.next_event()

    assert isinstance(request, h11.Request)
    read = [(name, value) for name, value in request.headers if name not in {b"host", b"user-agent"}]
    assert [(name.encode(), value.strip(" \t").encode()) for name, value in headers] == read
    assert isinstance(server.next_event(), h11.EndOfMessage)


@given(chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=5))
def test_chunks_come_out_as_they_went_in(chunks):
    """RFC 9112 §7.1."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.receive_data(b"".join(map(frame_chunk, chunks)) + LAST_CHUNK)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        body += event.data if isinstance(event, h11.Data) else b""

    assert b"".join(chunks) == body
