"""What every audit sink that can be read back must do, whatever it lies in and however many write to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bff.access.auditing import AuditQuery, InvalidCursor
from bff.access.auditing.chain import Chain
from bff.session.stores import open_store
from tests.audits import DAY, KEY, NOW, OLD_KEY, Audited, chain, event, in_file, in_store
from tests.contract.conftest import BACKENDS, PATIENCE, empty_store


class Opener:
    """Opens sinks on the same lines, as several workers do."""

    def __init__(self, kind, url, path):
        self.kind = kind
        self._url = url
        self._path = path
        self._stores = []

    async def __call__(self, with_chain: Chain | None = None, *, retention: float = 90 * DAY) -> Audited:
        if self.kind == "file":
            return in_file(self._path, with_chain)
        if self.kind != "memory" or not self._stores:
            store = open_store(self._url, timeout=PATIENCE)
            await store.open()
            self._stores.append(store)
        return in_store(self._stores[-1], with_chain, retention=retention)

    async def close(self):
        for store in self._stores:
            await store.close()


@pytest.fixture(params=["file", *BACKENDS])
async def opener(request, tmp_path) -> AsyncIterator[Opener]:
    """One empty place."""
    url = "memory:" if request.param == "file" else empty_store(request.param, request, tmp_path)
    opener = Opener(request.param, url, tmp_path / "audit.jsonl")
    yield opener
    await opener.close()


@pytest.fixture
async def audit(opener: Callable[[], Awaitable[Audited]]) -> Audited:
    """A log."""
    return await opener()


async def fill(audit, *events):
    for each in events:
        await audit.sink.append([each])


async def found(audit, **query):
    """The subjects of the lines found, newest first, whatever the number of pages."""
    items, after = [], None
    while True:
        page = await audit.reader.search(AuditQuery(**query, after=after))
        items += page.items
        if page.next is None:
            return [item.get("subject") for item in items]
        after = page.next


async def test_lines_come_back_newest_first_as_they_went_in(audit):
    """With their number, their time and the names that every line has."""
    await audit.sink.append(
        [event(subject="alice"), event("access.denied", NOW + 1, reason="role_missing", rule=2)]
    )
    page = await audit.reader.search(AuditQuery(limit=2))

    assert None is not page.next, "the line that tells of the log's beginning"
    denied, login = page.items
    assert (3, NOW + 1, "access.denied", "denied", "role_missing", 2) == tuple(
        denied[name] for name in ("seq", "time", "event", "outcome", "reason", "rule")
    )
    assert (2, NOW, "login.done", "ok", "alice") == tuple(
        login[name] for name in ("seq", "time", "event", "outcome", "subject")
    )
    assert denied["prev"] == login["mac"]


async def test_empty_log_has_no_lines_and_is_whole(audit):
    """Nothing has happened yet, and nothing is missing."""
    page = await audit.reader.search(AuditQuery())

    assert ((), None) == (page.items, page.next)


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ({"subject": "bob"}, ["bob"]),
        ({"event": "login.failed"}, [None]),
        ({"event": "login."}, [None, "alice"]),
        ({"event": "log"}, []),
        ({"session": "s1"}, ["bob", "alice"]),
        ({"session": "s1", "subject": "bob"}, ["bob"]),
        ({"route": "/api/orders"}, ["bob"]),
        ({"method": "DELETE"}, ["bob"]),
        ({"outcome": "failed"}, [None]),
        ({"reason": 'say "no"'}, [None]),
        ({"text": "ORDERS"}, ["bob"]),
        ({"text": "mac"}, []),
        ({"text": 'y "N'}, [None]),
        ({"text": "käse"}, ["käse\n"]),
        ({"subject": "käse\n"}, ["käse\n"]),
        ({"since": NOW + 2}, ["käse\n", "bob"]),
        ({"until": NOW + 1}, [None, "alice", None]),
        ({"since": NOW + 1, "until": NOW + 1}, [None]),
        ({"subject": "nobody"}, []),
        ({"event": "login.", "outcome": "ok"}, ["alice"]),
    ],
    ids=str,
)
async def test_every_criterion_finds_what_fits_and_nothing_else(audit, query, subjects):
    """Exact, or the beginning of an event's name, or any part of any value."""
    await audit.sink.append(
        [
            event(subject="alice", session="s1"),
            event("login.failed", NOW + 1, reason='say "no"'),
            event("access.denied", NOW + 2, subject="bob", session="s1", route="/api/orders", method="DELETE"),
            event("logout.done", NOW + 3, subject="käse\n"),
        ]
    )

    assert subjects == await found(audit, **query)


async def test_pages_lead_through_all_lines_once(audit):
    """However small the pages are, and while new lines come."""
    await audit.sink.append([event(subject=f"u{number}", time=NOW + number) for number in range(25)])
    seen, after = [], None
    while True:
        page = await audit.reader.search(AuditQuery(event="login.done", limit=4, after=after))
        seen += [item["subject"] for item in page.items]
        await fill(audit, event(subject="later"))
        if page.next is None:
            break
        after = page.next

    assert [f"u{number}" for number in reversed(range(25))] == seen


async def test_line_that_was_written_late_is_found_by_its_time(audit):
    """What waited for a sink that failed comes behind younger lines."""
    minutes = [event(subject=f"m{minute}", time=NOW + 60 * minute) for minute in range(10)]
    await audit.sink.append([*minutes, event(subject="late", time=NOW + 90)])

    assert ["late", "m1"] == await found(audit, since=NOW + 60, until=NOW + 100)
    assert ["m9", "m8"] == await found(audit, since=NOW + 480)


async def test_chain_of_several_writers_is_one(opener):
    """Ten workers append at the same time: no number twice, none missing, every line in its place."""
    audits = [await opener() for _ in range(3)]
    await asyncio.gather(*(fill(audit, *[event(subject=f"w{place}")] * 10) for place, audit in enumerate(audits)))
    verified = await audits[0].reader.verify()

    assert (True, 31, None) == (verified.ok, verified.lines, verified.problem)
    assert [10, 10, 10] == [len(await found(audits[1], subject=f"w{place}")) for place in range(3)]


async def test_chain_outlives_a_new_key(opener):
    """Lines name their key: what an old key signed is verified as long as it is in the ring."""
    await fill(await opener(chain(OLD_KEY)), event(subject="before"))
    both = await opener(chain(KEY, OLD_KEY))
    await fill(both, event(subject="after"))
    without = await (await opener(chain(KEY))).reader.verify()

    assert (await both.reader.verify()).ok
    assert "which is not among ours" in without.problem.message


async def test_verification_counts_and_dates_what_it_saw(audit):
    """What an auditor writes down: the chain's name, from where to where, from when to when."""
    await fill(audit, event(time=NOW), event(time=NOW + 5))
    verified = await audit.reader.verify()

    assert (True, 3, 1, 3, NOW, NOW + 5) == (
        verified.ok,
        verified.lines,
        verified.first_seq,
        verified.last_seq,
        verified.first_time,
        verified.last_time,
    )


@pytest.mark.parametrize("after", ["", "x", "YQ", "MTI", "é", "a" * 40])
async def test_cursor_that_is_none_is_refused(after):
    """Before anything is searched."""
    with pytest.raises(InvalidCursor):
        AuditQuery(after=after)


@pytest.mark.parametrize("opener", BACKENDS, indirect=True)
async def test_what_is_over_goes_and_the_rest_stays_verifiable(opener):
    """The first line that is kept follows the last one that was removed, which the head record names."""
    audit = await opener(retention=10.0)
    await audit.sink.append([event(subject=f"u{number}", time=NOW + number) for number in range(20)])
    removed = await audit.sink.purge(NOW + 20)
    verified = await audit.reader.verify()

    assert (11, 10) == (removed, verified.lines)
    assert (True, 12, None) == (verified.ok, verified.first_seq, verified.problem)
    assert [f"u{number}" for number in reversed(range(10, 20))] == await found(audit)
    assert [] == await found(audit, subject="u3")
    await fill(audit, event(subject="new", time=NOW + 21))
    assert 0 == await audit.sink.purge(NOW + 20)
    assert (await audit.reader.verify()).ok
