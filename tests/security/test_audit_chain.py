"""Attacks on the audit log by one who can write to its file or store, and does not have the server's keys."""

import asyncio
import json
import os
import shutil

import pytest

from bff.access.auditing import AuditQuery
from bff.access.auditing.chain import Chain, new_chain
from bff.access.auditing.ends import End
from bff.access.auditing.file_heads import head_path
from bff.access.auditing.file_reader import FileReader
from bff.access.auditing.file_search import Content, Search
from bff.access.auditing.file_sink import FileSink
from bff.crypto.key_ring import KeyRing, new_key
from bff.session.stores import audit_of, open_store
from tests.audits import NOW, chain, event, in_file, in_store

pytestmark = pytest.mark.security


class Log:
    """A log of six lines in a file, and a pen for its attacker."""

    def __init__(self, path, with_chain=None):
        self.path = path
        self.chain = with_chain or chain()
        self.audit = in_file(path, self.chain)

    async def fill(self, count=5, first=0):
        for number in range(first, first + count):
            await self.audit.sink.append([event(subject=f"u{number}", time=NOW + number)])

    @property
    def lines(self):
        return self.path.read_bytes().splitlines(keepends=True)

    def write(self, lines):
        # In place: the inode stays, as with an editor that is careful.
        with self.path.open("r+b") as file:
            file.write(b"".join(lines))
            file.truncate()

    async def problem(self):
        """Where the log is broken, and what is said."""
        verified = await self.audit.reader.verify()
        assert verified.ok == (verified.problem is None)
        return (verified.problem.line, verified.problem.message) if verified.problem is not None else None


@pytest.fixture
async def log(tmp_path):
    """A log that nobody has touched."""
    log = Log(tmp_path / "audit.jsonl")
    await log.fill()
    assert None is await log.problem()
    return log


async def test_line_that_was_edited_is_found(log):
    """A name, an outcome, a time: any byte."""
    lines = log.lines
    log.write([*lines[:2], lines[2].replace(b'"u1"', b'"mallory"'), *lines[3:]])
    line, message = await log.problem()

    assert 3 == line
    assert "it was changed" in message


async def test_every_single_byte_is_protected(log):
    """Whichever byte of whichever line is another one, the log is broken."""
    content = log.path.read_bytes()
    for place in range(0, len(content), 7):
        log.write([content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]])

        assert None is not await log.problem(), f"byte {place}"


async def test_line_that_was_removed_is_found(log):
    """The next one's number and `prev` tell."""
    lines = log.lines
    log.write([*lines[:2], *lines[3:]])
    line, message = await log.problem()

    assert (4, "line 3 before it: removed, or moved elsewhere") == (line, message)


async def test_lines_that_changed_places_are_found(log):
    """Both are genuine, and neither is in its place."""
    lines = log.lines
    log.write([*lines[:2], lines[3], lines[2], *lines[4:]])

    assert 4 == (await log.problem())[0]


async def test_line_that_was_repeated_is_found(log):
    """A genuine line, twice."""
    lines = log.lines
    log.write([*lines[:4], lines[2], *lines[4:]])
    line, message = await log.problem()

    assert 3 == line
    assert "moved here, or repeated" in message


@pytest.mark.parametrize(
    "inserted",
    [b"\n", b"hello\n", b'{"seq":4}\n', b'{"seq":4,"time":1.0,"event":"login.done","mac":"%s"}\n' % (b"A" * 43)],
    ids=["empty", "text", "json", "forged"],
)
@pytest.mark.parametrize("place", [0, 3, 6])
async def test_line_that_was_inserted_is_found(log, inserted, place):
    """Before the first, between two, behind the last."""
    lines = log.lines
    log.write([*lines[:place], inserted, *lines[place:]])

    assert None is not await log.problem()


@pytest.mark.parametrize("kept", [0, 1, 4, 5])
async def test_end_that_was_cut_off_is_found(log, kept):
    """The head record knows the last line."""
    log.write(log.lines[:kept])
    _, message = await log.problem()

    assert "gone" in message


async def test_end_that_was_cut_off_is_found_after_the_server_has_gone_on(log):
    """The writer itself notices, and says so in the chain."""
    log.write(log.lines[:4])
    await log.fill(2, first=10)
    line, message = await log.problem()

    assert 7 == line
    assert "line 5 to 6 before it" in message


async def test_last_line_cut_in_half_is_no_torn_line(log):
    """A writer that was killed never told the head record of it."""
    log.path.write_bytes(log.path.read_bytes()[:-40])
    _, message = await log.problem()

    assert "the end was cut off" in message


async def test_beginning_that_was_cut_off_is_found(log):
    """A file begins with the first line of all, or with one that tells of a rotation."""
    log.write(log.lines[2:])
    line, message = await log.problem()

    assert 3 == line
    assert "the lines before it were removed" in message


async def test_head_record_that_was_removed_is_found(log):
    """Without it nothing says where the log ends, now and after the server has gone on."""
    head_path(log.path).unlink()
    log.write(log.lines[:4])
    assert "there is no head record" in (await log.problem())[1]

    await log.fill(1, first=10)
    assert "there was no head record" in (await log.problem())[1]


@pytest.mark.parametrize("content", [b"", b"x" * 2048, b"[]", b'["{}","00000000","x"]'])
async def test_head_record_that_was_damaged_is_found(log, content):
    """Likewise: damage does not make the log forget that it had an end."""
    head_path(log.path).write_bytes(content)
    log.write(log.lines[:4])
    assert None is not await log.problem()

    await log.fill(1, first=10)
    assert "when the server went on" in (await log.problem())[1]


async def test_older_copy_of_file_and_head_is_found_by_what_the_store_remembers(log, tmp_path):
    """Both fit each other; the session store has seen a later line."""
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in (log.path, head_path(log.path)):
        shutil.copy(path, copies)
    await log.fill(3, first=10)
    for path in (log.path, head_path(log.path)):
        shutil.copy(copies / path.name, path)

    async def remembered(_chain):
        return End(9, 0)

    replayed = await FileReader(log.path, log.chain, remembered=remembered).verify()

    assert not replayed.ok
    assert "replaced by an older one" in replayed.problem.message


async def test_older_head_record_alone_hides_nothing(log):
    """The lines behind it are genuine, and there is nothing to hide: a cut behind it is one before the store's."""
    old = head_path(log.path).read_bytes()
    await log.fill(3, first=10)
    head_path(log.path).write_bytes(old)

    assert None is await log.problem()
    await log.fill(1, first=20)
    assert None is await log.problem()


async def test_lines_forged_with_another_key_are_found(log):
    """Well made, with a key that is not ours: alone, behind ours, or in their place."""
    thief = Log(log.path.with_name("forged.jsonl"), Chain(KeyRing([new_key()])))
    await thief.fill()
    genuine = log.lines
    for forged in (thief.lines, [*genuine, *thief.lines], [*genuine[:3], *thief.lines[3:]]):
        log.write(forged)

        assert "is not among ours" in (await log.problem())[1]


async def test_lines_that_claim_our_key_without_having_it_are_found(log):
    """The key's name is no secret; the tag is what counts."""
    thief = Chain(KeyRing([new_key()]))
    head = log.chain.parse_head(head_path(log.path).read_bytes()[:1024].strip() or b"")
    genuine = log.lines
    lines, _, _ = thief.extend(head, [event(subject="mallory")])
    ours = json.loads(genuine[0])["key"].encode()
    theirs = json.loads(lines[0])["key"].encode()
    log.write([*genuine, lines[0].replace(theirs, ours) + b"\n"])

    assert "its tag does not fit" in (await log.problem())[1]


async def test_two_logs_cannot_be_spliced(log):
    """Both genuine, of one key; each chain has a name that is part of every line."""
    other = Log(log.path.with_name("other.jsonl"), log.chain)
    await other.fill()
    log.write([*log.lines[:3], *other.lines[3:]])
    line, message = await log.problem()

    assert (4, "it belongs to another log") == (line, message)


async def test_log_of_another_server_is_not_ours(log):
    """A whole genuine log in the place of ours: the head record is of another chain."""
    other = Log(log.path.with_name("other.jsonl"), log.chain)
    await other.fill()
    log.write(other.lines)

    assert "another log" in (await log.problem())[1]


async def test_head_is_no_line_and_a_line_is_no_head(log):
    """A tag is for one use: neither can stand in for the other."""
    record = log.chain.build_head(new_chain())
    from bff.crypto.key_ring import CannotOpenError

    with pytest.raises(CannotOpenError):
        log.chain.parse_head(log.lines[0])
    log.write([*log.lines, record.encode() + b"\n"])

    assert None is not await log.problem()


async def test_forged_line_appended_while_the_server_is_down_is_found_later(log):
    """The server goes on behind its own last line; what was put in between stands out."""
    with log.path.open("ab") as file:
        file.write(log.lines[2])
    await log.fill(1, first=10)

    assert (3, True) == ((await log.problem())[0], "repeated" in (await log.problem())[1])


async def test_forged_line_without_a_tag_is_not_taken_for_a_torn_one(log):
    """A torn line is part of an object, and never JSON by itself."""
    with log.path.open("ab") as file:
        file.write(b'{"time":1.0,"event":"login.done","subject":"mallory"}')
    assert None is not await log.problem()
    await log.fill(1, first=10)

    assert "inserted, or damaged" in (await log.problem())[1]


async def test_file_put_in_the_log_s_place_is_found(log):
    """The server notices that it is another file with another end."""
    shorter = log.lines[:3]
    log.path.unlink()
    log.path.write_bytes(b"".join(shorter))
    await log.fill(1, first=10)

    assert None is not await log.problem()


async def test_rotated_file_that_was_cut_is_found(log):
    """The chain leads through the files."""
    rotated = log.path.with_name("audit.jsonl.1")
    log.path.rename(rotated)
    await log.fill(2, first=10)
    assert None is await log.problem()
    lines = rotated.read_bytes().splitlines(keepends=True)
    rotated.write_bytes(b"".join(lines[:-1]))

    assert "line 6 before it" in (await log.problem())[1]


async def test_files_in_the_wrong_order_are_found(log):
    """Verification takes files in order, and tells when they are not."""
    rotated = log.path.with_name("audit.jsonl.1")
    log.path.rename(rotated)
    await log.fill(2, first=10)
    swapped = await FileReader(rotated, log.chain, (log.path, rotated), has_end=False).verify()

    assert not swapped.ok


async def test_file_that_is_cut_while_it_is_searched_ends_no_process(log):
    """A search reads what is left; nothing of it is mapped into memory, where a cut would kill the worker."""
    with log.path.open("rb") as file:
        content = Content(file.fileno(), log.path.stat().st_size)
        search = Search(AuditQuery(subject="u1", since=NOW), float("inf"))
        os.truncate(log.path, 10)
        search._file(content)

    assert [] == search.items


# ── the session store ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def stored(tmp_path):
    """A log in SQLite, and its attacker's connection."""
    import sqlite3

    store = open_store(f"sqlite:///{tmp_path / 'sessions.db'}")
    await store.open()
    audit = in_store(store)
    for number in range(5):
        await audit.sink.append([event(subject=f"u{number}")])
    with sqlite3.connect(tmp_path / "sessions.db", isolation_level=None) as attacker:
        yield audit, attacker, audit_of(store)
    attacker.close()
    await store.close()


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("UPDATE audit_lines SET line = replace(line, 'u1', 'mallory') WHERE seq = 3", "its tag does not fit"),
        ("DELETE FROM audit_lines WHERE seq = 3", "removed, or moved"),
        ("DELETE FROM audit_lines WHERE seq >= 5", "the end was cut off"),
        ("DELETE FROM audit_lines WHERE seq IN (1, 2)", "lines at the beginning were removed"),
        ("DELETE FROM audit_lines WHERE seq > 0", "is gone"),
        ("DELETE FROM audit_lines WHERE seq = 0", "there is no head record"),
        ("UPDATE audit_lines SET line = 'x' WHERE seq = 0", "the head record is damaged"),
        ("UPDATE audit_lines SET line = (SELECT line FROM audit_lines WHERE seq = 4) WHERE seq = 3", "removed"),
        ("UPDATE audit_lines SET line = 'hello' WHERE seq = 3", "inserted, or damaged"),
        ("UPDATE audit_lines SET line = '' WHERE seq = 6", "inserted, or damaged"),
    ],
)
async def test_attacks_on_the_store_are_found(stored, attack, said):
    """The store's own rows are as good as anybody's: only tags count."""
    audit, attacker, _ = stored
    assert (await audit.reader.verify()).ok
    attacker.execute(attack)
    verified = await audit.reader.verify()

    assert not verified.ok
    assert said in verified.problem.message


async def test_head_record_of_an_earlier_moment_hides_no_line_of_the_store(stored):
    """An older head under newer lines: they are genuine, and are seen."""
    audit, attacker, store = stored
    old = await store.head()
    await audit.sink.append([event(subject="later")])
    attacker.execute("UPDATE audit_lines SET line = ? WHERE seq = 0", (old,))
    verified = await audit.reader.verify()

    assert 7 == verified.lines


async def test_writers_and_a_verifier_do_not_alarm_each_other(tmp_path):
    """Verification while lines are being written finds nothing wrong."""
    log = Log(tmp_path / "audit.jsonl")
    await log.fill(1)

    async def write():
        sink = FileSink(log.path, chain())
        for number in range(100):
            await sink.append([event(subject=f"w{number}")] * 3)

    writing = [asyncio.ensure_future(write()) for _ in range(2)]
    problems = []
    while not all(task.done() for task in writing):
        problems.append(await log.problem())
    await asyncio.gather(*writing)

    assert {None} == {*problems, await log.problem()}
