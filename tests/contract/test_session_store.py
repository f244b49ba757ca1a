"""What every session store promises, held against each of them.

The clock is injected and far from the machine's: no store may decide by its own.
"""

import asyncio
from dataclasses import replace

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, ChangeKind, Ended, Lost, Restored, Store, StoredSession
from tests.contract.conftest import Workers, listen

NOW = 1_000_000.0
KEY = b"k" * 32


def build_record(number: int = 0, **changes: object) -> StoredSession:
    """A live record; records sort by their number."""
    record = StoredSession(
        key=number.to_bytes(4, "big") + b"\x00 \n\xff" * 7,
        version=1,
        sealed=b"sealed\x00\xff %d" % number,
        summary=b"summary %d" % number,
        subject=b"u" * 32,
        issuer_sid=number.to_bytes(4, "big") + b"i" * 28,
        handle=f"handle-{number}",
        created_at=NOW + 0.123456789,
        idle_expires_at=NOW + 3600.123456789,
        expires_at=NOW + 43200.987654321,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


# ── create and load ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_created_record_loads_as_it_was(workers: Workers) -> None:
    """What one worker creates, another loads, to the last bit."""
    await workers.one.create(build_record())

    assert build_record() == await workers.two.load(build_record().key, NOW)


async def test_a_record_without_an_issuer_session_loads_as_it_was(store: Store) -> None:
    """An OP need not send a sid (OIDC Back-Channel Logout §2.1); None stays None."""
    record = build_record(issuer_sid=None, summary=b"")

    await store.create(record)

    assert record == await store.load(record.key, NOW)


async def test_an_unknown_key_loads_as_none(store: Store) -> None:
    """Nothing is there, and that is no fault."""
    assert await store.load(KEY, NOW) is None


async def test_creating_the_same_record_again_changes_nothing(workers: Workers) -> None:
    """A create whose answer was lost may be sent again."""
    record = build_record()
    await workers.one.create(record)
    await workers.two.touch(record.key, NOW + 7200)

    await workers.two.create(record)

    assert replace(record, idle_expires_at=NOW + 7200) == await workers.one.load(record.key, NOW)


async def test_the_first_record_under_a_key_stays(store: Store) -> None:
    """A create never overwrites."""
    await store.create(build_record())

    await store.create(build_record(sealed=b"other", version=9))

    assert build_record() == await store.load(build_record().key, NOW)


async def test_creating_again_does_not_bring_an_ended_session_back(store: Store) -> None:
    """A create that arrives after the logout finds what is left of the session, and leaves it."""
    record = build_record()
    await store.create(record)
    await store.end(record.key, "logout", NOW, keep_sealed=False)

    await store.create(record)

    assert Ended(record.key, "logout", NOW) == await store.load(record.key, NOW)


async def test_thirty_creates_at_once_make_one_record(workers: Workers) -> None:
    """Racing creates raise nothing and leave the record of one of them, whole."""
    records = [build_record(sealed=b"by %d" % number) for number in range(30)]

    await asyncio.gather(*((workers.one, workers.two)[n % 2].create(record) for n, record in enumerate(records)))

    assert await workers.one.load(records[0].key, NOW) in records
    assert 1 == len(await workers.two.find(now=NOW))


@pytest.mark.parametrize(
    ("ends", "now", "is_there"),
    [
        ({"idle_expires_at": NOW + 60}, NOW + 59.999, True),
        ({"idle_expires_at": NOW + 60}, NOW + 60, False),
        ({"idle_expires_at": NOW + 60}, NOW + 1e6, False),
        ({"idle_expires_at": NOW + 90, "expires_at": NOW + 60}, NOW + 59.999, True),
        ({"idle_expires_at": NOW + 90, "expires_at": NOW + 60}, NOW + 60, False),
    ],
)
async def test_a_record_past_either_end_loads_as_none(
    store: Store, ends: dict[str, float], now: float, is_there: bool
) -> None:
    """Both ends count, by the caller's clock (OWASP ASVS 7.3.1, 7.3.2)."""
    record = build_record(**ends)
    await store.create(record)

    assert (record if is_there else None) == await store.load(record.key, now)


# ── replace ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_replace_with_the_right_version_is_written(workers: Workers) -> None:
    """Everything but the key may change, and the version counts up."""
    await workers.one.create(build_record())
    renewed = StoredSession(
        key=build_record().key,
        version=2,
        sealed=b"renewed",
        summary=b"",
        subject=b"v" * 32,
        issuer_sid=None,
        handle="other",
        created_at=NOW + 1,
        idle_expires_at=NOW + 5000,
        expires_at=NOW + 6000,
    )

    assert await workers.two.replace(renewed, 1)
    assert renewed == await workers.one.load(renewed.key, NOW)


async def test_a_replace_with_another_version_is_refused(store: Store) -> None:
    """Compare-and-set: who read an older version loses."""
    await store.create(build_record())
    await store.replace(build_record(version=2, sealed=b"first"), 1)

    assert not await store.replace(build_record(version=2, sealed=b"second"), 1)
    assert not await store.replace(build_record(version=8, sealed=b"third"), 7)
    assert build_record(version=2, sealed=b"first") == await store.load(build_record().key, NOW)


async def test_a_replace_of_an_unknown_key_writes_nothing(store: Store) -> None:
    """Only what exists is replaced."""
    assert not await store.replace(build_record(version=2), 1)
    assert await store.load(build_record().key, NOW) is None
    assert [] == await store.find(now=NOW)


async def test_a_replace_after_the_end_is_refused(workers: Workers) -> None:
    """A renewal that comes back after the logout does not undo it."""
    record = build_record()
    await workers.one.create(record)
    await workers.one.end(record.key, "logout", NOW, keep_sealed=False)

    assert not await workers.two.replace(replace(record, version=2), 1)
    assert Ended(record.key, "logout", NOW) == await workers.two.load(record.key, NOW)


async def test_a_replace_keeps_a_slide_that_came_in_between(workers: Workers) -> None:
    """The renewal read the record before another worker slid it; the later idle end stays."""
    record = build_record()
    await workers.one.create(record)
    await workers.two.touch(record.key, NOW + 9000)

    assert await workers.one.replace(replace(record, version=2, sealed=b"renewed"), 1)

    expected = replace(record, version=2, sealed=b"renewed", idle_expires_at=NOW + 9000)
    assert expected == await workers.one.load(record.key, NOW)


async def test_of_fifty_replaces_of_one_version_exactly_one_wins(workers: Workers) -> None:
    """No refresh token is overwritten by a loser (RFC 9700 §4.14.2)."""
    await workers.one.create(build_record())
    writes = [build_record(version=2, sealed=b"by %d" % number) for number in range(50)]

    won = await asyncio.gather(
        *((workers.one, workers.two)[n % 2].replace(record, 1) for n, record in enumerate(writes))
    )

    assert 1 == won.count(True)
    assert writes[won.index(True)] == await workers.two.load(build_record().key, NOW)


# ── touch ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_touch_slides_the_idle_end_and_nothing_else(workers: Workers) -> None:
    """The version stays, so that a slide never makes a renewal lose."""
    record = build_record()
    await workers.one.create(record)

    assert await workers.one.touch(record.key, NOW + 7200.987654321)
    assert replace(record, idle_expires_at=NOW + 7200.987654321) == await workers.two.load(record.key, NOW)


async def test_a_touch_never_slides_back(store: Store) -> None:
    """Of two touches that overtake each other, the later end stays."""
    record = build_record()
    await store.create(record)

    assert await store.touch(record.key, record.idle_expires_at - 100)
    assert record == await store.load(record.key, NOW)


async def test_a_touch_never_passes_the_absolute_end(store: Store) -> None:
    """Activity does not prolong a session for ever (OWASP ASVS 7.3.2)."""
    record = build_record()
    await store.create(record)

    assert await store.touch(record.key, record.expires_at + 1)
    assert replace(record, idle_expires_at=record.expires_at) == await store.load(record.key, NOW)


async def test_a_touch_keeps_a_session_alive_past_its_first_idle_end(store: Store) -> None:
    """The slide counts for loads, lists and the purge alike."""
    record = build_record()
    await store.create(record)
    await store.touch(record.key, NOW + 9000)
    slid = replace(record, idle_expires_at=NOW + 9000)

    assert 0 == await store.purge(NOW + 8999)
    assert slid == await store.load(record.key, NOW + 8999)
    assert [slid] == await store.find(now=NOW + 8999)


async def test_a_touch_of_an_unknown_key_is_false(store: Store) -> None:
    """There is nothing to slide, and nothing comes to be."""
    assert not await store.touch(KEY, NOW + 60)
    assert await store.load(KEY, NOW) is None


async def test_a_touch_after_the_end_is_false(workers: Workers) -> None:
    """A request in flight does not undo a logout."""
    record = build_record()
    await workers.one.create(record)
    await workers.one.end(record.key, "logout", NOW, keep_sealed=False)

    assert not await workers.two.touch(record.key, NOW + 9000)
    assert Ended(record.key, "logout", NOW) == await workers.two.load(record.key, NOW)


# ── end ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keep_sealed", [False, True])
async def test_an_ended_session_leaves_its_reason(workers: Workers, keep_sealed: bool) -> None:
    """The sealed tokens stay only where whoever ended the session asks for it."""
    record = build_record()
    await workers.one.create(record)

    assert await workers.one.end(record.key, "signed out: größer", NOW + 0.1, keep_sealed=keep_sealed)

    sealed = record.sealed if keep_sealed else None
    expected = Ended(record.key, "signed out: größer", NOW + 0.1, sealed)
    assert expected == await workers.two.load(record.key, NOW + 1)


async def test_what_is_left_of_a_session_stays_until_its_absolute_end(store: Store) -> None:
    """The idle end no longer matters; after the absolute end nothing could come back anyway."""
    record = build_record()
    await store.create(record)
    await store.end(record.key, "logout", NOW, keep_sealed=True)
    ended = Ended(record.key, "logout", NOW, record.sealed)

    assert 0 == await store.purge(record.expires_at - 0.001)
    assert ended == await store.load(record.key, record.expires_at - 0.001)
    assert await store.load(record.key, record.expires_at) is None


async def test_a_session_ends_once(workers: Workers) -> None:
    """A second end is False and changes neither the reason nor what was kept."""
    record = build_record()
    await workers.one.create(record)
    await workers.one.end(record.key, "logout", NOW, keep_sealed=True)

    assert not await workers.two.end(record.key, "revoked", NOW + 1, keep_sealed=False)
    assert Ended(record.key, "logout", NOW, record.sealed) == await workers.two.load(record.key, NOW)


async def test_ending_an_unknown_key_is_false(store: Store) -> None:
    """Nothing was alive, and nothing is left behind."""
    assert not await store.end(KEY, "logout", NOW, keep_sealed=True)
    assert await store.load(KEY, NOW) is None


@pytest.mark.parametrize("ends", [{"idle_expires_at": NOW + 60}, {"expires_at": NOW + 60}])
async def test_ending_an_expired_session_is_false_and_final(store: Store, ends: dict[str, float]) -> None:
    """It was not alive; and a slide that is still under way does not bring it back after the logout."""
    record = build_record(**ends)
    await store.create(record)

    assert not await store.end(record.key, "logout", NOW + 61, keep_sealed=True)
    assert not await store.touch(record.key, NOW + 9000)
    assert not await store.replace(replace(record, version=2), 1)
    assert await store.load(record.key, NOW + 61) is None


async def test_of_thirty_ends_at_once_exactly_one_is_true(workers: Workers) -> None:
    """Racing ends raise nothing, and one of them counts."""
    record = build_record()
    await workers.one.create(record)

    ended = await asyncio.gather(
        *(
            (workers.one, workers.two)[n % 2].end(record.key, f"reason {n}", NOW, keep_sealed=False)
            for n in range(30)
        )
    )

    assert 1 == ended.count(True)
    assert Ended(record.key, f"reason {ended.index(True)}", NOW) == await workers.one.load(record.key, NOW)


async def test_a_session_ended_amid_renewals_and_slides_stays_ended(workers: Workers) -> None:
    """Whatever the order in which the store takes them, the logout wins."""
    record = build_record()
    await workers.one.create(record)

    await asyncio.gather(
        *(workers.one.touch(record.key, NOW + 4000 + n) for n in range(10)),
        *(workers.two.replace(replace(record, version=n + 1), n) for n in range(1, 10)),
        workers.two.end(record.key, "logout", NOW, keep_sealed=False),
        *(workers.one.create(record) for _ in range(10)),
        *(workers.two.touch(record.key, NOW + 5000 + n) for n in range(10)),
    )

    assert Ended(record.key, "logout", NOW) == await workers.one.load(record.key, NOW)
    assert [] == await workers.one.find(now=NOW)


# ── find ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_find_without_criteria_lists_all_in_the_order_of_their_keys(workers: Workers) -> None:
    """Bytes sort as bytes."""
    numbers = [5, 255, 0, 256, 65536, 3]
    for number in numbers:
        await workers.one.create(build_record(number))

    assert [build_record(number) for number in sorted(numbers)] == await workers.two.find(now=NOW)


async def test_find_pages_through_all_without_gap_or_repetition(store: Store) -> None:
    """Each page starts after the last key of the one before; the last one is short."""
    await asyncio.gather(*(store.create(build_record(number)) for number in range(25)))
    pages: list[list[StoredSession]] = []
    after = b""
    while page := await store.find(now=NOW, after=after, limit=10):
        pages.append(page)
        after = page[-1].key

    assert [10, 10, 5] == [len(page) for page in pages]
    assert [build_record(number) for number in range(25)] == [record for page in pages for record in page]


async def test_find_pages_through_the_sessions_of_one_subject(store: Store) -> None:
    """Pages work with a criterion too."""
    for number in range(12):
        await store.create(build_record(number, subject=(b"odd!" if number % 2 else b"even") * 8))

    page = await store.find(now=NOW, subjects=[b"even" * 8], after=build_record(4).key, limit=2)

    assert [6, 8] == [int.from_bytes(record.key[:4], "big") for record in page]


async def test_find_combines_criteria_by_or(store: Store) -> None:
    """A record that fits any of them is listed, once."""
    for number in range(6):
        await store.create(build_record(number, subject=bytes([number]) * 32))

    found = await store.find(
        now=NOW,
        subjects=[b"\x00" * 32, b"\x01" * 32, b"\x09" * 32],
        issuer_sids=[build_record(1).issuer_sid or b"", build_record(2).issuer_sid or b""],
        handle="handle-4",
    )

    assert [0, 1, 2, 4] == [int.from_bytes(record.key[:4], "big") for record in found]


async def test_find_by_what_nobody_has_is_empty(store: Store) -> None:
    """No criterion matches nothing by accident."""
    await store.create(build_record(issuer_sid=None))

    assert [] == await store.find(now=NOW, subjects=[KEY])
    assert [] == await store.find(now=NOW, issuer_sids=[KEY])
    assert [] == await store.find(now=NOW, handle="")
    assert [] == await store.find(now=NOW, limit=0)


async def test_find_never_lists_ended_or_expired_sessions(store: Store) -> None:
    """Neither with a criterion nor without, and they do not shorten a page."""
    for number in range(300):
        await store.create(build_record(number))
    for number in range(290):
        if number % 3:
            await store.end(build_record(number).key, "logout", NOW, keep_sealed=True)
    for number in range(290, 296):
        await store.touch(build_record(number).key, NOW + 9000)
    slid = [build_record(number, idle_expires_at=NOW + 9000) for number in range(290, 296)]

    assert slid == await store.find(now=NOW + 8000)
    assert slid == await store.find(now=NOW + 8000, subjects=[b"u" * 32])
    assert slid[:4] == await store.find(now=NOW + 8000, subjects=[b"u" * 32], limit=4)
    assert [] == await store.find(now=NOW + 8000, handle="handle-1")


async def test_find_follows_a_changed_subject(store: Store) -> None:
    """After a replace a session is found under what it holds now, and no longer under what it held."""
    record = build_record()
    await store.create(record)
    moved = replace(record, version=2, subject=b"v" * 32, issuer_sid=KEY, handle="new")
    await store.replace(moved, 1)

    assert [] == await store.find(now=NOW, subjects=[b"u" * 32])
    assert [] == await store.find(now=NOW, issuer_sids=[record.issuer_sid or b""])
    assert [] == await store.find(now=NOW, handle=record.handle)
    assert [moved] == await store.find(now=NOW, subjects=[b"v" * 32])
    assert [moved] == await store.find(now=NOW, issuer_sids=[KEY])
    assert [moved] == await store.find(now=NOW, handle="new")


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_live_sessions_are_counted(workers: Workers) -> None:
    """Neither what has ended nor what is past one of its ends, purged or not, by the caller's clock."""
    one, two = workers.one, workers.two
    assert 0 == await one.count(NOW)
    for number in range(20):
        await one.create(build_record(number))
    await one.create(build_record(20, idle_expires_at=NOW + 10))
    await one.create(build_record(21, expires_at=NOW + 20))

    assert 22 == await two.count(NOW)
    await two.end(build_record(0).key, "logout", NOW, keep_sealed=True)
    await two.end(build_record(1).key, "logout", NOW, keep_sealed=False)
    assert 20 == await one.count(NOW + 9.9)
    assert 19 == await one.count(NOW + 10)
    assert 18 == await one.count(NOW + 20)
    await one.touch(build_record(2).key, NOW + 9000)
    await one.replace(build_record(3, idle_expires_at=NOW + 9000), 1)
    assert 2 == await two.count(NOW + 8000)
    await one.purge(NOW + 8000)
    assert 2 == await one.count(NOW + 8000)
    assert 0 == await two.count(NOW + 50_000)


# ── leases ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lease_excludes_others_until_it_runs_out(workers: Workers) -> None:
    """It runs out by the caller's clock."""
    first = await workers.one.acquire(KEY, b"one", NOW, 10)

    assert first is not None
    assert await workers.two.acquire(KEY, b"two", NOW + 9.999, 10) is None
    second = await workers.two.acquire(KEY, b"two", NOW + 10, 10)
    assert second is not None
    assert second > first
    assert await workers.one.acquire(KEY, b"one", NOW + 10, 10) is None


async def test_a_lease_is_prolonged_by_its_owner_under_the_same_token(workers: Workers) -> None:
    """A long renewal keeps its lease; taking it again never shortens it."""
    token = await workers.one.acquire(KEY, b"one", NOW, 10)

    assert token == await workers.one.acquire(KEY, b"one", NOW + 5, 10)
    assert token == await workers.one.acquire(KEY, b"one", NOW + 6, 1)
    assert await workers.two.acquire(KEY, b"two", NOW + 14.999, 10) is None
    assert await workers.two.acquire(KEY, b"two", NOW + 15, 10) is not None


async def test_a_lease_that_ran_out_is_taken_anew(store: Store) -> None:
    """Somebody else may have held it in between, so its former owner gets a new token."""
    first = await store.acquire(KEY, b"one", NOW, 10)
    second = await store.acquire(KEY, b"one", NOW + 11, 10)

    assert first is not None
    assert second is not None
    assert second > first


async def test_a_released_lease_is_free_at_once(workers: Workers) -> None:
    """The next owner's fencing token is higher, also after a purge."""
    first = await workers.one.acquire(KEY, b"one", NOW, 10)
    await workers.one.release(KEY, b"one")
    await workers.one.purge(NOW + 60)
    second = await workers.two.acquire(KEY, b"two", NOW + 60, 10)
    await workers.two.release(KEY, b"two")
    third = await workers.one.acquire(KEY, b"one", NOW + 60, 10)

    assert first is not None
    assert second is not None
    assert third is not None
    assert first < second < third


async def test_only_its_owner_releases_a_lease(workers: Workers) -> None:
    """Whoever lost the lease in the meantime takes it from nobody."""
    await workers.one.acquire(KEY, b"one", NOW, 10)

    await workers.two.release(KEY, b"two")
    await workers.two.release(b"unknown", b"two")

    assert await workers.two.acquire(KEY, b"two", NOW, 10) is None


async def test_leases_on_different_keys_do_not_meet(store: Store) -> None:
    """Nothing is shared between sessions."""
    await store.acquire(KEY, b"one", NOW, 10)

    assert await store.acquire(b"K" * 32, b"two", NOW, 10) is not None


async def test_of_thirty_owners_exactly_one_gets_the_lease(workers: Workers) -> None:
    """The single flight across workers and machines."""
    tokens = await asyncio.gather(
        *((workers.one, workers.two)[n % 2].acquire(KEY, b"owner %d" % n, NOW, 10) for n in range(30))
    )

    assert 29 == tokens.count(None)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_name_is_remembered_once(workers: Workers) -> None:
    """A jti or a login state counts once, whichever worker sees it (OIDC Back-Channel Logout §2.6)."""
    firsts = await asyncio.gather(
        *((workers.one, workers.two)[n % 2].remember(b"jti\x00\xff", NOW, NOW + 60) for n in range(30))
    )

    assert 1 == firsts.count(True)


async def test_a_name_is_forgotten_at_its_time(workers: Workers) -> None:
    """By the caller's clock; then it counts as new."""
    await workers.one.remember(b"name", NOW, NOW + 60, 1.5)

    assert not await workers.two.remember(b"name", NOW + 59.999, NOW + 90, 1.5)
    assert 1.5 == await workers.two.recall(b"name", NOW + 59.999)
    assert await workers.two.recall(b"name", NOW + 60) is None
    assert await workers.two.remember(b"name", NOW + 60, NOW + 90, 0.5)
    assert 0.5 == await workers.one.recall(b"name", NOW + 89.999)


async def test_a_greater_value_is_remembered_in_place_of_a_smaller_one(workers: Workers) -> None:
    """Of several logouts of one user, the last is the one that a login is held to, in whatever order they come."""
    await workers.one.remember(b"name", NOW, NOW + 60, 1_764_000_000.25)

    assert await workers.two.remember(b"name", NOW + 30, NOW + 90, 1_764_000_000.5)
    assert not await workers.one.remember(b"name", NOW + 40, NOW + 100, 1_764_000_000.25)
    assert 1_764_000_000.5 == await workers.one.recall(b"name", NOW + 89.999)
    assert await workers.two.recall(b"name", NOW + 90) is None


async def test_an_unknown_name_recalls_as_none(store: Store) -> None:
    """A session key is no name."""
    await store.create(build_record())

    assert await store.recall(build_record().key, NOW) is None


async def test_a_remembered_value_comes_back_to_the_last_bit(store: Store) -> None:
    """Values are times with fractions."""
    await store.remember(b"name", NOW, NOW + 60, 1_764_000_000.123456)

    assert 1_764_000_000.123456 == await store.recall(b"name", NOW)


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_worker_hears_every_change_in_order(workers: Workers) -> None:
    """Renewals, ends and released leases, of others and its own. In a cluster the order is that of each key."""
    record = build_record()
    ears = [await listen(workers.one), await listen(workers.two), await listen(workers.two)]
    await workers.one.create(record)
    await workers.one.acquire(b"lease \x00\n", b"one", NOW, 10)
    await workers.one.replace(replace(record, version=2), 1)
    await workers.one.release(b"lease \x00\n", b"one")
    await workers.one.end(record.key, "logout", NOW, keep_sealed=False)

    expected = [
        Change(ChangeKind.REPLACED, record.key, 2),
        Change(ChangeKind.RELEASED, b"lease \x00\n"),
        Change(ChangeKind.ENDED, record.key),
    ]
    heard = [await ear.take(3) for ear in ears]
    assert [sorted(expected, key=key_of)] * 3 == [sorted(changes, key=key_of) for changes in heard]


def key_of(change: Change | Lost | Restored) -> bytes:
    """Whose change it is; sorting by it leaves those of one key as they came."""
    return change.key if isinstance(change, Change) else b""


async def test_what_changes_nothing_is_not_pushed(workers: Workers) -> None:
    """Creates, slides, lost races and ends of what is gone stay silent."""
    record = build_record(idle_expires_at=NOW + 60)
    ear = await listen(workers.two)
    await workers.one.create(record)
    await workers.one.touch(record.key, NOW + 61)
    await workers.one.replace(replace(record, version=9), 8)
    await workers.one.end(KEY, "logout", NOW, keep_sealed=False)
    await workers.one.end(record.key, "logout", NOW + 62, keep_sealed=False)
    await workers.one.acquire(KEY, b"one", NOW, 10)
    await workers.one.release(KEY, b"two")
    await workers.one.purge(NOW + 1e6)

    await workers.one.acquire(b"marker", b"one", NOW, 10)
    await workers.one.release(b"marker", b"one")

    assert Change(ChangeKind.RELEASED, b"marker") == await ear.next()


async def test_a_listener_hears_nothing_from_before(workers: Workers) -> None:
    """It starts with `Restored` and what comes after it."""
    await workers.one.create(build_record())
    await workers.one.replace(build_record(version=2), 1)

    ear = await listen(workers.two)
    await workers.one.replace(build_record(version=3), 2)

    assert Change(ChangeKind.REPLACED, build_record().key, 3) == await ear.next()


async def test_a_listener_that_falls_behind_is_told_that_it_lost_changes(workers: Workers) -> None:
    """Its backlog is bounded; it starts afresh with `Lost` and `Restored`."""
    slow = await listen(workers.two)
    quick = await listen(workers.two)
    heard: list[object] = []

    async def follow() -> None:
        while len(heard) < 1100:
            heard.append(await quick.next())

    follower = asyncio.create_task(follow())
    for number in range(1100):
        await workers.one.acquire(b"%d" % number, b"one", NOW, 10)
        await workers.one.release(b"%d" % number, b"one")
        await asyncio.sleep(0)  # memory never waits, and the quick listener needs its turn
    await follower

    assert [Lost(), Restored()] == await slow.take(2)
    assert {Change(ChangeKind.RELEASED, b"%d" % number) for number in range(1100)} == set(heard)


# ── purge and life cycle ─────────────────────────────────────────────────────────────────────────────────


async def test_the_purge_removes_what_is_past_its_end_and_nothing_else(store: Store) -> None:
    """Up to the limit, and it says how many."""
    for number in range(8):
        await store.create(build_record(number, idle_expires_at=NOW + 60 + number))
    await store.end(build_record(0).key, "logout", NOW, keep_sealed=False)

    assert 2 == await store.purge(NOW + 64, limit=2)
    assert 2 == await store.purge(NOW + 64, limit=1000)
    assert 0 == await store.purge(NOW + 64)
    assert [5, 6, 7] == [int.from_bytes(record.key[:4], "big") for record in await store.find(now=NOW)]
    assert Ended(build_record(0).key, "logout", NOW) == await store.load(build_record(0).key, NOW)
    assert not await store.touch(build_record(2).key, NOW + 9000)


async def test_a_purge_leaves_leases_and_names_that_still_count(store: Store) -> None:
    """They are garbage only after their time."""
    await store.acquire(KEY, b"one", NOW, 10)
    await store.remember(b"name", NOW, NOW + 10)

    assert 0 == await store.purge(NOW + 9.999)

    assert await store.acquire(KEY, b"two", NOW + 9.999, 10) is None
    assert not await store.remember(b"name", NOW + 9.999, NOW + 20)


async def test_cancelled_calls_leave_nothing_half_done(workers: Workers) -> None:
    """A browser that goes away cancels its request at any point; the store goes on as if nothing were."""
    record = build_record()
    await workers.one.create(record)
    for steps in range(12):
        tasks = [
            asyncio.create_task(workers.one.replace(replace(record, version=2, sealed=b"lost"), 99)),
            asyncio.create_task(workers.one.touch(record.key, record.idle_expires_at)),
            asyncio.create_task(workers.one.find(now=NOW)),
        ]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert [record, [record], record] == await asyncio.gather(
            workers.one.load(record.key, NOW), workers.one.find(now=NOW), workers.two.load(record.key, NOW)
        )
    assert await workers.two.replace(replace(record, version=2), 1)
    assert await workers.one.end(record.key, "logout", NOW, keep_sealed=False)


async def test_three_hundred_calls_at_once_are_all_answered(store: Store) -> None:
    """The store queues what exceeds its connections."""
    await store.create(build_record())

    answers = await asyncio.gather(*(store.load(build_record().key, NOW) for _ in range(300)))

    assert [build_record()] * 300 == answers


async def test_close_ends_every_iteration_over_changes(store: Store) -> None:
    """Whoever listens comes to an end with the store; whoever begins then, at once."""
    ear = await listen(store)
    waiting = asyncio.create_task(ear.next())
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(StopAsyncIteration):
        await waiting
    assert [] == [event async for event in store.changes()]


async def test_a_closed_store_with_connections_refuses_calls(store: Store, store_url: str) -> None:
    """Nothing is opened again behind the back of whoever closed it."""
    await store.create(build_record())
    await store.close()

    if store_url == "memory:":
        assert build_record() == await store.load(build_record().key, NOW)
    else:
        with pytest.raises(SessionStoreUnavailable):
            await store.load(build_record().key, NOW)


# ── end_many ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_many_are_ended_at_once_and_each_end_is_pushed(workers: Workers) -> None:
    """A mass revocation tells which sessions it ended, keeps what is sealed, and every worker hears of each."""
    keys = [b"%032d" % number for number in range(250)]
    for number, key in enumerate(keys):
        await workers.one.create(build_record(key=key, handle=f"h{number}"))
    await workers.one.end(keys[0], "logout", NOW, keep_sealed=False)
    gone = build_record(key=b"i" * 32, idle_expires_at=NOW - 1)
    await workers.one.create(gone)
    changes = workers.two.changes()
    async with asyncio.timeout(30):
        while not isinstance(await anext(changes), Restored):
            continue

        ended = await workers.one.end_many([*keys, gone.key, b"u" * 32], "revoked", NOW)

        heard: set[bytes] = set()
        while len(heard) < len(keys) - 1:
            news = await anext(changes)
            if isinstance(news, Change) and news.kind is ChangeKind.ENDED:
                heard.add(news.key)
    assert set(keys[1:]) == ended == heard
    assert Ended(keys[1], "revoked", NOW, build_record().sealed) == await workers.two.load(keys[1], NOW)
    assert Ended(keys[0], "logout", NOW) == await workers.two.load(keys[0], NOW)
    assert [] == await workers.two.find(now=NOW)
    assert set() == await workers.two.end_many(keys, "again", NOW)
    assert set() == await workers.two.end_many([], "again", NOW)
