"""Rates and places: counted, refused, given back, and never in anybody's way when the counting fails."""

import asyncio

import pytest
from limits.errors import StorageError

from bff.errors import ServerBusy, TooManyRequests
from bff.http.problems import build_problem_response
from bff.proxy import rate_counters
from bff.proxy.limits import Crowd, RateLimit
from bff.proxy.rate_counters import Counters, WorkerCounters
from tests.world import eventually

LONG = 3600  # seconds: no test outlives this window


class Told(list):
    """What was emitted."""

    def __call__(self, name, fields):
        self.append((name, dict(fields)))

    def names(self):
        return [name for name, _ in self]


class Redis(WorkerCounters):
    """Counts, fails or hangs as it is told to."""

    failure = None
    hangs = False
    asked = 0

    async def acquire_sliding_window_entry(self, *arguments):
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if self.hangs:
            await asyncio.Event().wait()
        return await super().acquire_sliding_window_entry(*arguments)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def limit(amount=3, shared=None, told=None, clock=None, seconds=LONG):
    """A limit of so many in a long time."""
    told, clock = told if told is not None else Told(), clock or Clock()
    hit = Counters(shared, told, clock).limit("session", amount, seconds)
    return RateLimit("session", amount, seconds, hit, told, clock)


async def refused(checked, key="a"):
    """The refusal of a request, None for one that passes."""
    try:
        await checked.check(key)
    except TooManyRequests as error:
        return error
    return None


async def test_requests_over_the_limit_are_refused_until_there_is_room_again():
    """With what draft-ietf-httpapi-ratelimit-headers-11 and RFC 9110 §10.2.3 tell clients."""
    checked = limit(3)
    outcomes = [await refused(checked) for _ in range(4)]
    status, headers, _ = build_problem_response(outcomes[3], "0" * 32)
    told = dict(headers)

    assert [None] * 3 == outcomes[:3]
    assert 429 == status
    wait = int(told[b"retry-after"])
    assert 1 <= wait <= LONG
    assert (b'"session";r=0;t=%d' % wait, b'"session";q=3;w=3600') == (
        told[b"ratelimit"],
        told[b"ratelimit-policy"],
    )


async def test_keys_are_counted_apart():
    """One session's hurry is not another's."""
    checked = limit(1)

    assert [None, None] == [await refused(checked, key) for key in ("a", "b")]
    assert await refused(checked, "a") is not None


async def test_window_slides_on():
    """A second later there is room again."""
    checked = limit(1, seconds=1)
    outcomes = [await refused(checked) for _ in range(2)]

    async def passes():
        return await refused(checked) is None

    await eventually(passes, "room for another one", within=5)

    assert [True, False] == [outcome is None for outcome in outcomes]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unknown", "unknown", False),
        ("not:an:address", "not:an:address", True),
    ],
)
async def test_addresses_of_one_network_are_one(first, second, is_same):
    """An IPv6 customer has a whole /64; who has no address is not counted."""
    checked = limit(1)
    await checked.check_address(first)
    try:
        await checked.check_address(second)
    except TooManyRequests:
        assert is_same
    else:
        assert not is_same


async def test_refusals_are_told_once_in_a_while():
    """A flood is not to flood the log as well."""
    told, clock = Told(), Clock()
    checked = limit(1, told=told, clock=clock)
    for _ in range(5):
        await refused(checked)
    clock.now += 10
    await refused(checked)

    assert [1, 4] == [fields["refused"] for _, fields in told]
    assert {"limits.reached"} == set(told.names())


@pytest.mark.parametrize("failure", [StorageError(ConnectionError("gone")), OSError("gone"), None])
async def test_storage_that_is_away_refuses_nobody(monkeypatch, failure):
    """The worker counts by itself, does not ask again for a while, and says so once."""
    monkeypatch.setattr(rate_counters, "_PATIENCE", 0.01)
    redis, told, clock = Redis(), Told(), Clock()
    redis.failure, redis.hangs = failure, failure is None
    checked = limit(3, redis, told, clock)
    outcomes = [await refused(checked) for _ in range(4)]

    assert [True, True, True, False] == [outcome is None for outcome in outcomes]
    assert 1 == redis.asked
    assert ["limits.storage_unavailable", "limits.reached"] == told.names()


async def test_storage_that_is_back_is_used_again():
    """And is told of."""
    redis, told, clock = Redis(), Told(), Clock()
    redis.failure = StorageError(ConnectionError("gone"))
    checked = limit(100, redis, told, clock)
    await checked.check("a")
    clock.now += 5
    await checked.check("a")
    redis.failure = None
    clock.now += 5
    await checked.check("a")
    await checked.check("a")

    assert (4, ["limits.storage_unavailable", "limits.shared_again"]) == (redis.asked, told.names())


async def test_counters_in_memory_are_bounded(monkeypatch):
    """Many addresses do not fill the memory; the longest unused are forgotten."""
    monkeypatch.setattr(rate_counters, "_COUNTERS", 10)
    counters = WorkerCounters()
    for number in range(100):
        await counters.incr(str(number), LONG)

    assert 10 == len(counters._counters)
    assert (0, 1) == (await counters.get("0"), await counters.get("99"))


async def test_counting_back_stops_at_none():
    """The library takes back what lost a race."""
    counters = WorkerCounters()
    await counters.incr("a", LONG, 2)

    assert [1, 0] == [await counters.decr("a"), await counters.decr("a", 5)]


def test_places_are_given_back():
    """Whatever ends the call."""
    crowd = Crowd(2, 1)
    with pytest.raises(ZeroDivisionError), crowd.place("a"):
        raise ZeroDivisionError
    with crowd.place("a"), crowd.place("b"):
        pass

    assert (0, {}) == (crowd._all, crowd._by_session)


def test_no_more_than_so_many_are_under_way():
    """In all: 503, for it is not the caller's fault. Of one session: 429."""
    crowd = Crowd(3, 2)
    with crowd.place("a"), crowd.place("a"):
        with pytest.raises(TooManyRequests), crowd.place("a"):
            pass
        with crowd.place(None), pytest.raises(ServerBusy), crowd.place("b"):
            pass
        with crowd.place("b"):
            pass
