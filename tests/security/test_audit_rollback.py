"""Attacks on the audit log by one who puts back an older state of it, all genuine, and lets the server go on."""

import shutil

import pytest

from bff.access.auditing.ends import End
from bff.access.auditing.file_heads import head_path, read_head
from bff.access.auditing.file_reader import FileReader
from bff.session.stores import audit_of, open_store
from tests.audits import NOW, event, in_file, in_store

pytestmark = pytest.mark.security


async def fill(sink, *names):
    for number, name in enumerate(names):
        await sink.append([event(subject=name, time=NOW + number)])


class Copies:
    """A log in a file, and copies of it and its head record that somebody made."""

    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        folder.mkdir()

    def take(self):
        for path in (self.path, head_path(self.path)):
            shutil.copy(path, self.folder)

    def put_back(self):
        """In place: the inodes stay."""
        for path in (self.path, head_path(self.path)):
            path.write_bytes((self.folder / path.name).read_bytes())


@pytest.fixture
def path(tmp_path):
    """Where the log is."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def copies(path, tmp_path):
    """Whoever writes to the log's folder."""
    return Copies(path, tmp_path / "copies")


async def test_older_file_and_head_are_noticed_by_the_server_that_goes_on(path, copies):
    """Both are genuine and fit each other; the writer misses what it has written itself."""
    log = in_file(path)
    await fill(log.sink, "a", "b")
    copies.take()
    await fill(log.sink, "to-be-hidden")
    copies.put_back()
    await fill(log.sink, "c")

    verified = await log.reader.verify()

    assert not verified.ok
    assert "put back" in verified.problem.message


async def test_older_file_is_noticed_by_any_writer_although_others_have_gone_on(path, copies):
    """One worker has written the hidden line, another one as many lines and more before it looks again."""
    first, second = in_file(path), in_file(path)
    await fill(first.sink, "a", "b")
    copies.take()
    await fill(first.sink, "to-be-hidden")
    copies.put_back()
    await fill(second.sink, "c", "d", "e")
    assert (await first.reader.verify()).ok  # nobody can know yet

    await fill(first.sink, "f")

    assert "put back" in (await first.reader.verify()).problem.message


async def test_log_removed_with_its_head_is_noticed_by_the_server_that_goes_on(path):
    """A new chain is no beginning where there was another one."""
    log = in_file(path)
    await fill(log.sink, "a", "to-be-hidden")
    path.unlink()
    head_path(path).unlink()
    await fill(log.sink, "c")

    assert "put back" in (await log.reader.verify()).problem.message


async def test_rotation_and_other_writers_are_no_rollback(path):
    """Files that are renamed by turns, three writers, and names of files that are used again."""
    logs = [in_file(path) for _ in range(3)]
    for turn in range(4):
        for place, log in enumerate(logs):
            if place != turn % 3:  # one of them has nothing to say for a whole turn
                await fill(log.sink, f"{turn}-{place}")
        content = path.read_bytes()
        path.with_name(f"audit.jsonl.{9 - turn}").write_bytes(content)
        path.unlink()  # so that the next file may get its inode

    verified = await logs[0].reader.verify()

    assert (True, None) == (verified.ok, verified.problem)


async def test_store_put_back_to_an_older_state_is_noticed_by_the_server_that_goes_on():
    """The rows behind a genuine older head record are gone: whoever wrote them misses them."""
    store = open_store("memory:")
    await store.open()
    first, second = in_store(store), in_store(store)
    kept = audit_of(store)
    await fill(first.sink, "a", "b")
    head, rows = kept._head, dict(kept._rows)
    await fill(first.sink, "to-be-hidden")
    kept._head, kept._rows = head, rows
    await fill(second.sink, "c", "d", "e")
    assert (await first.reader.verify()).ok  # nobody can know yet

    await fill(first.sink, "f")

    verified = await first.reader.verify()
    assert not verified.ok
    assert "put back" in verified.problem.message
    await store.close()


async def test_store_emptied_is_noticed_by_the_server_that_goes_on():
    """Lines, head record, everything."""
    store = open_store("memory:")
    await store.open()
    log = in_store(store)
    kept = audit_of(store)
    await fill(log.sink, "a", "to-be-hidden")
    kept._head, kept._rows = None, {}
    await fill(log.sink, "c")

    assert "put back" in (await log.reader.verify()).problem.message
    await store.close()


async def test_store_that_is_purged_and_shared_is_no_rollback():
    """Lines that are over go, the writer's own last one among them."""
    store = open_store("memory:")
    await store.open()
    first, second = in_store(store, retention=60.0), in_store(store, retention=60.0)
    await fill(first.sink, "a")
    for number in range(1, 4):
        await second.sink.append([event(subject="b", time=NOW + 100 * number)])
    assert 3 == await second.sink.purge(NOW + 200)
    await first.sink.append([event(subject="c", time=NOW + 400)])

    assert (await first.reader.verify()).ok
    await store.close()


async def test_store_remembers_which_line_it_was_although_the_server_has_gone_on_over_it(path, copies):
    """Rolled back while no server ran: as many new lines as are missing do not hide it."""
    log = in_file(path)
    await fill(log.sink, "a", "b")
    copies.take()
    await fill(log.sink, "to-be-hidden")
    hidden = read_head(path, log.reader.chain)
    copies.put_back()
    await fill(in_file(path).sink, "c", "d")

    async def remembered(_chain):
        return End.unpack(End.of(hidden.seq, hidden.mac).pack())

    verified = await FileReader(path, log.reader.chain, remembered=remembered).verify()

    assert hidden.seq == verified.problem.line
    assert "remembers another line" in verified.problem.message


def test_what_is_remembered_grows_with_the_log_and_fits_into_a_double():
    """Stores keep the greatest value, to the last bit."""
    ends = [End.of(seq, mac) for seq in (1, 2, 2**20, 2**33 - 1) for mac in ("AAAA" * 10, "____" * 10)]

    assert sorted(ends, key=lambda end: end.pack()) == ends
    assert ends == [End.unpack(end.pack()) for end in ends]
