"""What is imported for which command: that decides how long it takes to start, on every machine."""

import subprocess
import sys

import pytest

from bff.cli import COMMANDS

# None of these is needed before a server or a store is opened.
SERVER = {
    "bff.app",
    "bff.web",
    "granian",
    "httpcore",
    "httpx",
    "limits",
    "litestar",
    "prometheus_client",
    "pyreqwest",
    "redis",
    "uvloop",
    "websockets",
}
# What only tests and tools have a use for, and Litestar and others bring along.
TOOLS = {"faker", "hypothesis", "litestar.cli", "litestar.testing", "mkdocs", "polyfactory", "pytest"}


def loaded(program: str) -> set[str]:
    """The names of every module, and of those that they are in, once a program has run."""
    code = f"{program}\nimport sys\nprint('\\n'.join(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(said.splitlines())


def command(*words: str) -> str:
    """A program that runs a command and says nothing of its own."""
    return (
        "import contextlib, io\nfrom bff.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(words)!r})"
    )


def test_importing_the_package_imports_nothing_else_of_it():
    """`from bff import __version__` is for everybody."""
    found = loaded("import bff")

    assert {"bff"} == {name for name in found if name.partition(".")[0] == "bff"}


def test_telling_the_version_takes_the_command_line_alone():
    """Neither a command nor the settings."""
    found = {name for name in loaded(command("--version")) if name.startswith("bff")}

    assert {"bff", "bff.cli", "bff.cli.lazy_group"} == found


def test_a_new_key_takes_no_server_and_no_database():
    """Random bytes need neither."""
    found = loaded(command("keys", "new"))

    assert "bff.cli.keys" in found
    assert set() == found & (SERVER | {"aiosqlite", "jwt", "bff.oidc", "bff.session", "bff.proxy", "structlog"})
    assert {"bff.cli.keys", "bff.cli.lazy_group"} == {name for name in found if name.startswith("bff.cli.")}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loads_no_server(name: str):
    """It is asked for often, and by shells that complete words."""
    assert set() == loaded(command(name, "--help")) & SERVER


def test_the_server_loads_nothing_that_it_has_no_use_for():
    """No tool of tests, and of stores and servers only what is configured."""
    found = loaded("import bff.app")

    assert "litestar" in found
    assert set() == found & (TOOLS | {"granian", "redis", "opentelemetry"})
