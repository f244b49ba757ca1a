"""How long sessions live, and what they outlive."""

import asyncio
import time

import httpx
import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.world import AT_ONCE, World, eventually, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def short_lived(world: World) -> Bff:
    """Sessions end after four idle seconds, or ten in all."""
    session = 'idle_timeout = "4s"\nabsolute_timeout = "10s"'
    return world.start(world.issuer, api=world.api, port=world.port(), session=session)


async def test_use_alone_keeps_a_session_alive_and_only_until_its_absolute_end(short_lived: Bff):
    """Sliding moves the idle end, never the absolute one; ?slide=false asks and does not slide (OWASP ASVS 7.3).

    An end is told to API and page alike, with the code that tells the page to sign in again (OWASP ASVS 7.3.1).
    """
    async with Browser(short_lived) as unused, Browser(short_lived) as used, Browser(short_lived) as polled:
        await unused.log_in()
        user = await unused.user()
        assert 1 <= user["session"]["idle_expires_in"] <= 4
        assert 1 <= user["session"]["expires_in"] <= 10
        left_alone = time.time()
        await used.log_in()
        begun = time.time()
        await polled.log_in()

        async def use() -> bool:
            return 401 == (await used.get("/api/whoami")).status_code

        async def poll() -> bool:
            return await polled.user(slide=False) is None

        using = asyncio.create_task(eventually(use, "the absolute end"))
        await eventually(poll, "the idle end")
        assert not using.done()
        await until(left_alone + 4.2)
        answers = [await unused.get("/api/whoami"), await unused.get("/bff/user")]
        await using

        assert [(401, "session_expired")] * 2 == [(answer.status_code, answer.json()["code"]) for answer in answers]
        assert 9 <= time.time() - begun


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_sessions_in_sqlite_outlive_the_server(world: World, how: str):
    """An orderly restart, and kill -9."""
    with world.build(world.issuer, api=world.api, port=world.port()) as bff:
        async with Browser(bff) as browser:
            await browser.log_in()
            before = await browser.user()
        if how == "kill":
            bff.kill()
        bff.restart()
        async with Browser(bff) as again:
            again.cookies.update(browser.cookies)

            assert 200 == (await again.get("/api/whoami")).status_code
            assert before["session"]["id"] == (await again.user())["session"]["id"]


async def test_workers_of_one_server_share_all_sessions(brief: Bff):
    """Whichever of four workers takes the connection, the session is there, and its end too."""
    async with Browser(brief) as browser:
        await browser.log_in()

        async def status() -> int:
            async with Browser(brief) as connection:
                connection.cookies.update(browser.cookies)
                return (await connection.get("/bff/user")).status_code

        assert {200} == {await status() for _ in range(12)}
        await browser.post("/bff/logout")

        async def gone_everywhere() -> bool:
            return {401} == {await status() for _ in range(12)}

        browser.cookies.setdefault("__Host-bff", "")
        await eventually(gone_everywhere, "the end on all workers", within=AT_ONCE)


async def test_handle_of_a_session_opens_nothing(bff: Bff):
    """session.id is for lists and logs; as a cookie it is worthless."""
    async with Browser(bff) as browser, Browser(bff) as thief:
        await browser.log_in()
        thief.cookies["__Host-bff"] = (await browser.user())["session"]["id"]

        assert await thief.user() is None


@pytest.mark.parametrize(
    ("person", "method", "status"),
    [
        ("alice", "GET", 200),
        ("alice", "DELETE", 200),
        ("bob", "GET", 200),
        ("bob", "DELETE", 403),
        ("alice", "POST", 403),
        ("bob", "PUT", 403),
    ],
)
async def test_rules_of_a_route_decide_by_role_and_method(
    bff: Bff, echo: Echo, person: str, method: str, status: int
):
    """What no rule allows is denied, and audited."""
    async with Browser(bff) as browser:
        await browser.log_in(person)
        done = await browser.request(method, "/guarded/x")

        assert status == done.status_code
        assert (1 if status == 200 else 0) == len(echo.requests)
        if status == 403:
            assert "access_denied" == done.json()["code"]
            await eventually(
                lambda: any(
                    (person, method) == (line.get("subject"), line["method"])
                    for line in bff.audited("access.denied")
                ),
                "the audit line",
            )


async def test_api_that_needs_a_session_answers_401_and_never_redirects(bff: Bff, echo: Echo):
    """Whatever the client says it accepts (RFC 9110 §15.5.2)."""
    async with Browser(bff) as browser:
        for headers in ({"Accept": "text/html"}, {"Accept": "application/json"}, {"Sec-Fetch-Mode": "navigate"}):
            refused = await browser.get("/echo/x", headers=headers)
            assert (401, "session_required") == (refused.status_code, refused.json()["code"])
            assert "location" not in refused.headers
            assert "session" in refused.headers["www-authenticate"].lower()

    assert [] == echo.requests


async def test_route_with_an_optional_user_works_either_way(bff: Bff, echo: Echo):
    """With a token when there is one, without when there is none or the cookie is rubbish."""
    async with Browser(bff) as browser:
        await browser.get("/optional/x")
        browser.cookies["__Host-bff"] = "rubbish"
        await browser.get("/optional/x")
        await browser.log_in()
        await browser.get("/optional/x")

    assert [0, 0, 1] == [len(received.all("authorization")) for received in echo.requests]


async def test_route_without_a_token_sends_none(bff: Bff, echo: Echo):
    """Though somebody is signed in."""
    async with Browser(bff) as browser:
        await browser.log_in()
        await browser.get("/anonymous/x", headers={"Authorization": "Bearer own"})

    assert [[]] == [received.all("authorization") for received in echo.requests]


async def test_health_is_on_the_management_listener_only(bff: Bff):
    """The public one shows the app there, or nothing (OWASP ASVS 13.4)."""
    async with httpx.AsyncClient(verify=False) as http, Browser(bff) as browser:
        for path in ("/health/live", "/health/ready"):
            assert 200 == (await http.get(bff.management_url + path)).status_code
            public = await browser.get(path)
            assert (404, "route_not_found") == (public.status_code, public.json()["code"])
            assert "store" not in public.text
            assert "alive" not in public.text
        assert 404 == (await browser.get("/schema/openapi.json")).status_code
