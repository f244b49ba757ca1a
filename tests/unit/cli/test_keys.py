"""`bff keys`: keys that nobody else can read, and rotations that lose nothing."""

import os
import stat

import pytest

from bff.config import ConfigError, key_file
from bff.config.key_file import rotate_key_file
from bff.config.keys import check_key, parse_key_file
from bff.crypto.key_ring import KeyRing, new_key


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def keys_in(path):
    return [key for _, key in parse_key_file(path.read_text())]


def test_a_new_key_is_printed(bff):
    """One key on a line, good enough for the configuration, another one each time."""
    first, second = bff("keys", "new").stdout, bff("keys", "new").stdout

    check_key(first.strip())
    assert 44 == len(first)
    assert first != second


def test_a_new_key_file_is_for_its_owner_alone(bff, directory):
    """Mode 0600 whatever the umask, and the key is not printed."""
    old = os.umask(0)
    try:
        result = bff("keys", "new", "-o", "bff.keys")
    finally:
        os.umask(old)
    path = directory / "bff.keys"
    (key,) = keys_in(path)

    check_key(key)
    assert 0o600 == mode_of(path)
    assert (0, "") == (result.exit_code, result.stdout)
    assert key not in result.output


def test_a_file_that_is_there_is_left_alone(bff, directory):
    """A key file is never overwritten."""
    (directory / "bff.keys").write_text("precious")
    result = bff("keys", "new", "-o", "bff.keys")

    assert 1 == result.exit_code
    assert "bff.keys exists and was left alone" in result.output
    assert "precious" == (directory / "bff.keys").read_text()


def test_a_place_that_cannot_be_written(bff):
    """A missing directory is told as such."""
    result = bff("keys", "new", "-o", "missing/bff.keys")

    assert 1 == result.exit_code
    assert "missing/bff.keys cannot be written: No such file or directory" in result.output


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_rotation_keeps_keys_comments_and_mode(bff, directory, mode):
    """The new key stands in front; everything else stays as it was."""
    old, older = new_key(), new_key()
    path = directory / "bff.keys"
    path.write_text(f"# ours\n{old}  # May\n\n{older}")
    path.chmod(mode)
    result = bff("keys", "rotate", "bff.keys")
    new, *rest = keys_in(path)

    assert 0 == result.exit_code
    assert "bff.keys holds 3 keys now" in result.output
    assert new not in result.output
    assert [old, older] == rest
    assert f"# ours\n{new}\n{old}  # May\n\n{older}\n" == path.read_text()
    assert mode == mode_of(path)
    assert [path] == list(directory.iterdir())


def test_what_an_old_key_sealed_still_opens_after_rotation(bff, directory):
    """Nobody is logged out by a rotation."""
    bff("keys", "new", "-o", "bff.keys")
    path = directory / "bff.keys"
    sealed = KeyRing(keys_in(path)).seal(b"test", b"session")
    bff("keys", "rotate", "bff.keys")
    ring = KeyRing(keys_in(path))

    assert b"session" == ring.open(b"test", sealed)
    assert not ring.is_newest(sealed)


def test_rotation_through_a_link_changes_what_it_points_to(bff, directory):
    """The link stays a link."""
    bff("keys", "new", "-o", "real.keys")
    (directory / "bff.keys").symlink_to("real.keys")
    bff("keys", "rotate", "bff.keys")

    assert (directory / "bff.keys").is_symlink()
    assert 2 == len(keys_in(directory / "real.keys"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'public_url = "https://app.example.com"\n', "holds white space"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"AAAA\n", "a key holds at least 32 bytes; this one holds 3"),
    ],
)
def test_a_file_of_something_else_is_not_rotated(bff, directory, content, message):
    """The wrong file is left as it is."""
    path = directory / "bff.toml"
    path.write_bytes(content)
    result = bff("keys", "rotate", "bff.toml")

    assert 1 == result.exit_code
    assert "bff.toml was left alone." in result.output
    assert message in result.output
    assert content == path.read_bytes()


def test_a_file_that_is_not_there_is_not_rotated(bff):
    """`rotate` does not make a file; `new` does."""
    result = bff("keys", "rotate", "bff.keys")

    assert 1 == result.exit_code
    assert "bff.keys cannot be rotated: No such file or directory" in result.output


def test_a_rotation_that_fails_leaves_nothing_behind(directory, monkeypatch):
    """When the file cannot be given its owner, the old one stays and the new one goes."""
    path = directory / "bff.keys"
    key = new_key()
    path.write_text(key)

    def refuse(*_args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(key_file.os, "chown", refuse)
    monkeypatch.setattr(key_file.Path, "chmod", refuse)
    with pytest.raises(PermissionError):
        rotate_key_file(path, new_key())

    assert key == path.read_text()
    assert [path] == list(directory.iterdir())


def test_rotation_keeps_the_owner(directory, monkeypatch):
    """A rotation by root leaves the file to the user that bff runs as."""
    path = directory / "bff.keys"
    path.write_text(new_key())
    given_away = []
    stat_of = key_file.Path.stat

    def stat_of_anothers(self, **more):
        mode, ino, dev, nlink, _uid, _gid, *times = stat_of(self, **more)
        return (
            os.stat_result([mode, ino, dev, nlink, 4711, 4712, *times]) if self == path else stat_of(self, **more)
        )

    monkeypatch.setattr(key_file.Path, "stat", stat_of_anothers)
    monkeypatch.setattr(key_file.os, "chown", lambda _path, *owner: given_away.append(owner))
    rotate_key_file(path, new_key())

    assert [(4711, 4712)] == given_away


def test_the_error_names_the_line(directory):
    """A bad key is found by its line, without being shown."""
    path = directory / "bff.keys"
    path.write_text(f"{new_key()}\nhunter2\n")
    with pytest.raises(ConfigError) as caught:
        rotate_key_file(path, new_key())

    (finding,) = caught.value.findings
    assert f"{path}:2" == finding.where
    assert "hunter2" not in str(caught.value)
