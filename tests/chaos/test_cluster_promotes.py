"""The whole product on a cluster, two workers, and a primary that is killed under them: its replica takes over."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.test_renewal_crashes import ON_EXPIRY, asked, expired
from tests.integration.test_backchannel_logout import neg_log_in, notify
from tests.product import Bff, Browser
from tests.servers import Valkey
from tests.store_sets import Cluster, ask, await_that, is_in_step, start_cluster
from tests.world import AT_ONCE, NegIssuer, World, eventually, until

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

LONG = 60.0  # seconds for a promotion on a busy machine
TOKEN = "operators-token-0123456789abcdefghijklmnop"
ADMIN = f"""
[admin]
token = "{TOKEN}"
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three primaries, each with a replica."""
    with start_cluster(has_replicas=True) as servers:
        yield servers


@pytest.fixture(scope="module")
def product(world: World, cluster: Cluster) -> Bff:
    """Two workers on it, patient with a busy machine."""
    session = f'{ON_EXPIRY}\nmax_per_user = 3\nstore_timeout = "5s"'
    return world.start(world.neg, session=session, store=cluster.url, workers=2, extra=ADMIN)


async def statuses(browser: Browser, path: str = "/echo/x", times: int = 12) -> set[int]:
    """What calls over as many connections are answered with: whichever worker takes them."""

    async def one() -> int:
        return (await browser.get(path, headers={"Connection": "close"})).status_code

    return {await one() for _ in range(times)}


async def refused_everywhere(browser: Browser) -> None:
    """Wait until each worker refuses the session."""
    cookies = dict(browser.cookies)

    async def are_refused() -> bool:
        browser.cookies.update(cookies)
        return {401} == await statuses(browser)

    await eventually(are_refused, "the end on both workers", AT_ONCE)


def operator(bff: Bff) -> httpx.AsyncClient:
    """Somebody with the token of the admin API."""
    return httpx.AsyncClient(
        base_url=f"{bff.management_url}/admin",
        headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"},
        trust_env=False,
    )


async def test_sessions_on_a_cluster_live_and_end_on_both_workers(
    product: Bff, neg: NegIssuer, echo: object
) -> None:
    """Login, calls, renewal, logout, back-channel logout, most sessions, list, revoke: keys lie on three nodes."""
    async with contextlib.AsyncExitStack() as stack:
        one, two, three, four = [await stack.enter_async_context(Browser(product)) for _ in range(4)]
        await expired(neg, one)
        assert {200} == await statuses(one)
        assert 1 == asked(neg)

        for browser in (two, three, four):
            await neg_log_in(product, neg, browser)
        await refused_everywhere(one)  # the oldest made room

        twin = two.twin()
        assert 200 == (await two.post("/bff/logout")).status_code
        await refused_everywhere(twin)

        await notify(product, neg.op.logout_token(sid=f"sid-{neg.op._logins}"))
        await refused_everywhere(four)
        assert {200} == await statuses(three)

        async with operator(product) as http:
            listed = (await http.get("/sessions", params={"subject": neg.op.sub})).json()["items"]
            assert [(await three.user())["session"]["id"]] == [item["session"] for item in listed]
            ended = await http.post("/revocations", json={"session": listed[0]["session"]})
            assert {"matched": 1, "ended": 1, "partial": False} == ended.json()
        await refused_everywhere(three)


def homes(cluster: Cluster) -> dict[bytes, Valkey]:
    """Which primary each session's record lies on."""
    found = {}
    for server in cluster.servers:
        with ask(server.port) as node:
            found.update(dict.fromkeys(node.keys("bff:s:*"), server))
    return found


def is_primary(server: Valkey) -> bool:
    """Whether it says so."""
    with ask(server.port) as node:
        return bool(b"master" == node.role()[0])


class Crowd:
    """People who go on clicking, each over new connections, and what they were answered."""

    def __init__(self, browsers: list[Browser]) -> None:
        self.statuses: list[int] = []
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._click(browser)) for browser in browsers]

    async def _click(self, browser: Browser) -> None:
        while not self._stop.is_set():
            self.statuses.append((await browser.get("/echo/x", headers={"Connection": "close"})).status_code)
            await asyncio.sleep(0.05)

    async def leave(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


async def test_slots_move_from_node_to_node_while_people_click(
    product: Bff, cluster: Cluster, neg: NegIssuer, echo: object
) -> None:
    """Calls go on by ASK and by MOVED, and what is renewed meanwhile is there afterwards: no call fails."""
    async with contextlib.AsyncExitStack() as stack:
        before = homes(cluster)
        browsers = [await stack.enter_async_context(Browser(product)) for _ in range(3)]
        neg.op.access_token_lifetime = 1
        for browser in browsers:
            await neg_log_in(product, neg, browser)
        neg.op.access_token_lifetime = 300
        slots = {cluster.slot_of(key.decode()): home for key, home in homes(cluster).items() if key not in before}
        await until(time.time() + 1.1)
        gate = neg.op.hold("token")
        crowd = Crowd(browsers)
        await eventually(lambda: 3 == asked(neg), "the refresh grants")

        for slot, home in slots.items():
            target = next(server for server in cluster.servers if server is not home)
            with cluster.moving(slot, home, target):
                neg.op._gates.clear()
                neg.open(gate)  # the first session is renewed while its keys move
                seen = len(crowd.statuses)
                await eventually(lambda seen=seen: len(crowd.statuses) >= seen + 9, "clicks meanwhile")  # type: ignore[misc]
        seen = len(crowd.statuses)
        await eventually(lambda: len(crowd.statuses) >= seen + 9, "clicks afterwards")
        await crowd.leave()

        assert {200} == set(crowd.statuses)
        assert 3 == asked(neg)
        for browser in browsers:
            assert {200} == await statuses(browser)
        for slot, home in slots.items():  # back, for the next one
            target = next(server for server in cluster.servers if server is not home)
            with cluster.moving(slot, target, home):
                pass


async def test_nobody_is_logged_out_when_a_replica_takes_over_from_a_primary_that_was_killed(
    product: Bff, cluster: Cluster, neg: NegIssuer, echo: object
) -> None:
    """503 at most meanwhile, no rotated token lost (RFC 9700 §4.14.2), and all goes on without a restart."""
    async with contextlib.AsyncExitStack() as stack:

        async def signed_in(sub: str) -> Browser:
            browser = await stack.enter_async_context(Browser(product))
            neg.op.sub = sub
            await neg_log_in(product, neg, browser)
            return browser

        clicking = [await signed_in(f"clicking-{number}") for number in range(4)]
        before = homes(cluster)
        neg.op.access_token_lifetime = 1
        renewing = [await signed_in(f"renewing-{number}") for number in range(4)]
        added = [server for key, server in homes(cluster).items() if key not in before]
        neg.op.access_token_lifetime = 300
        await until(time.time() + 1.1)

        gate = neg.op.hold("token")
        waiting = [asyncio.create_task(browser.get("/echo/x")) for browser in renewing]
        await eventually(lambda: len(renewing) == asked(neg), "the refresh grants")
        await asyncio.to_thread(cluster.await_replicated)
        primary = added[0]
        replica = cluster.replicas[cluster.servers.index(primary)]
        await asyncio.to_thread(cluster.let_promote, replica)
        crowd = Crowd(clicking)
        await asyncio.to_thread(primary.kill)
        neg.op._gates.clear()
        neg.open(gate)
        answers = [await each for each in waiting]
        await asyncio.to_thread(await_that, lambda: is_primary(replica), "the promotion")

        async def all_are_served() -> bool:
            return all([{200} == await statuses(browser) for browser in [*clicking, *renewing]])

        await eventually(all_are_served, "the recovery", LONG)
        await crowd.leave()

        assert {200, 503} >= {*crowd.statuses, *(answer.status_code for answer in answers)}
        assert len(renewing) == asked(neg)  # each token was spent once, and what came of it is there
        assert [True] * 8 == [browser.session_cookie is not None for browser in [*clicking, *renewing]]
        twin = clicking[0].twin()
        await clicking[0].post("/bff/logout")
        await refused_everywhere(twin)
        assert await (await signed_in("late")).user() is not None

        await asyncio.to_thread(primary.restart)  # it comes back, and is told that it is a replica now
        await asyncio.to_thread(await_that, lambda: is_in_step(primary), "the old primary follows the new one")
        assert {200} == await statuses(clicking[1])
        cluster.exchange(primary, replica)
