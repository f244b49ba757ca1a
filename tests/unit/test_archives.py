"""The wheel and the source archive hold what an installation needs, and nothing that it does not."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import bff
from bff.web.console_files import BUILT
from tests.processes import ROOT

CONSOLE = "bff/web/console"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def build(target: str, source: Path, folder: Path) -> Path:
    """Has the build backend make one archive, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def console() -> list[str]:
    """The console's files, as they lie in the source."""
    found = [f"{CONSOLE}/dist/{path.relative_to(BUILT)}" for path in BUILT.rglob("*") if path.is_file()]
    assert f"{CONSOLE}/dist/index.html" in found, "the console is not built: run `make console`"
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, console) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def source(tmp_path_factory, console) -> Path:
    """The source archive, unpacked."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / f"bff-{VERSION}"


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def modules() -> list[str]:
    """Every module of the package under version control, or on its way there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "bff/*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [name for name in listed if (ROOT / name).exists()]


def test_wheel_holds_every_module_the_types_and_the_console(wheel, console):
    """And the licence; beside these only what pip reads."""
    metadata = f"bff-{VERSION}.dist-info"

    assert sorted([*modules(), "bff/py.typed", *console]) == sorted(
        name for name in names(wheel) if not name.startswith(metadata)
    )
    assert f"{metadata}/licenses/LICENSE" in names(wheel)


def test_wheel_holds_nothing_that_the_console_is_built_from(wheel):
    """No packages of npm's, no sources, no tests: a server has no use for them."""
    below = [name.removeprefix(f"{CONSOLE}/") for name in names(wheel) if name.startswith(f"{CONSOLE}/")]

    assert [] == [name for name in below if not name.startswith("dist/")]
    assert [] == [name for name in names(wheel) if "node_modules" in name or name.endswith((".ts", ".map"))]


def test_wheel_is_the_same_each_time(wheel, tmp_path):
    """Built twice from one source, it has one hash."""
    again = build("wheel", ROOT, tmp_path)

    assert wheel.read_bytes() == again.read_bytes()


def test_what_is_unpacked_from_the_wheel_runs(wheel, tmp_path):
    """The command, the version and the console are those of the wheel, not of this folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import bff, bff.web.console_files as files, importlib.metadata as metadata\n"
        "assert files.BUILT.joinpath('index.html').is_file()\n"
        "(script,) = metadata.distribution('bff').entry_points.select(name='bff')\n"
        "print(bff.__file__, metadata.version('bff'), callable(script.load()))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert [str(tmp_path / "bff" / "__init__.py"), VERSION, "True"] == said


def test_wheel_can_be_built_from_the_source_archive(wheel, source, tmp_path):
    """Without Node, for the built console is in it; with the same content."""
    assert sorted(names(wheel)) == sorted(names(build("wheel", source, tmp_path)))


def test_source_archive_holds_no_installed_packages_and_no_secret(source):
    """Neither npm's nor a machine's own files."""
    found = [PurePosixPath(path.relative_to(source)) for path in source.rglob("*") if path.is_file()]

    assert [] == [
        str(path)
        for path in found
        if {"node_modules", "__pycache__", ".venv", ".cache"} & set(path.parts)
        or path.suffix in {".keys", ".db", ".log"}
        or path.name == ".env"
    ]
    assert {"bff", "deploy", "docs", "tests", "frontend_example"} <= {path.parts[0] for path in found}


def test_source_archive_holds_what_the_example_and_the_site_are_made_from(source):
    """The example app's assets, the dashboard and rules, the pages, and what `make` reads."""
    needed = [
        "frontend_example/src/main.tsx",
        "frontend_example/src/styles.css",
        "frontend_example/src/bff-client/index.ts",
        "frontend_example/package-lock.json",
        "frontend_example/demo/run.py",
        "deploy/grafana/bff.json",
        "deploy/prometheus/alerts.yml",
        "deploy/systemd/bff.service",
        "mkdocs.yml",
        "documentation/hooks.py",
        "docs/site.css",
        "docs/images/overview.svg",
        "CHANGELOG.md",
        "Makefile",
        "README.md",
        "LICENSE",
        "Dockerfile",
        "docker-compose.yml",
        "requirements.lock",
        "requirements-dev.lock",
        ".ci/run",
    ]

    assert [] == [name for name in needed if not (source / name).is_file()]


def test_version_is_the_same_everywhere():
    """What the package says of itself, and the newest entry of the changes."""
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert newest is not None
    assert [VERSION] * 2 == [bff.__version__, newest[1]]


def test_changes_are_kept_as_readers_know_it():
    """Keep a Changelog 1.1.0: versions with dates, and below them the kinds of change that there are."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)

    assert [] == [
        name for name in versions if not re.fullmatch(r"\[[\d.]+\] \W (?:unreleased|\d{4}-\d\d-\d\d)", name)
    ]
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    upgrading = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    noted = re.findall(r"^### ([\d.]+)$", upgrading, re.MULTILINE)
    assert [name[1 : name.index("]")] for name in versions] == noted
