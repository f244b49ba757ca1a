"""What every store promises of its documents, held against each of them. The clock is injected."""

import asyncio
from dataclasses import replace

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.documents import Document, Documents
from bff.session.records import Store
from bff.session.stores import documents_of
from bff.session.stores.memory_documents import MemoryDocuments
from tests.contract.conftest import Workers

NOW = 1_000_000.0
SEEN = "seen"


def build_document(number: int = 0, **changes: object) -> Document:
    """One document; keys are spread over the whole range and sort by their number."""
    document = Document(
        key=bytes([number * 37 % 256]) + number.to_bytes(4, "big") + b"\x00 \n\xff",
        version=1,
        sealed=b"sealed\x00\xff %d" % number,
        updated_at=NOW + 0.123456789,
        expires_at=NOW + 3600.123456789,
    )
    return replace(document, **changes)  # type: ignore[arg-type]


@pytest.fixture
def documents(store: Store) -> Documents:
    """The documents of one open store."""
    return documents_of(store)


async def all_pages(documents: Documents, collection: str, limit: int, now: float = NOW) -> list[Document]:
    """Every document, page by page."""
    found: list[Document] = []
    while True:
        page = await documents.page(collection, now, after=found[-1].key if found else b"", limit=limit)
        found += page
        if len(page) < limit:
            return found


async def test_a_document_reads_as_it_was_written_by_another_worker(workers: Workers) -> None:
    """To the last bit."""
    document = build_document()

    assert {document.key} == await documents_of(workers.one).write(SEEN, [document], NOW)
    assert {document.key: document} == await documents_of(workers.two).read(SEEN, [document.key, b"other"], NOW)


async def test_collections_are_apart(documents: Documents) -> None:
    """The same key names two things in two of them."""
    await documents.write("a", [build_document(sealed=b"a")], NOW)
    await documents.write("b", [build_document(sealed=b"b")], NOW)

    key = build_document().key
    assert [b"a", b"b"] == [(await documents.read(name, [key], NOW))[key].sealed for name in ("a", "b")]
    assert {} == await documents.read("c", [key], NOW)


async def test_a_version_is_written_over_the_one_before_it_alone(documents: Documents) -> None:
    """Compare-and-set: neither over itself, nor over one that was never read."""
    first = build_document()
    key = first.key
    await documents.write(SEEN, [first], NOW)

    for version in (1, 3, 4):
        assert set() == await documents.write(SEEN, [replace(first, version=version, sealed=b"no")], NOW)
    second = replace(first, version=2, sealed=b"second", updated_at=NOW + 9, expires_at=NOW + 7200)
    assert {key} == await documents.write(SEEN, [second], NOW)
    assert set() == await documents.write(SEEN, [replace(second, sealed=b"late")], NOW)
    assert {key: second} == await documents.read(SEEN, [key], NOW)


async def test_a_later_version_is_not_written_where_there_is_none(documents: Documents) -> None:
    """What was removed meanwhile is not brought back by one who knew it."""
    assert set() == await documents.write(SEEN, [build_document(version=2)], NOW)
    assert [] == await documents.page(SEEN, NOW)


async def test_of_a_batch_those_are_written_whose_turn_it_is(documents: Documents) -> None:
    """And the caller is told which."""
    await documents.write(SEEN, [build_document(1), build_document(2)], NOW)

    batch = [build_document(1, version=2), build_document(2), build_document(3), build_document(4, version=2)]

    assert {build_document(1).key, build_document(3).key} == await documents.write(SEEN, batch, NOW)


async def test_one_of_several_writers_wins(workers: Workers) -> None:
    """Two workers that read the same version do not both write over it."""
    one, two = documents_of(workers.one), documents_of(workers.two)
    await one.write(SEEN, [build_document()], NOW)
    tries = [replace(build_document(), version=2, sealed=b"%d" % number) for number in range(10)]

    written = await asyncio.gather(
        *((one if number % 2 else two).write(SEEN, [each], NOW) for number, each in enumerate(tries))
    )

    assert 1 == sum(len(keys) for keys in written)


async def test_a_large_batch_is_written_whole_and_paged_in_order(documents: Documents) -> None:
    """More than one statement or round trip holds; pages neither repeat nor leave out."""
    everything = [build_document(number) for number in range(450)]

    assert {document.key for document in everything} == await documents.write(SEEN, everything, NOW)
    expected = sorted(everything, key=lambda document: document.key)
    assert expected == await all_pages(documents, SEEN, 100)
    assert expected == await all_pages(documents, SEEN, 450)
    assert expected[:7] == await documents.page(SEEN, NOW, limit=7)
    assert {each.key: each for each in everything} == await documents.read(SEEN, [d.key for d in everything], NOW)


async def test_what_is_past_its_end_is_not_there(documents: Documents) -> None:
    """Whether or not it has been purged; a new first version takes its place, and an old writer does not."""
    brief = build_document(0, expires_at=NOW + 10)
    await documents.write(SEEN, [brief, build_document(1)], NOW)

    assert {} == await documents.read(SEEN, [brief.key], NOW + 10)
    assert [build_document(1)] == await documents.page(SEEN, NOW + 10, limit=1)
    assert set() == await documents.write(SEEN, [replace(brief, version=2)], NOW + 10)
    again = replace(brief, sealed=b"again", expires_at=NOW + 99)
    assert {brief.key} == await documents.write(SEEN, [again], NOW + 10)
    assert {brief.key: again} == await documents.read(SEEN, [brief.key], NOW + 10)


async def test_the_purge_removes_what_is_past_its_end(store: Store, documents: Documents) -> None:
    """And nothing else, at most as many as are asked for; the store's own purge does it."""
    await documents.write("a", [build_document(number, expires_at=NOW + 10) for number in range(5)], NOW)
    await documents.write("b", [build_document(1, expires_at=NOW + 10), build_document(2)], NOW)

    assert 0 == await documents.purge(NOW)
    assert 4 == await documents.purge(NOW + 10, limit=4)
    assert 2 == await store.purge(NOW + 10)
    assert 0 == await documents.purge(NOW + 10)
    assert [build_document(2)] == await documents.page("b", NOW)


async def test_a_prolonged_document_outlives_its_first_end(documents: Documents) -> None:
    """Each version brings its own end, later or sooner."""
    await documents.write(SEEN, [build_document(1, expires_at=NOW + 10), build_document(2)], NOW)
    longer, shorter = (
        build_document(1, version=2, expires_at=NOW + 50),
        build_document(2, version=2, expires_at=NOW + 5),
    )
    await documents.write(SEEN, [longer, shorter], NOW)

    assert 1 == await documents.purge(NOW + 20)
    assert {longer.key: longer} == await documents.read(SEEN, [longer.key, shorter.key], NOW + 20)
    assert 1 == await documents.purge(NOW + 50)


async def test_a_removed_document_is_gone(documents: Documents) -> None:
    """Once."""
    await documents.write(SEEN, [build_document(1), build_document(2)], NOW)

    assert await documents.remove(SEEN, build_document(1).key)
    assert not await documents.remove(SEEN, build_document(1).key)
    assert [build_document(2)] == await all_pages(documents, SEEN, 1)
    assert {build_document(1).key} == await documents.write(SEEN, [build_document(1)], NOW)


async def test_nothing_asked_is_nothing_answered(documents: Documents) -> None:
    """Empty lists cost no fault."""
    assert {} == await documents.read(SEEN, [], NOW)
    assert set() == await documents.write(SEEN, [], NOW)
    assert [] == await documents.page(SEEN, NOW, limit=0)


async def test_a_closed_store_refuses_its_documents(store: Store, store_url: str) -> None:
    """With the one error of the stores."""
    if store_url == "memory:":
        return  # memory has nothing to close
    documents = documents_of(store)
    await documents.write(SEEN, [build_document()], NOW)
    await store.close()

    for call in (
        documents.read(SEEN, [b"k"], NOW),
        documents.write(SEEN, [build_document(1)], NOW),
        documents.page(SEEN, NOW),
        documents.remove(SEEN, b"k"),
        documents.purge(NOW),
    ):
        with pytest.raises(SessionStoreUnavailable):
            await call


async def test_memory_is_bounded() -> None:
    """A full one takes no new document, goes on with those it has, and has room again after their end."""
    documents = MemoryDocuments(limit=2)
    await documents.write(SEEN, [build_document(1, expires_at=NOW + 10), build_document(2)], NOW)

    with pytest.raises(SessionStoreUnavailable):
        await documents.write(SEEN, [build_document(3)], NOW)
    assert {build_document(2).key} == await documents.write(SEEN, [build_document(2, version=2)], NOW)
    assert {build_document(3).key} == await documents.write(SEEN, [build_document(3)], NOW + 10)


async def test_rewriting_a_document_in_memory_costs_no_memory() -> None:
    """A subject that is seen every minute for a year is one entry."""
    documents = MemoryDocuments()
    for version in range(1, 1000):
        await documents.write(SEEN, [build_document(version=version, expires_at=NOW + version)], NOW)

    assert 1 == len(documents._ends)
    assert 0 == await documents.purge(NOW + 500)
    assert 1 == await documents.purge(NOW + 999)
