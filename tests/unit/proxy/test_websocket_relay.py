"""Messages between two ends that a test plays."""

import asyncio
from typing import Any

import pytest

from bff.proxy.call import Call
from bff.proxy.closing import Close, Ending
from bff.proxy.head import RequestHead
from bff.proxy.routes import SocketRules
from bff.proxy.websocket_relay import End, Relay
from bff.proxy.websocket_upstream import Data, UpstreamClosed
from tests.internet import settle
from tests.values import make_route

RULES = SocketRules(max_message=10, max_queue=16, idle_timeout=60.0)


class Upstream:
    """The other end."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Data | Exception] = asyncio.Queue()
        self.got: list[Data] = []
        self.closed: list[Close] = []
        self.takes: Exception | None = None

    async def receive(self) -> Data:
        data = await self.incoming.get()
        if isinstance(data, Exception):
            raise data
        return data

    async def send(self, data: Data) -> None:
        if self.takes is not None:
            raise self.takes
        self.got.append(data)

    async def close(self, close: Close) -> None:
        self.closed.append(close)


class Browser:
    """This end, with the server's part in it."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.got: list[dict[str, Any]] = []
        self.takes: Exception | None = None
        self.stuck = False

    async def receive(self) -> Any:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        if self.takes is not None:
            raise self.takes
        self.got.append(message)


class Clock:
    """A loop's time, which goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ends:
    """A relay between the two."""

    def __init__(self, rules: SocketRules = RULES) -> None:
        self.upstream, self.browser = Upstream(), Browser()
        call = Call(make_route(), "", RequestHead(), "192.0.2.1", None, "r" * 32)
        self.relay = Relay(call, rules, self.browser.receive, self.browser.send, self.upstream)  # type: ignore[arg-type]

    async def run(self) -> End:
        async with asyncio.timeout(30):
            return await self.relay.run()


async def test_messages_pass_and_the_browser_s_close_goes_up() -> None:
    """Text as text and bytes as bytes, whatever the server writes into the field that is empty."""
    ends = Ends()
    ends.browser.incoming.put_nowait({"type": "websocket.receive", "text": "a", "bytes": None})
    ends.browser.incoming.put_nowait({"type": "websocket.receive", "bytes": b""})
    running = asyncio.create_task(ends.run())
    ends.upstream.incoming.put_nowait("x")
    ends.upstream.incoming.put_nowait(b"y")
    while 2 > len(ends.browser.got) or 2 > len(ends.upstream.got):  # noqa: ASYNC110 -- no event tells of both
        await asyncio.sleep(0)
    ends.browser.incoming.put_nowait({"type": "websocket.disconnect", "code": 4000, "reason": "done"})
    await running

    assert ["a", b""] == ends.upstream.got
    assert [{"type": "websocket.send", "text": "x"}, {"type": "websocket.send", "bytes": b"y"}] == ends.browser.got
    assert [Close(4000, "done")] == ends.upstream.closed


async def test_end_without_a_code_may_be_a_frame_that_the_server_could_not_read() -> None:
    """So 1002 is said; whoever closed without a code is past hearing it. The upstream is told of no code."""
    ends = Ends()
    ends.browser.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await ends.run()

    assert [1002] == [message["code"] for message in ends.browser.got]
    assert [Close(None)] == ends.upstream.closed


@pytest.mark.parametrize("data", ["ä" * 6, "x" * 11, b"x" * 11])
async def test_message_over_the_limit_never_goes_up(data: Data) -> None:
    """Text is counted in bytes of UTF-8; both sides are told."""
    ends = Ends()
    ends.browser.incoming.put_nowait(
        {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}
    )
    await ends.run()

    assert [] == ends.upstream.got
    assert [1009] == [message["code"] for message in ends.browser.got]
    assert [1009] == [close.code for close in ends.upstream.closed]


@pytest.mark.parametrize("data", ["ä" * 5, "x" * 10, b"x" * 10])
async def test_message_at_the_limit_goes_up(data: Data) -> None:
    """The limit is the most that is allowed."""
    ends = Ends()
    ends.browser.incoming.put_nowait(
        {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}
    )
    ends.browser.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await ends.run()

    assert [data] == ends.upstream.got


async def test_upstream_that_closes_is_not_told_so() -> None:
    """But the browser is, whichever pump notices."""
    for notices_while_sending in (True, False):
        ends = Ends()
        if notices_while_sending:
            ends.upstream.takes = UpstreamClosed(Close(4000, "why"))
            ends.browser.incoming.put_nowait({"type": "websocket.receive", "text": "a"})
        else:
            ends.upstream.incoming.put_nowait(UpstreamClosed(Close(4000, "why")))
        await ends.run()

        assert [{"type": "websocket.close", "code": 4000, "reason": "why"}] == ends.browser.got
        assert [] == ends.upstream.closed


async def test_close_without_a_code_is_left_to_the_server() -> None:
    """It sends one when the handler returns."""
    ends = Ends()
    ends.upstream.incoming.put_nowait(UpstreamClosed(Close(None)))
    await ends.run()

    assert [] == ends.browser.got


@pytest.mark.parametrize("error", [RuntimeError("Transport not initialized or closed"), OSError()])
async def test_browser_that_is_gone_when_something_is_sent_ends_the_upstream_s_socket(error: Exception) -> None:
    """Servers have two ways to say so."""
    ends = Ends()
    ends.browser.takes = error
    ends.upstream.incoming.put_nowait("x")
    await ends.run()

    assert [Close(None)] == ends.upstream.closed


@pytest.mark.parametrize(("why", "code"), [(Ending.SESSION_ENDED, 4401), (Ending.ACCESS_DENIED, 4403)])
async def test_end_of_ours_is_told_to_both(why: Ending, code: int) -> None:
    """The first one counts."""
    ends = Ends()
    running = asyncio.create_task(ends.run())
    await asyncio.sleep(0)
    ends.relay.end(why)
    ends.relay.end(Ending.DRAINING)
    await running

    assert [code] == [message["code"] for message in ends.browser.got]
    assert [1001] == [close.code for close in ends.upstream.closed]


async def test_end_comes_through_to_the_upstream_while_the_browser_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message is stuck on its way down, and the close after it: the handler returns all the same."""
    monkeypatch.setattr("bff.proxy.websocket_relay._PATIENCE", 0.01)
    ends = Ends()
    ends.browser.stuck = True
    ends.upstream.incoming.put_nowait("x")
    running = asyncio.create_task(ends.run())
    await asyncio.sleep(0.01)
    ends.relay.end(Ending.SESSION_ENDED)
    await running

    assert [1001] == [close.code for close in ends.upstream.closed]


async def test_idle_socket_is_closed_and_one_in_use_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages either way count, and only what the browser sends is use."""
    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
    ends = Ends(SocketRules(10, 16, idle_timeout=5.0))
    running = asyncio.create_task(ends.run())
    for _ in range(3):
        clock.now += 3.0
        ends.upstream.incoming.put_nowait("x")
        await settle()
        ends.relay.tick(None)
        await settle()
        assert not running.done()
    assert not ends.relay.take_use()
    ends.browser.incoming.put_nowait({"type": "websocket.receive", "text": "a"})
    await settle()
    assert [True, False] == [ends.relay.take_use(), ends.relay.take_use()]
    clock.now += 6.0
    ends.relay.tick(None)
    await running

    assert {"type": "websocket.close", "code": 1001, "reason": "idle"} == ends.browser.got[-1]


async def test_drain_closes_at_the_first_look() -> None:
    """1012: service restart."""
    ends = Ends()
    ends.relay.tick(0.0)
    await ends.run()

    assert [1012] == [message["code"] for message in ends.browser.got]


async def test_nothing_is_left_running() -> None:
    """Both pumps end with the socket."""
    before = asyncio.all_tasks()
    ends = Ends()
    ends.relay.end(Ending.SESSION_ENDED)
    await ends.run()

    assert before == asyncio.all_tasks()
