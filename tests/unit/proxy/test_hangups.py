"""Noticing that the browser has gone, without a task for every call."""

import asyncio
from typing import Any

import pytest

from bff.proxy import hangups as module
from bff.proxy.hangups import Hangups


class Browser:
    """Stays until it hangs up."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._gone = asyncio.Event()

    def hang_up(self) -> None:
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        self.asked.set()
        await self._gone.wait()
        return {"type": "http.disconnect"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.001)


async def serve(hangups: Hangups, browser: Browser, answered: asyncio.Event) -> str:
    """A call that is watched until it is answered; says how it ended."""
    call = hangups.current()
    try:
        hangups.watch(call, browser.receive)
        await answered.wait()
    except asyncio.CancelledError:
        if not hangups.is_gone(call):
            return "cancelled by somebody else"
        call.uncancel()
        return "hung up"
    finally:
        hangups.stop(call)
    return "answered"


async def test_a_call_whose_browser_hangs_up_is_cancelled() -> None:
    """Once it has taken longer than a moment."""
    hangups, browser = Hangups(), Browser()
    call = asyncio.create_task(serve(hangups, browser, asyncio.Event()))
    await asyncio.wait_for(browser.asked.wait(), 5)
    browser.hang_up()

    assert "hung up" == await asyncio.wait_for(call, 5)


async def test_a_quick_call_is_never_watched() -> None:
    """Nobody reads on behind its back."""
    hangups, browser, answered = Hangups(), Browser(), asyncio.Event()
    answered.set()

    assert "answered" == await serve(hangups, browser, answered)
    assert not browser.asked.is_set()


async def test_a_slow_call_that_is_answered_leaves_no_task_behind() -> None:
    """Its watcher ends with it."""
    hangups, browser, answered = Hangups(), Browser(), asyncio.Event()
    before = asyncio.all_tasks()
    call = asyncio.create_task(serve(hangups, browser, answered))
    await asyncio.wait_for(browser.asked.wait(), 5)
    (watcher,) = asyncio.all_tasks() - before - {call}
    answered.set()

    assert "answered" == await asyncio.wait_for(call, 5)
    await asyncio.wait([watcher], timeout=5)
    assert before == asyncio.all_tasks()


async def test_a_call_that_is_cancelled_otherwise_is_not_taken_for_a_hangup() -> None:
    """A shutdown must not look like a browser's whim."""
    hangups, browser = Hangups(), Browser()
    call = asyncio.create_task(serve(hangups, browser, asyncio.Event()))
    await asyncio.wait_for(browser.asked.wait(), 5)
    call.cancel()

    assert "cancelled by somebody else" == await asyncio.wait_for(call, 5)


async def test_one_hangup_cancels_one_call() -> None:
    """Calls are told apart."""
    hangups, leaving, staying, answered = Hangups(), Browser(), Browser(), asyncio.Event()
    one = asyncio.create_task(serve(hangups, leaving, asyncio.Event()))
    other = asyncio.create_task(serve(hangups, staying, answered))
    await asyncio.wait_for(asyncio.gather(leaving.asked.wait(), staying.asked.wait()), 5)
    leaving.hang_up()

    assert "hung up" == await asyncio.wait_for(one, 5)
    answered.set()
    assert "answered" == await asyncio.wait_for(other, 5)
