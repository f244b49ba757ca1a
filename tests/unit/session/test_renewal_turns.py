"""Renewals take turns: no more at once than configured, the most urgent first, and no turn is ever lost."""

import asyncio

import pytest

from bff.config.settings import OidcSettings, ServerSettings, Settings
from bff.from_settings import build_session_limits
from bff.session.renewal_turns import Turns
from tests.internet import settle


class Renewals:
    """Renewals that go on until they are told to end."""

    def __init__(self, most):
        self.turns = Turns(most)
        self.running = []
        self.most_seen = 0
        self.may_end = {}
        self.tasks = {}

    def begin(self, name, expires_at):
        self.may_end[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, expires_at))

    async def end(self, name):
        self.may_end[name].set()
        await settle()

    async def _run(self, name, expires_at):
        async with self.turns.turn(expires_at):
            self.running.append(name)
            self.most_seen = max(self.most_seen, len(self.running))
            await self.may_end[name].wait()
            self.running.remove(name)


async def test_no_more_run_at_once_than_configured_and_all_run():
    """The issuer sees a bounded number, however many are due."""
    renewals = Renewals(3)
    for number in range(20):
        renewals.begin(number, number)
    await settle()
    assert (3, 17) == (len(renewals.running), renewals.turns.waiting)

    while renewals.running:
        await renewals.end(renewals.running[0])
    await asyncio.gather(*renewals.tasks.values())

    assert (3, 0) == (renewals.most_seen, renewals.turns.waiting)


async def test_tokens_that_end_first_are_renewed_first():
    """A request that waits has tokens that end before those that are renewed ahead; equals go in their order."""
    renewals = Renewals(1)
    for name, expires_at in (
        ("first", 0.0),
        ("late", 300.0),
        ("soon", 60.0),
        ("too late", 10.0),
        ("soon too", 60.0),
    ):
        renewals.begin(name, expires_at)
    await settle()

    order = []
    while renewals.running:
        order.append(renewals.running[0])
        await renewals.end(renewals.running[0])

    assert ["first", "too late", "soon", "soon too", "late"] == order


async def test_without_a_bound_none_waits():
    """As many as there are."""
    renewals = Renewals(None)
    for number in range(50):
        renewals.begin(number, number)
    await settle()

    assert (50, 0) == (len(renewals.running), renewals.turns.waiting)
    for number in range(50):
        await renewals.end(number)


async def test_turn_of_a_renewal_that_fails_goes_on():
    """An error in one holds up no other."""
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with turns.turn(0.0):
                raise ZeroDivisionError

    async with turns.turn(0.0):
        assert 0 == turns.waiting


async def test_renewal_that_is_cancelled_while_it_waits_is_passed_over():
    """A worker that stops cancels what waits: whoever is left still gets a turn."""
    renewals = Renewals(1)
    for number in range(3):
        renewals.begin(number, number)
    await settle()
    renewals.tasks[1].cancel()
    await settle()
    await renewals.end(0)

    assert [2] == renewals.running
    await renewals.end(2)


async def test_turn_of_a_renewal_that_is_cancelled_when_it_came_goes_on():
    """Between having been given a turn and taking it, a renewal may end."""
    renewals = Renewals(1)
    async with renewals.turns.turn(0.0):
        renewals.begin("cancelled", 1.0)
        renewals.begin("next", 2.0)
        await settle()
    renewals.tasks["cancelled"].cancel()
    await settle()

    assert ["next"] == renewals.running
    await renewals.end("next")


@pytest.mark.parametrize(("workers", "configured", "share"), [(1, 100, 100), (4, 100, 25), (3, 100, 34), (8, 2, 1)])
def test_each_worker_has_its_share_of_the_renewals(workers, configured, share):
    """`oidc.max_concurrent_renewals` is for all of them together; none is left without any."""
    settings = Settings(
        public_url="https://app.example",
        oidc=OidcSettings(issuer="https://op.test", client_id="spa", max_concurrent_renewals=configured),
        server=ServerSettings(workers=workers),
    )

    assert share == build_session_limits(settings).renewals_at_once
