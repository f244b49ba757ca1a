"""The overview of a real server with two workers: what both of them counted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.product import Bff, Browser
from tests.world import World, eventually

pytestmark = pytest.mark.integration

TOKEN = "an-operators-token-for-the-tests-0123456789"
TABLES = """
[[api]]
path = "/api"
upstream = "{echo}"
allow = [
  {{ methods = ["GET"], roles = ["reader", "admin"] }},
  {{ methods = ["DELETE"], roles = ["admin"] }},
]

[admin]
token = "{token}"
"""


@pytest.fixture
async def administered(world: World, issuer, echo) -> AsyncIterator[Bff]:
    """The product with two workers and an operator's token."""
    with world.build(issuer, port=world.port(), workers=2, apis=TABLES.format(echo=echo.url, token=TOKEN)) as bff:
        yield bff


async def ask(bff: Bff, method: str, path: str, **options: Any) -> httpx.Response:
    """An operator's call, on a connection of its own: any worker may answer it."""
    async with httpx.AsyncClient(base_url=bff.management_url, trust_env=False, verify=False, timeout=30) as client:
        return await client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"}, **options)


def totals(overview: dict[str, Any]) -> dict[str, int]:
    return {name: sum(number for _, number in points) for name, points in overview["series"].items()}


async def test_the_overview_shows_what_all_workers_counted(administered: Bff) -> None:
    """Logins, calls, denials by route, lifetimes and revocations, in every window, whichever worker is asked."""
    async with Browser(administered) as alice, Browser(administered) as bob:
        await alice.log_in("alice")
        await bob.log_in("bob")
        for _ in range(6):
            twin = bob.twin()  # connections of its own, which the kernel spreads over the workers
            assert [200, 403] == [
                (await twin.get("/api/tasks")).status_code,
                (await twin.delete("/api/tasks/1")).status_code,
            ]
        handle = ((await bob.user()) or {})["session"]["id"]
        revoked = await ask(administered, "POST", "/admin/revocations", json={"session": handle})
        assert (200, 1) == (revoked.status_code, revoked.json()["ended"])

        async def is_out() -> bool:
            return await bob.user() is None

        await eventually(is_out)  # the other worker hears of it within moments

        expected = {"logins": 2, "calls": 12, "denials": 6, "revocations": 1, "login_failures": 0}
        for window, points, bucket in ((3600, 60, 60), (86_400, 96, 900), (604_800, 84, 7200)):

            async def is_complete(window: int = window) -> bool:
                answer = await ask(administered, "GET", "/admin/overview", params={"window": window})
                assert 200 == answer.status_code, answer.text
                seen = totals(answer.json())
                return expected == {name: seen[name] for name in expected}

            await eventually(is_complete)
            shown = (await ask(administered, "GET", "/admin/overview", params={"window": window})).json()
            assert (window, bucket, 1) == (shown["window"], shown["bucket"], shown["live_sessions"])
            assert {points} == {len(series) for series in shown["series"].values()}
            assert 1 == shown["series"]["sessions"][-1][1]
            denial = {"route": "/api", "method": "DELETE", "reason": "role_missing", "count": 6}
            assert [denial] == shown["denials_by_route"]
            lifetimes = shown["access_token_lifetimes"]
            assert (3600, 2) == (lifetimes["rule"], sum(bucket["count"] for bucket in lifetimes["buckets"]))
            assert {"error", "warning", "info"} == set(shown["findings"])
            assert {"last_at", "due_at"} == set(shown["review"])


async def test_a_revocation_from_the_command_line_counts(administered: Bff) -> None:
    """What another process ends is among the numbers of the servers."""
    async with Browser(administered) as alice:
        await alice.log_in("alice")
        done = await asyncio.to_thread(administered.command, "sessions", "revoke", "--sub", "alice")
        assert (0, "ended 1 session\n") == (done.returncode, done.stdout), done.stderr

        shown = (await ask(administered, "GET", "/admin/overview", params={"window": 3600})).json()
        assert (1, 0) == (totals(shown)["revocations"], shown["live_sessions"])


async def test_a_question_that_cannot_be_answered_is_refused(administered: Bff) -> None:
    """What is wrong is named, and nothing is guessed."""
    for query in ("window=1", "window=a", "windows=3600", "window=3600&window=3600", "window="):
        answer = await ask(administered, "GET", f"/admin/overview?{query}")

        assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])
        assert "window" in answer.json()["detail"]
