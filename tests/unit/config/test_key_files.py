"""The secret keys, read again while the server runs."""

import os

import pytest

from bff.config import ConfigError
from bff.config.key_files import KeyFiles
from tests.unit.config.conftest import KEY, OLD_KEY


@pytest.fixture
def folder(tmp_path):
    """A configuration whose keys are in a file beside it."""
    (tmp_path / "bff.toml").write_text('[keys]\nsecrets = [{ file = "bff.keys" }]\n')
    (tmp_path / "bff.keys").write_text(f"{KEY}\n")
    return tmp_path


def test_keys_are_read_from_every_source_in_order(tmp_path):
    """Files, the environment and the file itself, as at the start."""
    (tmp_path / "old.keys").write_text(f"# old\n{OLD_KEY}\n")
    (tmp_path / "bff.toml").write_text('[keys]\nsecrets = [{ env = "NEW" }, { file = "old.keys" }]\n')

    reading = KeyFiles(tmp_path / "bff.toml", {"NEW": KEY}).read()

    assert (KEY, OLD_KEY) == reading.secrets
    assert (tmp_path / "old.keys").stat().st_mtime == reading.changed_at


def test_environment_overrides_where_keys_come_from(folder):
    """`BFF__KEYS__SECRETS__0__FILE` names another file, as it does at the start."""
    (folder / "other.keys").write_text(f"{OLD_KEY}\n")
    files = KeyFiles(folder / "bff.toml", {"BFF__KEYS__SECRETS__0__FILE": "other.keys"})

    assert (OLD_KEY,) == files.read().secrets


def test_stamp_changes_with_either_file(folder):
    """A file that was replaced, touched, or is gone."""
    files = KeyFiles(folder / "bff.toml", {})
    stamps = [files.stamp()]
    os.utime(folder / "bff.keys", (1, 1))
    stamps.append(files.stamp())
    (folder / "bff.keys").unlink()
    stamps.append(files.stamp())
    (folder / "bff.toml").unlink()
    stamps.append(files.stamp())

    assert 4 == len(set(stamps))


@pytest.mark.parametrize("text", ["", "short\n", f"{KEY}\nnot a key\n"])
def test_file_that_holds_no_keys_is_refused_without_quoting_it(folder, text):
    """What is in it never gets into a message."""
    (folder / "bff.keys").write_text(text)

    with pytest.raises(ConfigError) as caught:
        KeyFiles(folder / "bff.toml", {}).read()

    told = str(caught.value) + str(caught.value.findings[0])
    assert "keys.secrets" in told
    assert KEY not in told
    assert "not a key" not in told


@pytest.mark.parametrize("text", ["[keys]\nsecrets = []\n", "[keys", "keys = 1\n"])
def test_configuration_without_keys_is_refused(folder, text):
    """A configuration that is being edited must not cost the keys that are in use."""
    (folder / "bff.toml").write_text(text)

    with pytest.raises(ConfigError):
        KeyFiles(folder / "bff.toml", {}).read()
