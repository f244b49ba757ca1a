"""What the tally of every session store promises. The clock is injected and far from the machine's."""

import asyncio

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.records import Store
from bff.session.stores import tally_of
from bff.session.tally import KEPT_FOR, Slot, start_of
from tests.contract.conftest import Workers
from tests.contract.test_session_store import NOW

MINUTE = start_of(60, NOW)
WIDTHS = sorted(KEPT_FOR)


def minute(number: int = 0, name: str = "logins") -> Slot:
    """A slot, so many minutes ago."""
    return Slot(60, MINUTE - number * 60, name)


async def test_what_two_workers_count_comes_together(workers: Workers) -> None:
    """Each adds to what the other has added, by name and by stretch of time."""
    one, two = tally_of(workers.one), tally_of(workers.two)

    await one.add({minute(): 2, minute(1): 5}, NOW)
    await two.add({minute(): 3, minute(name="logouts"): 1}, NOW)

    expected = {minute(): 5, minute(1): 5, minute(name="logouts"): 1}
    assert expected == await one.read(60, NOW - 3600, NOW)
    assert expected == await two.read(60, NOW - 3600, NOW)


async def test_a_level_takes_the_place_of_the_one_before(workers: Workers) -> None:
    """The last one who looked is right."""
    one, two = tally_of(workers.one), tally_of(workers.two)

    await one.note({minute(name="sessions"): 7}, NOW)
    await two.note({minute(name="sessions"): 4}, NOW)

    assert {minute(name="sessions"): 4} == await one.read(60, NOW - 3600, NOW)


async def test_many_additions_at_once_all_count(workers: Workers) -> None:
    """None is lost between the looking and the writing of another."""
    tallies = [tally_of(workers.one), tally_of(workers.two)]

    await asyncio.gather(*(tallies[number % 2].add({minute(): 1}, NOW) for number in range(60)))

    assert {minute(): 60} == await tallies[0].read(60, NOW - 3600, NOW)


@pytest.mark.parametrize("width", WIDTHS)
async def test_only_the_asked_width_and_window_are_read(store: Store, width: int) -> None:
    """The first stretch is the first that begins in the window; the last is the one that is going on."""
    tally = tally_of(store)
    last = start_of(width, NOW)
    slots = {Slot(each, start_of(each, NOW) - number * each, "logins"): 1 for each in WIDTHS for number in range(5)}
    await tally.add(slots, NOW)

    found = await tally.read(width, last - 2 * width - 0.5, NOW)

    assert {Slot(width, last - number * width, "logins"): 1 for number in range(3)} == found
    assert {Slot(width, last - width, "logins"): 1} == await tally.read(width, last - width, last - 0.5)
    assert {} == await tally.read(width, last + 1, NOW)


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_slot_is_gone_after_its_time(store: Store, width: int) -> None:
    """Purged or not, it is no longer read; and a purge leaves what still counts."""
    tally = tally_of(store)
    slot = Slot(width, start_of(width, NOW), "logins")
    later = Slot(width, slot.start + width, "logins")
    await tally.add({slot: 1, later: 2}, NOW)
    ends = slot.start + KEPT_FOR[width]

    assert {slot: 1, later: 2} == await tally.read(width, slot.start, ends - 0.5)
    assert {later: 2} == await tally.read(width, slot.start, ends)
    await tally.purge(ends)
    assert {later: 2} == await tally.read(width, slot.start, ends)


async def test_what_is_no_longer_kept_is_not_taken(store: Store) -> None:
    """A worker that could not reach the store for hours brings nothing that nobody would remove."""
    tally = tally_of(store)

    await tally.add({minute(200): 1, minute(): 1}, NOW)
    await tally.note({minute(300): 1}, NOW)

    assert {minute(): 1} == await tally.read(60, 0, NOW)


async def test_names_may_hold_anything(store: Store) -> None:
    """Routes and methods come from configuration and requests."""
    slot = minute(name="denials /api/\"ü\\'\n{x} DELETE")
    tally = tally_of(store)

    await tally.add({slot: 1}, NOW)
    await tally.add({slot: 1}, NOW)

    assert {slot: 2} == await tally.read(60, NOW - 3600, NOW)


async def test_nothing_to_add_is_nothing(store: Store) -> None:
    """An idle worker's batch is empty."""
    tally = tally_of(store)

    await tally.add({}, NOW)
    await tally.note({}, NOW)

    assert {} == await tally.read(60, NOW - 3600, NOW)


async def test_a_closed_store_refuses(store: Store, store_url: str) -> None:
    """The one error of the stores; memory has nothing to close."""
    tally = tally_of(store)
    await store.close()
    if store_url == "memory:":
        return

    with pytest.raises(SessionStoreUnavailable):
        await tally.add({minute(): 1}, NOW)
    with pytest.raises(SessionStoreUnavailable):
        await tally.read(60, NOW - 3600, NOW)
