"""When a configuration on the disk counts as changed."""

import pytest

from bff.cli.watching import Watch
from bff.config.config_files import ConfigFiles

TEXT = """
public_url = "https://app.example"
[oidc]
client_secret = { file = "client.secret" }
[keys]
secrets = [{ file = "bff.keys" }]
[[api]]
path = "/api"
[api.tls]
ca_file = "ca.pem"
[api.request_headers.secrets]
x-key = { file = "header.secret" }
"""


@pytest.fixture
def config(tmp_path):
    for name in ("client.secret", "bff.keys", "ca.pem", "header.secret"):
        (tmp_path / name).write_text("old")
    (tmp_path / "bff.toml").write_text(TEXT)
    return tmp_path / "bff.toml"


@pytest.fixture
def reloads():
    return []


@pytest.fixture
def watch(config, reloads):
    return Watch(ConfigFiles(config), lambda: reloads.append(1))


def looks(watch, times=3):
    for _ in range(times):
        watch.look()


@pytest.mark.parametrize("name", ["bff.toml", "client.secret", "ca.pem", "header.secret"])
def test_file_that_changed_is_reloaded_once(config, watch, reloads, name):
    """The configuration, and the secrets and certificates that it names."""
    looks(watch)
    (config.parent / name).write_text(TEXT + "# new\n")
    looks(watch, 5)

    assert 1 == len(reloads)


def test_keys_are_no_reason_to_reload(config, watch, reloads):
    """Workers look at them themselves, and take new ones on without going."""
    (config.parent / "bff.keys").write_text("new keys")
    looks(watch)

    assert [] == reloads


def test_file_that_is_still_being_written_is_waited_for(config, watch, reloads):
    """It counts once it is the same at two looks."""
    for number in range(4):
        config.write_text(f"{TEXT}# {number}" + "x" * number)
        watch.look()
    assert [] == reloads

    looks(watch)
    assert 1 == len(reloads)


def test_link_that_leads_elsewhere_is_a_change(config, tmp_path, reloads):
    """So Kubernetes swaps what it mounts: one link is replaced by another."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bff.toml").write_text(TEXT)
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "one")
    watch = Watch(ConfigFiles(link / "bff.toml"), lambda: reloads.append(1))
    (tmp_path / "next").symlink_to(tmp_path / "two")
    (tmp_path / "next").replace(link)
    looks(watch)

    assert 1 == len(reloads)


def test_file_that_is_gone_or_nonsense_is_a_change_too(config, watch, reloads):
    """The reload then tells what is wrong, and everything stays as it was."""
    config.write_text("[[[")
    looks(watch)
    config.unlink()
    looks(watch)

    assert 2 == len(reloads)


@pytest.mark.parametrize(
    "text", ['secret = { file = "a\\u0000b" }', ".".join(["a"] * 5000) + " = 1"], ids=["nul", "deep"]
)
def test_no_name_and_no_depth_ends_the_watch(config, watch, reloads, text):
    """A look is a signal's handler: what it raised would end the process that keeps the workers."""
    config.write_text(text)
    looks(watch)

    assert 1 == len(reloads)
