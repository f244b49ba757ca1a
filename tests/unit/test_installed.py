"""The wheel and the source archive, installed: the command runs, and programs that use bff have types checked."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.unit.test_archives import VERSION, build

pytestmark = pytest.mark.timeout(300)  # environments and a cold type checker take their time on a busy machine

# What docs/library.md tells programs to use.
PROGRAM = """
from collections.abc import Mapping

from bff import Bff, BFFPlugin, Parts, build_app, load_config
from bff.config import ConfigError
from bff.config.settings import Settings
from bff.session.stores.memory import MemoryStore

seen: list[str] = []


def emit(name: str, fields: Mapping[str, object]) -> None:
    seen.append(name)


def public_url(path: str) -> str | None:
    try:
        return load_config(path).public_url
    except ConfigError:
        return None


settings: Settings = load_config("bff.toml")
parts = Parts(store=MemoryStore(), emit=emit)
app = build_app(settings, parts)
plugin = BFFPlugin(settings)
wired = Bff(settings, parts)
"""


class Installation:
    """A virtual environment of its own, which finds the packages that bff needs in ours."""

    def __init__(self, folder: Path, archive: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        self.bff = folder / "bin" / "bff"
        self.packages = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
        (self.packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        # There is no network for tests, and a bff in our environment that is none of this one's business.
        how = ["--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir", "--ignore-installed"]
        said = subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", *how, archive],
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == said.returncode, said.stderr

    def run(self, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs a command away from the source, with as little of our environment as it takes."""
        environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
        return subprocess.run(
            [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def of_wheel(tmp_path_factory) -> Installation:
    """bff from the wheel."""
    archive = build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))
    return Installation(tmp_path_factory.mktemp("installed"), archive)


@pytest.fixture(scope="module")
def of_source(tmp_path_factory) -> Installation:
    """bff from the source archive."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    return Installation(tmp_path_factory.mktemp("installed"), archive)


@pytest.fixture(params=["of_wheel", "of_source"])
def installed(request) -> Installation:
    """Either of them."""
    found: Installation = request.getfixturevalue(request.param)
    return found


def test_the_command_is_there_and_tells_its_version(installed, tmp_path):
    """`bff --version`, and the modules are those that were installed."""
    said = installed.run(installed.bff, "--version", cwd=tmp_path)
    where = installed.run(installed.python, "-c", "import bff; print(bff.__file__)", cwd=tmp_path)

    assert (0, f"bff, version {VERSION}\n") == (said.returncode, said.stdout)
    assert installed.packages / "bff" / "__init__.py" == Path(where.stdout.strip())


def test_a_first_configuration_is_made_and_taken(installed, tmp_path):
    """`bff init`, and `bff access explain` reads what it wrote; the console's files came along."""
    made = installed.run(
        installed.bff, "init", "--provider", "keycloak", "--issuer", "https://id.example.com/realms/main",
        "--client-id", "spa", "--public-url", "https://app.example.com", "--upstream", "http://127.0.0.1:9001",
        cwd=tmp_path,
    )  # fmt: skip
    assert 0 == made.returncode, made.stderr
    (tmp_path / "bff.toml").write_text(
        (tmp_path / "bff.toml").read_text().replace('{ env = "BFF_CLIENT_SECRET" }', '"literal"')
    )
    explained = installed.run(installed.bff, "access", "explain", "GET", "/api/x", "--role", "reader", cwd=tmp_path)

    assert 0 == explained.returncode, explained.stdout + explained.stderr
    assert (installed.packages / "bff/web/console/dist/index.html").is_file()


def check_types(installed: Installation, folder: Path, program: str) -> str:
    (folder / "program.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull,
         "--python-executable", installed.python, "--cache-dir", folder / "cache", "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout  # fmt: skip


def test_a_program_that_uses_it_is_checked_strictly(of_wheel, tmp_path):
    """`py.typed` is shipped (PEP 561): names, arguments and results have types, and mistakes are found."""
    wrong = PROGRAM + "\nport: int = settings.public_url\nbuild_app(1)\n"

    assert "Success: no issues found in 1 source file\n" == check_types(of_wheel, tmp_path, PROGRAM)
    found = check_types(of_wheel, tmp_path, wrong)
    assert 2 == found.count("error: "), found
    assert 'expression has type "str", variable has type "int"' in found


def test_without_its_mark_nothing_would_be_checked(of_wheel, tmp_path):
    """So the test above sees the installed package, not the source."""
    mark = of_wheel.packages / "bff" / "py.typed"
    mark.unlink()
    try:
        assert "missing library stubs or py.typed marker" in check_types(of_wheel, tmp_path, PROGRAM)
    finally:
        mark.touch()
