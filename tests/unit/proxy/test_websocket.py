"""What is decided about a socket before there is one."""

from typing import Any

import pytest

from bff.errors import BadRequest, CookieUnreadable, ServerBusy, SessionRequired, TooManyRequests
from bff.proxy.websocket import Places, read_subprotocols, refuse_socket
from bff.session.live import LiveSession
from bff.session.ticket import new_ticket


def live() -> LiveSession:
    return LiveSession(new_ticket(), new_ticket().store_key, 60.0)


def test_places_are_counted_for_each_session_and_in_all() -> None:
    """What is given back can be taken again."""
    places, one, other = Places(3, 2), live(), live()
    with places.one(one), places.one(one):
        with pytest.raises(TooManyRequests), places.one(one):
            pass
        with places.one(other), pytest.raises(ServerBusy) as busy, places.one(None):
            pass
        assert 5 == busy.value.retry_after
    with places.one(one), places.one(None), places.one(None), pytest.raises(ServerBusy), places.one(None):
        pass


@pytest.mark.parametrize("offer", [[], ["chat"], ["graphql-transport-ws", "graphql-ws"], ["a", "A"]])
def test_offer_of_subprotocols_goes_up_as_it_is(offer: list[str]) -> None:
    """In the browser's order of preference (RFC 6455 §4.1)."""
    assert offer == read_subprotocols({"subprotocols": offer})


@pytest.mark.parametrize("offer", [["a", "a"], [""], ["a b"], ["a\r\nx: y"], ['"a"'], ["ä"], ["a;b"], ["a,b"]])
def test_offer_that_is_no_list_of_different_names_is_refused(offer: list[str]) -> None:
    """RFC 6455 §4.1: different tokens. Nothing in it may become something else on its way up."""
    with pytest.raises(BadRequest):
        read_subprotocols({"subprotocols": offer})


async def refused(error: Any, extensions: dict[str, Any] | None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse_socket({"extensions": extensions}, send, error, "r" * 32, cookie_deletion=b"gone")
    return sent


async def test_refusal_is_a_problem_document_where_the_server_can() -> None:
    """No header twice: a repeated one brings granian 2.8 down. A cookie that cannot be read is deleted."""
    start, body = await refused(CookieUnreadable(), {"websocket.http.response": {}})
    names = [name for name, _ in start["headers"]]

    assert ("websocket.http.response.start", 401) == (start["type"], start["status"])
    assert len(set(names)) == len(names)
    assert b"gone" == dict(start["headers"])[b"set-cookie"]
    assert ("websocket.http.response.body", False) == (body["type"], body["more_body"])
    assert b'"code":"session_required"' in body["body"]


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
async def test_browser_that_does_not_wait_for_its_refusal_is_no_error(extensions: dict[str, Any]) -> None:
    """Or anybody could fill the log: servers say so by an exception."""

    async def send(_message: Any) -> None:
        raise RuntimeError("the transport is closed")

    await refuse_socket({"extensions": extensions}, send, SessionRequired(), "r" * 32)


@pytest.mark.parametrize("extensions", [None, {}])
async def test_refusal_is_a_close_where_the_server_cannot(extensions: dict[str, Any] | None) -> None:
    """The server makes a 403 of it."""
    assert [{"type": "websocket.close", "code": 1008}] == await refused(SessionRequired(), extensions)
