"""Keys that change while workers run."""

import os

import pytest

from bff.assembly.keys import SEALS_AFTER, KeyWatch
from bff.config.key_files import KeyFiles
from bff.crypto.key_ring import KeyRing
from tests.internet import COOKIE, KEYS, World
from tests.oidc_world import NOW, Clock


class Files:
    """A configuration with a key file, whose times are told to it."""

    def __init__(self, folder):
        self.path = folder / "bff.keys"
        (folder / "bff.toml").write_text('[keys]\nsecrets = [{ file = "bff.keys" }]\n')
        self.files = KeyFiles(folder / "bff.toml", {})

    def write(self, *keys, at):
        self.path.write_text("".join(f"{key}\n" for key in keys))
        os.utime(self.path, (at, at))


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path)
    files.write(KEYS[0], at=NOW - 1000)
    return files


def watch(files, clock, events):
    ring = KeyRing([KEYS[0]])
    return ring, KeyWatch(files.files, ring, clock, lambda name, fields: events.append((name, fields)))


def test_new_key_opens_at_once_and_seals_when_every_process_has_it(files):
    """Before that, a process that has not seen it would take its cookies for none."""
    clock, events = Clock(), []
    ring, watched = watch(files, clock, events)
    watched.take(watched._read())
    files.write(KEYS[1], KEYS[0], at=NOW)
    elsewhere = KeyRing([KEYS[1]])

    watched.take(watched._read())
    old_id, (new_id, *_) = ring.sealing_id, ring.key_ids
    assert old_id != new_id
    assert b"x" == ring.open(b"p", elsewhere.seal(b"p", b"x"))

    clock.advance(SEALS_AFTER)
    watched.take(watched._read())
    assert new_id == ring.sealing_id
    assert b"x" == ring.open(b"p", KeyRing([KEYS[0]]).seal(b"p", b"x"))
    assert [("keys.adopted", 2, old_id), ("keys.adopted", 2, new_id)] == [
        (name, fields["keys"], fields["sealing"]) for name, fields in events
    ]


def test_key_that_is_alone_seals_at_once(files):
    """A file that may have leaked is replaced: nothing that the old key sealed opens any more."""
    ring, watched = watch(files, Clock(), [])
    sealed = ring.seal(b"p", b"x")
    files.write(KEYS[1], at=NOW)

    watched.take(watched._read())

    assert ring.key_ids == [ring.sealing_id] == KeyRing([KEYS[1]]).key_ids
    assert sealed[1:5].hex() not in ring.key_ids


def test_file_that_cannot_be_used_changes_nothing_and_is_told_once(files):
    """It is being written, or somebody made a mistake."""
    events = []
    ring, watched = watch(files, Clock(), events)
    before = ring.key_ids
    files.write("no key", at=NOW)

    for _ in range(3):
        watched.take(watched._read())

    assert before == ring.key_ids
    assert ["keys.unreadable"] == [name for name, _ in events]
    files.write(KEYS[1], KEYS[0], at=NOW + 1)
    watched.take(watched._read())
    assert 2 == len(ring.key_ids)


def test_files_are_looked_at_once_a_second_at_most_for_what_nobody_sealed(files):
    """Junk cookies do not keep a worker reading."""
    clock = Clock()
    ring, watched = watch(files, clock, [])
    reads = []
    watched._files.stamp = lambda: reads.append(1)

    for _ in range(100):
        assert not ring.look_again()
    clock.advance(1)
    ring.look_again()

    assert 2 == len(reads)


async def test_cookie_of_a_worker_that_is_ahead_signs_nobody_out(files):
    """A worker that meets a cookie of a key that it has not seen yet looks at the file before it judges."""
    async with World() as world:
        await world.start_worker(key_files=files.files)
        files.write(KEYS[1], KEYS[0], at=NOW)
        from bff.config.settings import KeysSettings, Secret

        await world.start_worker(keys=KeysSettings((Secret(KEYS[1]), Secret(KEYS[0]))))
        browser = world.browser(2)
        await browser.log_in()

        assert 200 == (await browser.at(1).get("/api/tasks")).status
        assert "alice" == (await browser.at(1).user())["sub"]
        assert COOKIE in browser.cookies
