"""Requests that no client of ours would send are refused as what they are, and never as a fault of ours."""

import asyncio
from collections.abc import AsyncIterator

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

    async with asyncio.timeout(2):
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
