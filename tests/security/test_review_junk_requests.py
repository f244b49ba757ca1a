"""Requests that no client of ours would send are refused as what they are, and never as a fault of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.internet import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One worker, one provider, one store, in this process."""
    async with World() as world:
        yield world


@pytest.mark.parametrize("path", ["/bff/login", "/bff/user", "/bff/logout"])
async def test_query_of_too_many_parameters_is_a_bad_request(world: World, path: str):
    """More parameters than anybody needs are refused, and no crash is told of (CWE-400, CWE-755)."""
    query = "&".join(f"p{number}=1" for number in range(60))
    browser = world.browser()
    await browser.log_in()

    answer = await browser.get(f"{path}?{query}")

    assert (400, "bad_request") == (answer.status, answer.code)
    assert [] == world.told("request.crashed")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "get"])
async def test_events_are_streamed_to_get_alone(world: World, method: str):
    """Any other method is refused at once: a HEAD would hold a stream open whose bytes nobody gets."""
    browser = world.browser()
    await browser.log_in()

    async with asyncio.timeout(30):
        answer = await browser.request(method, "/bff/events", headers={"sec-fetch-site": "same-origin"})

    assert (405, "GET") == (answer.status, answer.header("allow"))


@pytest.mark.parametrize("method", ["trace", "Trace", "connect", "delete", "Delete", "get", "pAtch"])
async def test_method_in_another_case_is_not_forwarded(world: World, method: str):
    """Methods are case-sensitive (RFC 9110 §9.1): a rule about DELETE sees no `delete`, yet an upstream may."""
    browser = world.browser()
    await browser.log_in()

    answer = await browser.request(method, "/api/tasks")

    assert (405, "method_not_allowed") == (answer.status, answer.code)
    assert [] == world.upstream.seen


async def send_form(world: World, receive: Callable[[], Awaitable[dict[str, Any]]]) -> list[int]:
    """Begin a back-channel logout whose body comes from `receive`; return the statuses of the answer."""
    sent: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    headers = [(b"host", b"app.test"), (b"content-type", b"application/x-www-form-urlencoded")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/bff/backchannel-logout",
        "raw_path": b"/bff/backchannel-logout",
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-length", b"100")],
        "client": ("192.0.2.7", 40000),
        "server": ("app.test", 443),
    }
    await world.apps[0](scope, receive, send)
    return sent


async def test_form_that_never_ends_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch):
    """Anybody may begin a back-channel logout: whoever stops in the middle holds nothing for long (CWE-400)."""
    monkeypatch.setattr("bff.web.endpoints._FORM_TIME", 0.02)
    pieces = [{"type": "http.request", "body": b"logout_token=", "more_body": True}]

    async def receive() -> dict[str, Any]:
        if pieces:
            return pieces.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async with asyncio.timeout(30):
        assert [400] == await send_form(world, receive)
    assert [] == world.told("request.crashed")


async def test_hang_up_in_the_middle_of_a_form_is_no_crash(world: World):
    """Nobody fills the log with our faults by going away."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert [400] == await send_form(world, receive)
    assert [] == world.told("request.crashed")
