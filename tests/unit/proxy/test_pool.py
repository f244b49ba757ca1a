"""So many lines to an address, and no more."""

import asyncio

import pytest

from bff.errors import UpstreamBusy
from bff.proxy import lines
from bff.proxy.lines import Pool


class Line:
    def __init__(self, upload):
        self.is_upload, self.is_fresh, self.cuts, self.can_be_cut = upload, True, 0, True

    def cut(self):
        self.cuts += 1
        return self.can_be_cut


def make_pool(most=2, patience=5.0):
    built = []

    def build(upload):
        built.append(Line(upload))
        return built[-1]

    return Pool(build, most, patience, longest=0.01), built


async def test_lines_are_used_again_the_last_used_first():
    """A few warm connections, rather than many cold ones."""
    pool, built = make_pool()
    one, two = pool.take(upload=False), pool.take(upload=False)
    pool.give_back(one)
    pool.give_back(two)

    assert two is pool.take(upload=False)
    assert (2, 1, False) == (len(built), pool.pending, pool.is_full)


async def test_uploads_have_lines_of_their_own_and_share_the_bound():
    """Their clients are more patient."""
    pool, built = make_pool()
    usual = pool.take(upload=False)
    upload = pool.take(upload=True)

    assert [False, True] == [line.is_upload for line in built]
    assert pool.take(upload=True) is None
    pool.give_back(usual)
    pool.give_back(upload)
    assert upload is pool.take(upload=True)


async def test_who_waits_is_served_in_order():
    """And nobody overtakes them."""
    pool, _ = make_pool(2)
    one, two = pool.take(upload=False), pool.take(upload=False)
    first, second = (asyncio.create_task(pool.wait(upload=False)) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamBusy):  # as many wait as may call
        await pool.wait(upload=False)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    third = asyncio.create_task(pool.wait(upload=False))
    await asyncio.sleep(0)
    assert 4 == pool.pending

    pool.give_back(one)
    assert pool.take(upload=False) is None
    assert one is await first
    assert not third.done()
    pool.give_back(two)
    assert two is await third


async def test_who_waits_too_long_is_told_to_come_back():
    """503 with Retry-After."""
    pool, _ = make_pool(1, patience=0.001)
    line = pool.take(upload=False)

    with pytest.raises(UpstreamBusy) as caught:
        await pool.wait(upload=False)

    assert (503, 1) == (caught.value.status, caught.value.retry_after)
    assert 1 == pool.pending
    pool.give_back(line)
    assert pool.take(upload=False) is line


async def test_turn_that_comes_with_the_cancellation_goes_to_the_next():
    """No line is lost to a browser that leaves in the same moment."""
    pool, _ = make_pool(1)
    line = pool.take(upload=False)
    waiting = asyncio.create_task(pool.wait(upload=False))
    await asyncio.sleep(0)
    pool.give_back(line)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert (0, line) == (pool.pending, pool.take(upload=False))


async def test_broken_off_line_is_not_used_again():
    """What goes over it may still be on its way."""
    pool, built = make_pool()
    line = pool.take(upload=False)
    pool.discard(line)

    assert (1, 0) == (line.cuts, pool.pending)
    assert pool.take(upload=False) is built[1]


async def test_call_that_goes_on_keeps_its_place_while_it_may():
    """With HTTP/2 it cannot be broken off: who begins calls and leaves must not have more of them than others."""
    pool, _ = make_pool(1)
    line = pool.take(upload=False)
    line.can_be_cut = False
    pool.discard(line)

    assert pool.take(upload=False) is None
    assert line is not await pool.wait(upload=False)


async def test_cancelled_one_that_was_passed_over_is_forgotten():
    """The line came between the cancellation and its being noticed."""
    pool, _ = make_pool(2)
    one, two = pool.take(upload=False), pool.take(upload=False)
    waiting = [asyncio.create_task(pool.wait(upload=False)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    pool.give_back(one)
    first, second = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, asyncio.CancelledError)
    assert one is second
    assert 2 == pool.pending
    pool.give_back(two)


async def test_line_that_cannot_be_built_leaves_no_trace():
    """Out of files, for instance: the place is free for the next one."""
    pool, built = make_pool(1)
    line = pool.take(upload=False)
    waiting = asyncio.create_task(pool.wait(upload=True))
    await asyncio.sleep(0)
    working, pool._build = pool._build, lambda _: 1 / 0
    pool.give_back(line)
    with pytest.raises(ZeroDivisionError):
        await waiting
    with pytest.raises(ZeroDivisionError):
        pool.take(upload=True)
    pool._build = working

    assert 0 == pool.pending
    assert pool.take(upload=True) is built[1]


async def test_lines_of_a_rush_are_let_go_of(monkeypatch):
    """Not those that are needed."""
    monkeypatch.setattr(lines, "_TRIM_EVERY", 10)
    pool, built = make_pool(100)
    for line in [pool.take(upload=False) for _ in range(30)]:
        pool.give_back(line)
    for _ in range(50):
        both = [pool.take(upload=False), pool.take(upload=False)]
        for line in both:
            pool.give_back(line)

    assert 30 == len(built)
    assert 2 == len(pool._usual)
