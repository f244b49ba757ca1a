"""Any events, edits and searches: the chain is whole unless others touch it, and search finds what fits."""

import asyncio
import json
from functools import partial
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.access.auditing import AuditQuery, file_search
from bff.access.auditing.chain import new_chain
from bff.access.auditing.events import build_event
from bff.access.auditing.file_search import Search
from bff.access.auditing.matching import decode, fits
from bff.access.auditing.store_reader import StoreReader
from bff.access.auditing.store_sink import StoreSink
from bff.access.auditing.verification import RawLine, Walk
from bff.session.stores.memory_audit import MemoryAudit
from tests.audits import NOW, chain

NAMES = st.sampled_from(["login.done", "login.failed", "access.denied", "roles_cut"])
TEXTS = st.one_of(st.sampled_from(["alice", "bob", "Al", 'a"b', "ä\n"]), st.text(max_size=8))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "subject": TEXTS,
        "reason": TEXTS,
        "route": st.sampled_from(["/api", "/api/orders"]),
        "rule": st.integers(0, 9),
        "other": st.recursive(
            st.none() | st.floats() | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=4
        ),
    },
)
# Times may go back: by little, and by more than lines in order may.
TIMES = st.one_of(st.floats(0, 500), st.integers(0, 5).map(lambda minute: minute * 60.0))
EVENTS = st.lists(
    st.builds(lambda name, fields, at: build_event(name, fields, NOW + at), NAMES, FIELDS, TIMES), max_size=25
)
QUERIES = st.builds(
    partial(AuditQuery),
    event=st.none() | NAMES | st.just("login."),
    subject=st.none() | TEXTS,
    route=st.none() | st.just("/api"),
    text=st.none() | TEXTS,
    since=st.none() | TIMES.map(lambda at: NOW + at),
    until=st.none() | TIMES.map(lambda at: NOW + at),
    limit=st.integers(1, 5),
)
CHAIN = chain()


def lines_of(events):
    """The lines of a chain, and its head."""
    lines, _, head = CHAIN.extend(new_chain(), events)
    return lines, head


def verify(lines, head):
    """What a walk finds wrong."""
    walk = Walk(CHAIN)
    problem = walk.run([RawLine(line, number) for number, line in enumerate(lines, start=1)])
    return problem or walk.check_end(head)


@given(EVENTS)
def test_whatever_is_recorded_makes_a_whole_chain_of_readable_lines(events):
    """No value of any event breaks a line, or the chain."""
    lines, head = lines_of(events)

    assert None is verify(lines, head)
    assert list(range(1, len(events) + 1)) == [json.loads(line)["seq"] for line in lines]


@given(EVENTS.filter(len), st.data())
def test_whatever_is_edited_breaks_the_chain(events, data):
    """A byte, a line more, a line less, two that change places, an end that is cut."""
    lines, head = lines_of(events)
    place = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["byte", "remove", "repeat", "insert", "swap", "cut"])):
        case "byte":
            at = data.draw(st.integers(0, len(lines[place]) - 1))
            flip = data.draw(st.integers(1, 255))
            lines[place] = lines[place][:at] + bytes([lines[place][at] ^ flip]) + lines[place][at + 1 :]
        case "remove":
            del lines[place]
        case "repeat":
            lines.insert(data.draw(st.integers(0, len(lines))), lines[place])
        case "insert":
            lines.insert(place, data.draw(st.binary(max_size=40)))
        case "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            if other == place:
                return
            lines[place], lines[other] = lines[other], lines[place]
        case "cut":
            del lines[place:]

    assert None is not verify(lines, head)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_lies_in_a_log_no_walk_crashes(lines):
    """A verifier reads what an attacker wrote."""
    walk = Walk(CHAIN)
    walk.result(walk.run([RawLine(line, number) for number, line in enumerate(lines)]))


def expected(lines, query):
    """What fits, newest first, by looking at every line."""
    items = [decode(line) for line in reversed(lines)]
    return [item["seq"] for item in items if item is not None and fits(query, item)]


@settings(deadline=None)
@given(EVENTS, QUERIES, st.sampled_from([100, 1000, 1 << 20]), st.sampled_from([16, 4096]))
def test_search_in_a_file_finds_what_fits_page_by_page(tmp_path_factory, events, query, block, piece):
    """The same as looking at every line, whatever the order of times, in as many pages and reads as it takes."""
    lines, _ = lines_of(events)
    path = tmp_path_factory.getbasetemp() / "searched.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with patch.multiple(file_search, _BLOCK=block, _PIECE=piece):
        found = search_all(path, query)

    assert expected(lines, query) == found


def search_all(path, query):
    """What a search finds, page after page."""
    found, after = [], None
    while True:
        search = Search(_after(query, after), float("inf"))
        search.run([path])
        found += [item["seq"] for item in search.items]
        after = search.resume
        if after is None:
            return found


@settings(deadline=None)
@given(EVENTS, QUERIES)
def test_search_in_a_store_finds_what_fits_page_by_page(events, query):
    """Likewise."""

    async def search():
        store = MemoryAudit()
        sink, reader = StoreSink(store, CHAIN, 1e9), StoreReader(store, CHAIN)
        for event in events:
            await sink.append([event])
        lines = await store.read(0, 1000)
        found, asked = [], query
        while True:
            page = await reader.search(asked)
            found += [item["seq"] for item in page.items]
            if page.next is None:
                return expected([line.encode() for line in lines], query), found
            asked = AuditQuery(**{**{n: getattr(query, n) for n in AuditQuery.__slots__}, "after": page.next})

    wanted, found = asyncio.run(search())

    assert wanted == found


def _after(query, seq):
    from bff.session.audit_records import build_cursor

    given_now = {name: getattr(query, name) for name in AuditQuery.__slots__}
    return AuditQuery(**{**given_now, "after": build_cursor(seq) if seq is not None else None})
