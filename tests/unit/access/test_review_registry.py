"""The registry: sealed, merged by compare-and-set, moved to new keys, read page by page, and forgotten in time."""

import asyncio
from dataclasses import replace

import pytest

from bff.access.review_records import Mark, RecordedReview, Ruling, Seen
from bff.access.review_registry import REVIEWS, ROLES, SUBJECTS, Registry
from bff.crypto.key_ring import KeyRing, new_key
from bff.session.stores.memory_documents import MemoryDocuments

NOW = 1_795_514_400.0
DAY = 86_400.0
KEYS = [new_key(), new_key()]


class Contended(MemoryDocuments):
    """Somebody else writes between each read and the write after it, as long as told to."""

    rival = None

    async def write(self, collection, documents, now):
        if self.rival is not None:
            await self.rival(documents)
        return await super().write(collection, documents, now)


def registry(documents=None, keys=KEYS[:1], keep=400 * DAY):
    return Registry(documents if documents is not None else MemoryDocuments(), KeyRing(keys), keep)


def seen(subject="alice", **changes):
    return Seen(**{"issuer": "i", "subject": subject, "told_at": NOW, "roles": ("reader",), **changes})


async def everybody(registry, now=NOW, limit=100):
    """Every entry, by pages."""
    found, after = [], b""
    while after is not None:
        entries, after = await registry.page(now, after, limit)
        found += entries
    return found


async def test_what_two_workers_saw_is_one_entry():
    """Whoever writes first."""
    documents = MemoryDocuments()
    one, two = registry(documents), registry(documents)
    await asyncio.gather(
        one.merge([seen(last_use_at=NOW + 1, uses={"GET /a -": NOW + 1})], NOW),
        two.merge([seen(last_use_at=NOW + 2, uses={"GET /b -": NOW + 2})], NOW),
    )
    (entry,) = await everybody(one)

    assert (NOW + 2, {"GET /a -", "GET /b -"}) == (entry.seen.last_use_at, set(entry.seen.uses))
    assert entry == await two.find("i", "alice", NOW) == await two.get(entry.id, NOW)


async def test_a_writer_who_was_overtaken_tries_again():
    """And what the quicker one wrote is kept."""
    documents = Contended()
    slow, quick = registry(documents), registry(documents)
    await quick.merge([seen()], NOW)

    async def overtake(_documents):
        documents.rival = None
        await quick.merge([seen(last_login_at=NOW + 5)], NOW)

    documents.rival = overtake
    assert [] == await slow.merge([seen(last_use_at=NOW + 7)], NOW)
    (entry,) = await everybody(slow)

    assert (NOW + 5, NOW + 7) == (entry.seen.last_login_at, entry.seen.last_use_at)


async def test_a_writer_who_is_always_overtaken_gets_it_back():
    """To be tried later; nothing is lost and nobody waits for ever."""
    documents = Contended()
    slow, quick = registry(documents), registry(documents)
    ticks = iter(range(1, 100))

    async def overtake(_documents):
        rival, documents.rival = documents.rival, None
        await quick.merge([seen(last_login_at=NOW + next(ticks))], NOW)
        documents.rival = rival

    documents.rival = overtake
    mine = seen(last_use_at=NOW + 7)

    assert [mine] == await slow.merge([mine], NOW)


async def test_what_is_known_already_is_not_written_again():
    """A store's writes are for news."""
    documents = MemoryDocuments()
    first = registry(documents)
    await first.merge([seen()], NOW)
    (before,) = await documents.page(SUBJECTS, NOW)
    await first.merge([seen()], NOW + 60)

    assert [before] == await documents.page(SUBJECTS, NOW)


async def test_nothing_lies_in_the_store_in_clear():
    """Neither names, nor roles, nor who decided: keyed hashes, times and sealed bytes."""
    documents = MemoryDocuments()
    kept = registry(documents)
    await kept.merge([seen("alice", name="Alice", mark=Mark("keep", NOW, "carol", "fine"))], NOW)
    await kept.tell_roles({"reader"}, NOW)
    await kept.append(RecordedReview(NOW, "carol", "autumn", None, (Ruling("alice", "i", "keep"),)), NOW)
    lying = [await documents.page(collection, NOW) for collection in (SUBJECTS, ROLES, REVIEWS)]
    dump = b"".join(document.key + document.sealed for page in lying for document in page)

    assert [] == [word for word in (b"alice", b"Alice", b"reader", b"carol", b"autumn", b"keep") if word in dump]
    assert [] == await everybody(registry(documents, keys=KEYS[1:]))


async def test_a_document_put_in_the_place_of_another_does_not_open():
    """Whoever can write to the store cannot give somebody else's access to anybody."""
    documents = MemoryDocuments()
    kept = registry(documents)
    await kept.merge([seen("alice"), seen("bob", roles=("admin",))], NOW)
    one, two = await documents.page(SUBJECTS, NOW)
    swapped = [replace(one, version=2, sealed=two.sealed), replace(two, version=2, sealed=one.sealed)]
    assert {one.key, two.key} == await documents.write(SUBJECTS, swapped, NOW)

    assert [] == await everybody(kept)
    await kept.merge([seen("alice")], NOW)
    assert ["alice"] == [entry.seen.subject for entry in await everybody(kept)]


async def test_entries_move_to_a_new_key_as_they_are_seen():
    """Until then they are found under the old one; nobody is listed twice."""
    documents = MemoryDocuments()
    await registry(documents).merge([seen("alice", first_seen_at=NOW), seen("bob")], NOW)
    both = registry(documents, keys=[KEYS[1], KEYS[0]])
    assert {"alice", "bob"} == {entry.seen.subject for entry in await everybody(both)}
    assert "bob" == (await both.find("i", "bob", NOW)).seen.subject

    await both.merge([seen("alice", told_at=NOW + 9, first_seen_at=NOW + 9)], NOW)
    assert 2 == len(await documents.page(SUBJECTS, NOW))
    after = registry(documents, keys=KEYS[1:])

    assert [("alice", NOW)] == [(entry.seen.subject, entry.seen.first_seen_at) for entry in await everybody(after)]


async def test_a_worker_with_an_old_key_makes_nobody_appear_twice():
    """While keys change, one worker may still write under the old one."""
    documents = MemoryDocuments()
    new = registry(documents, keys=[KEYS[1], KEYS[0]])
    await new.merge([seen("alice")], NOW)
    await registry(documents).merge([seen("alice", last_use_at=NOW + 3)], NOW)

    assert ["alice"] == [entry.seen.subject for entry in await everybody(new)]
    await new.merge([seen("alice")], NOW)
    assert [NOW + 3] == [entry.seen.last_use_at for entry in await everybody(new)]
    assert 1 == len(await documents.page(SUBJECTS, NOW))


async def test_somebody_is_forgotten_so_long_after_the_last_sign_of_them():
    """`[review] keep`."""
    kept = registry(keep=10 * DAY)
    await kept.merge([seen("alice"), seen("bob", last_use_at=NOW + 5 * DAY)], NOW)

    assert ["bob"] == [entry.seen.subject for entry in await everybody(kept, NOW + 10 * DAY)]
    assert [] == await everybody(kept, NOW + 15 * DAY)


async def test_reviews_come_the_latest_first_and_are_never_written_over():
    """Two of one moment are two."""
    kept = registry()
    ids = []
    for at, by in ((NOW, "a"), (NOW + 60, "b"), (NOW + 60, "c"), (NOW + 30, "d")):
        ids.append(await kept.append(RecordedReview(at, by, "", None, ()), at))
    first, after = await kept.reviews(NOW, b"", 3)
    rest, end = await kept.reviews(NOW, after, 3)

    assert 4 == len(set(ids))
    assert {"b", "c"} == {review.by for _, review in first[:2]}
    assert ["d", "a"] == [review.by for _, review in [*first[2:], *rest]]
    assert end is None


async def test_the_beginning_is_noted_once():
    """The first worker's."""
    kept = registry()
    assert await kept.began_at(NOW) is None
    await kept.begin(NOW)
    await kept.begin(NOW + 60)

    assert NOW == await kept.began_at(NOW + 1000 * DAY)


async def test_roles_that_were_seen_are_known_as_long_as_they_are_kept():
    """And as they are told again."""
    kept = registry(keep=10 * DAY)
    await kept.tell_roles({"a", "b"}, NOW)
    await kept.tell_roles({"b"}, NOW + 5 * DAY)

    assert {"a", "b"} == await kept.roles(NOW + 9 * DAY)
    assert {"b"} == await kept.roles(NOW + 10 * DAY)


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_pages_hold_everybody_once(limit):
    """Whatever their size."""
    kept = registry()
    await kept.merge([seen(f"s{number}") for number in range(150)], NOW)

    names = [entry.seen.subject for entry in await everybody(kept, limit=limit)]
    assert sorted(names) == sorted({f"s{number}" for number in range(150)})
