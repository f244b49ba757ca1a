"""Renewals in a process of their own: workers ask it, and do it themselves where it is not there."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bff.session import renewal_apart
from bff.session.renewal_apart import Desk, renew_apart
from tests.internet import COOKIE, World, eventually, settle
from tests.neg_op import Reply, json_reply

pytestmark = pytest.mark.integration

EXPIRED, DUE = 296, 250


class Apart:
    """A world whose first worker is the renewal process, asked by the second one."""

    def __init__(self, world: World, folder: str) -> None:
        self.world = world
        self.address = Path(folder, "renewals")
        keeper, worker = world.bffs
        self.desk = Desk(keeper.sessions, keeper.renewer, world.clock)
        self.worker = worker.renewer
        worker.renewer._apart = renew_apart(self.address, worker.sessions.leftovers._vault.ring, world.clock)
        self.owners: list[bytes] = []

    async def renewals_by(self) -> tuple[int, int]:
        """How many leases the renewal process and the worker have taken."""
        keeper, worker = (bff.renewer._leases._owner for bff in self.world.bffs)
        return self.owners.count(keeper), self.owners.count(worker)

    def listen(self) -> None:
        acquire = self.world.store.inner.acquire

        async def noted(key, owner, now, ttl):
            self.owners.append(owner)
            return await acquire(key, owner, now, ttl)

        self.world.store.inner.acquire = noted


@pytest.fixture
async def apart():
    with TemporaryDirectory(prefix="bff-") as folder:
        async with World(workers=2) as world:
            apart = Apart(world, folder)
            await apart.desk.open(apart.address)
            apart.listen()
            yield apart
            await apart.desk.close()


async def signed_in(apart: Apart, advance: float = EXPIRED):
    browser = apart.world.browser().at(1)
    await browser.log_in()
    assert 200 == (await browser.get("/api/tasks")).status
    apart.world.clock.advance(advance)
    return browser


async def test_worker_has_its_sessions_renewed(apart):
    """A hundred requests cause one refresh grant, which the worker has no part in."""
    browser = await signed_in(apart)

    answers = await asyncio.gather(*(browser.get("/api/tasks") for _ in range(100)))

    assert [200] * 100 == [answer.status for answer in answers]
    assert (1, (1, 0)) == (apart.world.refreshes(), await apart.renewals_by())


async def test_token_that_is_due_is_renewed_in_the_background(apart):
    """Nobody waits for the other process either."""
    browser = await signed_in(apart, DUE)

    assert 200 == (await browser.get("/api/tasks")).status

    await eventually(lambda: apart.world.told("renewal.done"))
    await eventually(lambda: {} == apart.worker._running)
    assert 200 == (await browser.get("/api/tasks")).status
    assert (1, (1, 0)) == (apart.world.refreshes(), await apart.renewals_by())


async def test_refusal_is_told_as_if_the_worker_had_met_it(apart):
    """invalid_grant is final, with its reason."""
    browser = await signed_in(apart)
    apart.world.op.always("token", json_reply({"error": "invalid_grant"}, 400))

    answers = await asyncio.gather(*(browser.get("/api/tasks") for _ in range(5)))

    assert {("session_expired", "renewal_refused")} == {(each.code, each.document["reason"]) for each in answers}
    assert 1 == apart.world.refreshes()


async def test_session_that_has_ended_meanwhile_is_told_with_its_reason(apart):
    """The renewal process finds it gone; the worker had not heard of it."""
    browser = await signed_in(apart)
    live = await apart.world.bffs[1].sessions.load(browser.cookies[COOKIE].encode(), apart.world.clock())
    apart.world.store.lose_pushes()
    await apart.world.store.inner.end(live.key, "revoked", apart.world.clock(), keep_sealed=False)

    with pytest.raises(Exception, match="session_expired") as raised:
        await apart.worker.renewed(live)

    assert {"reason": "revoked"} == raised.value.members


@pytest.mark.parametrize("fault", [Reply(503), Reply(429, headers={"retry-after": "9"})])
async def test_fault_of_the_issuer_is_told_with_when_to_come_back(apart, fault):
    """503 with Retry-After, then it goes on."""
    browser = await signed_in(apart)
    apart.world.op.script("token", fault)

    answer = await browser.get("/api/tasks")

    assert (503, "issuer_unavailable") == (answer.status, answer.code)
    apart.world.clock.advance(60)
    assert 200 == (await browser.get("/api/tasks")).status


async def test_fault_of_the_store_is_told_as_one(apart):
    """Nobody is logged out for it."""
    browser = await signed_in(apart)
    live = await apart.world.bffs[1].sessions.load(browser.cookies[COOKIE].encode(), apart.world.clock())
    apart.world.store.fail("acquire")

    with pytest.raises(Exception, match="session_store_unavailable"):
        await apart.worker.renewed(live)

    apart.world.clock.advance(60)
    assert 200 == (await browser.get("/api/tasks")).status


async def test_worker_renews_where_nobody_else_does(apart):
    """The renewal process is not there: one grant all the same, and a line in the log."""
    browser = await signed_in(apart)
    await apart.desk.close()
    apart.address.unlink(missing_ok=True)

    assert 200 == (await browser.get("/api/tasks")).status

    assert (1, (0, 1)) == (apart.world.refreshes(), await apart.renewals_by())
    assert ["FileNotFoundError"] == [told["error"] for told in apart.world.told("renewal.process_away")]


async def test_worker_renews_where_the_renewal_process_is_silent(apart, monkeypatch):
    """It hangs, and takes questions all the same: no session may wait for it for ever."""
    monkeypatch.setattr(renewal_apart, "_ANSWER_WITHIN", 0.2)
    browser = await signed_in(apart)
    apart.address.unlink()
    silence = asyncio.Event()

    async def say_nothing(_reader, writer):
        await silence.wait()
        writer.close()

    async with await asyncio.start_unix_server(say_nothing, apart.address):
        answer = await browser.get("/api/tasks")
        silence.set()

    assert (200, 1, (0, 1)) == (answer.status, apart.world.refreshes(), await apart.renewals_by())
    assert ["TimeoutError"] == [told["error"] for told in apart.world.told("renewal.process_away")]


async def test_worker_goes_on_where_the_renewal_process_died(apart):
    """It went away in the middle, before it had asked the issuer: the worker does."""
    browser = await signed_in(apart)
    gate = apart.world.store.hold("acquire")
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await asyncio.wait_for(gate.reached.wait(), 30)
    (task,) = apart.world.bffs[0].renewer._running.values()
    task.cancel()
    gate.open()

    answer = await asyncio.wait_for(waiting, 30)

    assert (200, 1) == (answer.status, apart.world.refreshes())


async def test_successor_takes_the_address_over_and_the_old_one_finishes(apart):
    """A reload: questions that were asked are answered, new ones go to the new process."""
    browser = await signed_in(apart)
    held = apart.world.op.hold("token")
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == apart.world.refreshes())
    keeper = apart.world.bffs[0]
    successor = Desk(keeper.sessions, keeper.renewer, apart.world.clock)
    superseded = asyncio.ensure_future(apart.desk.superseded())
    await settle()
    assert not superseded.done()

    apart.address.rename(apart.address.with_suffix(".old"))
    await successor.open(apart.address)
    await asyncio.wait_for(superseded, 30)
    closing = asyncio.ensure_future(apart.desk.close())
    await settle()
    assert not closing.done()
    held.set()

    assert 200 == (await waiting).status
    await asyncio.wait_for(closing, 30)
    apart.world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status
    assert (2, (2, 0)) == (apart.world.refreshes(), await apart.renewals_by())
    await successor.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk\n",
        b"{}\n",
        b"[]\n",
        b'{"cookie": 7}\n',
        b'{"cookie": "junk", "refused": null}\n',
        b'{"cookie": "junk", "refused": null, "request": 7}\n',
        b'{"cookie": "junk", "refused": null, "request": null, "trace": 7}\n',
    ],
)
async def test_junk_disturbs_nothing(apart, junk):
    """A worker may be killed in the middle of its question."""
    browser, unhandled = await signed_in(apart), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    reader, writer = await asyncio.open_unix_connection(apart.address)
    writer.write(junk)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert 200 == (await browser.get("/api/tasks")).status
    assert [] == unhandled
    assert (1, 0) == await apart.renewals_by()


async def test_worker_that_asks_nothing_is_not_waited_for(apart, monkeypatch):
    """One that is stopped after it has connected: the renewal process ends all the same."""
    monkeypatch.setattr("bff.session.renewal_apart._QUESTION_WITHIN", 0.05)
    reader, writer = await asyncio.open_unix_connection(apart.address)

    assert b"" == await asyncio.wait_for(reader.read(), 30)
    async with asyncio.timeout(30):
        await apart.desk.close()
    writer.close()
