"""The command line, run in a directory of its own."""

import pytest
from click.testing import CliRunner

from bff.cli import main
from bff.crypto.key_ring import new_key


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty working directory, and an environment without a configuration in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BFF_CONFIG", raising=False)
    monkeypatch.setenv("BFF_CLIENT_SECRET", "hunter2-client-secret")
    return tmp_path


@pytest.fixture
def bff(directory):
    """Run `bff` with arguments."""
    return lambda *arguments, **more: CliRunner().invoke(main, list(arguments), catch_exceptions=False, **more)


@pytest.fixture
def configured(directory):
    """Write a valid configuration that ends with `more`."""

    def write(
        more="", *, issuer="https://id.example.com", upstream="http://127.0.0.1:9", public="http://localhost:8080"
    ):
        key_file = directory / "bff.keys"
        key_file.write_text(new_key())
        key_file.chmod(0o600)
        text = f"""\
public_url = "{public}"
[oidc]
issuer = "{issuer}"
client_id = "spa"
client_secret = {{ env = "BFF_CLIENT_SECRET" }}
[keys]
secrets = [{{ file = "bff.keys" }}]
[[api]]
path = "/api"
upstream = "{upstream}"
{more}
"""
        (directory / "bff.toml").write_text(text)
        return directory / "bff.toml"

    return write
