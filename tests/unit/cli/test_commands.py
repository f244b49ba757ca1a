"""The group of commands, and `bff run` up to the point where the server takes over."""

import subprocess
import sys

import pytest

import bff.cli.run
from bff import __version__
from bff.cli import COMMANDS, main


def test_the_version_is_told(bff):
    """`bff --version` prints the version of the package."""
    assert f"bff, version {__version__}\n" == bff("--version").output


def test_help_names_every_command(bff):
    """Every command of the table is listed, and has help of its own."""
    output = bff("--help").output

    for name in COMMANDS:
        assert f"│ {name} " in output
        assert "Usage: bff" in bff(name, "--help").output
    for name in ("new", "rotate"):
        assert f"Usage: bff keys {name}" in bff("keys", name, "--help").output


def test_an_unknown_command_is_refused(bff):
    """A command that does not exist ends with a usage error."""
    result = bff("chekc")

    assert 2 == result.exit_code
    assert main.get_command(None, "chekc") is None


def test_help_does_not_wait_for_the_server():
    """Neither the server nor Litestar is loaded to print help."""
    code = (
        "import sys; from click.testing import CliRunner; from bff.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(sorted({'litestar', 'granian', 'httpx', 'redis', 'pyreqwest', 'bff.app'} & set(sys.modules)))"
    )

    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def served(monkeypatch):
    """What `bff run` hands to the server."""
    calls = []
    monkeypatch.setattr(bff.cli.run, "run", lambda *arguments: calls.append(arguments))
    for name in ("BFF__SERVER__WORKERS", "BFF__SERVER__LISTEN"):
        monkeypatch.setenv(name, "")  # so that they are put back after the test
        monkeypatch.delenv(name)
    return calls


def test_run_serves_what_is_configured(bff, configured, served, monkeypatch):
    """The checked settings and the file go to the server."""
    file = configured()
    result = bff("run", "-c", str(file))

    ((settings, path),) = served
    assert ("http://localhost:8080", file, 0, "") == (settings.public_url, path, result.exit_code, result.output)


def test_run_options_win_and_reach_the_workers(bff, configured, served):
    """Workers load the configuration again, so the options are in their environment."""
    configured()
    bff("run", "--workers", "3", "--listen", "127.0.0.1:8081")
    import os

    ((settings, path),) = served
    assert (3, "127.0.0.1:8081", "bff.toml") == (settings.server.workers, settings.server.listen, str(path))
    assert ("3", "127.0.0.1:8081") == (os.environ["BFF__SERVER__WORKERS"], os.environ["BFF__SERVER__LISTEN"])


def test_run_refuses_a_wrong_configuration(bff, configured, served):
    """Every mistake is printed, the exit code is 1, and nothing is served."""
    configured('[session]\nidel_timeout = "1h"')
    result = bff("run", "--listen", "localhost")

    assert 1 == result.exit_code
    assert (
        "the configuration has 2 errors\nbff.toml:12: error: session.idel_timeout: unknown key\n" in result.output
    )
    assert "--listen: error: server.listen: has no port\n" in result.output
    assert [] == served


def test_run_prints_warnings_and_goes_on(bff, configured, served):
    """A warning does not stop the server."""
    configured("csrf = false")
    result = bff("run")

    assert 0 == result.exit_code
    assert "bff.toml:11: warning: api.0.csrf: lets every web site call this API in the user's name" in result.output
    assert 1 == len(served)
