"""The audit log whose writers are killed, whose disk is full, and which is rotated while it is written."""

import asyncio
import subprocess
import sys

import pytest

from bff.access.auditing import AuditQuery
from bff.access.auditing.file_heads import head_path
from bff.session.stores import open_store
from tests.audits import event, in_file, in_store
from tests.processes import ROOT

pytestmark = pytest.mark.chaos


def start_writer(place, name):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.audit_writer", str(place), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(writer, rounds):
    """Kill it once so many batches have been acknowledged; return how many events were."""
    acknowledged = 0
    for _ in range(rounds):
        acknowledged = int(writer.stdout.readline())
    writer.kill()
    rest = writer.communicate()[0].split()
    return int(rest[-1]) if rest else acknowledged


async def subjects(audit, **query):
    items, after = [], None
    while True:
        page = await audit.reader.search(AuditQuery(**query, limit=200, after=after))
        items += [item.get("subject") for item in page.items]
        if page.next is None:
            return items
        after = page.next


@pytest.mark.parametrize("kind", ["file", "sqlite"])
async def test_writers_that_are_killed_leave_a_whole_chain_with_every_acknowledged_line(tmp_path, kind):
    """kill -9 at any moment, again and again, two writers at a time: what was acknowledged is there, once."""
    place = tmp_path / "audit.jsonl" if kind == "file" else f"sqlite:///{tmp_path / 'sessions.db'}"
    acknowledged = {}
    for turn in range(4):
        writers = {f"w{turn}{side}": start_writer(place, f"w{turn}{side}") for side in "ab"}
        for name, writer in writers.items():
            acknowledged[name] = kill_after(writer, 2 + turn)
    if kind == "file":
        audit, store = in_file(place), None
    else:
        store = open_store(place)
        await store.open()
        audit = in_store(store)
    await audit.sink.append([event(subject="after")])
    verified = await audit.reader.verify()
    found = [subject for subject in await subjects(audit) if subject is not None]
    if store is not None:
        await store.close()

    assert None is verified.problem
    assert len(found) == len(set(found))
    wanted = {f"{name}-{number}" for name, count in acknowledged.items() for number in range(count)}
    assert set() == wanted - set(found)


@pytest.mark.parametrize(
    "kept", [1, 40, 200, -1, None], ids=["a byte", "a bit", "more", "all but the line feed", "all"]
)
async def test_torn_line_is_told_as_torn_and_the_chain_goes_on(tmp_path, kept):
    """The writer was killed in the middle of a line: told by verify, and no attack."""
    path = tmp_path / "audit.jsonl"
    audit = in_file(path)
    await audit.sink.append([event(subject="before")])
    head, size = head_path(path).read_bytes(), path.stat().st_size
    await audit.sink.append([event(subject="torn", note="x" * 300)])
    head_path(path).write_bytes(head)
    content = path.read_bytes()
    path.write_bytes(content[: size + kept] if kept is not None and kept > 0 else content[:kept])
    while_down = await audit.reader.verify()
    audit = in_file(path)  # the next process: the killed one remembers nothing any more
    await audit.sink.append([event(subject="after")])
    verified = await audit.reader.verify()
    is_whole = kept in {-1, None}

    assert (True, True) == (while_down.ok, verified.ok), (while_down, verified)
    assert is_whole == (not any("torn" in note for note in verified.notes))
    assert ["after", *(["torn"] if is_whole else []), "before"] == [
        s for s in await subjects(audit) if s is not None
    ]


async def test_torn_line_in_front_of_a_rotation_is_told_as_torn(tmp_path):
    """Killed, rotated, started: the new file goes on behind the last whole line of the old one."""
    path = tmp_path / "audit.jsonl"
    audit = in_file(path)
    await audit.sink.append([event(subject="one")])
    head = head_path(path).read_bytes()
    await audit.sink.append([event(subject="two")])
    head_path(path).write_bytes(head)
    with path.open("ab") as file:
        file.write(b'{"seq":4,"ti')
    path.rename(tmp_path / "audit.jsonl.1")
    await audit.sink.append([event(subject="three")])
    verified = await audit.reader.verify()

    assert None is verified.problem
    assert ["three", "two", "one"] == [s for s in await subjects(audit) if s is not None]
    assert any("torn" in note for note in verified.notes)


@pytest.mark.parametrize("created", [False, True], ids=["nocreate", "create"])
async def test_rotation_while_several_write_loses_no_line(tmp_path, created):
    """The file is renamed under its writers' hands, as logrotate does."""
    path = tmp_path / "audit.jsonl"
    audit = in_file(path)

    async def write(name):
        for number in range(30):
            await in_file(path).sink.append([event(subject=f"{name}{number}")])

    async def rotate():
        for number in range(4):
            await asyncio.sleep(0.02)
            if path.exists():
                path.rename(tmp_path / f"audit.jsonl.{4 - number}")
                if created:
                    path.touch(0o600)

    await asyncio.gather(write("a"), write("b"), rotate())
    await audit.sink.append([event()])
    verified = await audit.reader.verify()
    found = [s for s in await subjects(audit) if s is not None]

    assert None is verified.problem
    assert {f"{name}{number}" for name in "ab" for number in range(30)} == set(found)
    assert 60 == len(found)


async def test_current_file_alone_says_that_older_ones_are_missing(tmp_path):
    """Files that were deleted when their time was over are no attack, and an auditor is told."""
    path = tmp_path / "audit.jsonl"
    audit = in_file(path)
    await audit.sink.append([event(), event()])
    path.unlink()
    await audit.sink.append([event()])
    verified = await audit.reader.verify()

    assert (True, 4) == (verified.ok, verified.first_seq)
    assert ["begins with line 4: those before it are in older files"] == list(verified.notes)


async def test_full_disk_leaves_no_half_line_and_no_line_twice(tmp_path):
    """What was not acknowledged comes again, and is there once."""
    path = tmp_path / "audit.jsonl"
    audit = in_file(path)
    await audit.sink.append([event(subject="before")])
    script = (
        "import asyncio, resource, signal, sys; from pathlib import Path\n"
        "from tests.audits import event, in_file\n"
        "from bff.access.auditing import AuditSinkFailed\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"size = Path({str(path)!r}).stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (max(size + 100, 2048), resource.RLIM_INFINITY))\n"
        f"sink = in_file(Path({str(path)!r})).sink\n"
        "try: asyncio.run(sink.append([event(subject='again', note=['x' * 60] * 50)]))\n"
        "except AuditSinkFailed as failed: print(failed.reason)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "asyncio.run(sink.append([event(subject='again')]))\n"
    )
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    verified = await audit.reader.verify()

    assert "OSError" == run.stdout.strip(), run.stderr
    assert (True, (), 3) == (verified.ok, verified.notes, verified.lines)
    assert ["again", "before"] == [s for s in await subjects(audit) if s is not None]
