"""The image without Docker: the Dockerfile's own steps, taken in a folder, and what then runs by its command."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bff.web.console_files import BUILT
from tests.processes import ROOT, ServerProcess, reserve_port
from tests.unit.test_deployment_files import BFF_TOML, arguments, compose
from tests.unit.test_dockerfile import stages

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PATIENCE = 60.0  # seconds


class Image:
    """The stages `packages` and `bff`, below a folder that stands for `/`.

    Two things are other than in Docker, which has a network: the locked packages are those of our own environment,
    where there is a bff already, and so is the build backend.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._at = folder
        for name, rest in stages()["packages"]:
            match name:
                case "WORKDIR":
                    self._at = self._below(rest)
                    self._at.mkdir(parents=True)
                case "COPY":
                    self._copy(shlex.split(rest))
                case "RUN":
                    self._run(shlex.split(rest))

    @property
    def entry_point(self) -> Path:
        """The command of the image, found as its PATH has it."""
        (entry_point,) = [json.loads(rest) for rest in arguments("ENTRYPOINT")]
        found = shutil.which(entry_point[0], path=str(self._root / "opt/bff/bin"))
        assert found is not None
        return Path(found)

    @property
    def python(self) -> Path:
        return self._root / "opt/bff/bin/python"

    def _below(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _copy(self, words: list[str]) -> None:
        sources, target = words[:-1], self._at / words[-1]
        if sources[0] == "--from=console":
            shutil.copytree(BUILT, target)
            return
        for source in sources:
            path = ROOT / source
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("node_modules", "dist", "__pycache__"))
            else:
                shutil.copy(path, target)

    def _run(self, words: list[str]) -> None:
        if "--require-hashes" in words:
            assert (self._at / words[-1]).read_bytes() == (ROOT / "requirements.lock").read_bytes()
            (packages,) = self._below("/opt/bff").glob("lib/python*/site-packages")
            (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
            return
        command = [
            sys.executable if word == "python" else word.replace("/opt/bff", f"{self._root}/opt/bff")
            for word in words
        ]
        if "wheel" in command:
            command.append("--no-build-isolation")
        if "--no-index" in command:
            command.append("--ignore-installed")
        done = subprocess.run(command, cwd=self._at, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[tuple[ServerProcess, int]]:
    """What `docker compose up bff` starts, on ports of ours, with its sessions in memory."""
    listen, management = reserve_port(), reserve_port()
    (tmp_path / "index.html").write_text("<!doctype html><title>App</title>")
    environment: Mapping[str, str] = {
        **compose()["services"]["bff"]["environment"],
        "BFF__SERVER__LISTEN": f"127.0.0.1:{listen}",
        "BFF__SERVER__MANAGEMENT_LISTEN": f"127.0.0.1:{management}",
        "BFF__SESSION__STORE": "memory:",
        "BFF__SPA__DIRECTORY": str(tmp_path),
    }
    words = [str(BFF_TOML) if word == "/etc/bff/bff.toml" else word for word in json.loads(arguments("CMD")[-1])]
    server = ServerProcess([str(image.entry_point), *words], env=environment, cwd=tmp_path)
    try:
        server.wait_for_port(listen)
        server.wait_for_port(management)
        yield server, management
    finally:
        server.stop()


def test_steps_of_the_image_install_the_command_and_the_console(image: Image, tmp_path: Path):
    """What COPY brings is enough to build from, and what RUN installs is complete."""
    where = (
        "import bff, bff.web.console_files as files; print(bff.__file__, (files.BUILT / 'index.html').is_file())"
    )
    said = subprocess.run(
        [image.python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    version = subprocess.run([image.entry_point, "--version"], capture_output=True, text=True, check=True).stdout

    package, has_console = said.split()
    assert Path(package).is_relative_to(image.python.parents[1])
    assert "True" == has_console
    assert version.startswith("bff, version ")


def test_image_answers_its_own_health_check(image: Image, container: tuple[ServerProcess, int]):
    """The program of HEALTHCHECK ends well once bff is ready, even without its issuer; badly when it is gone."""
    server, management = container
    (check,) = arguments("HEALTHCHECK")
    _, _, program = json.loads(check.partition(" CMD ")[2])
    words = [str(image.python), "-c", program.replace("127.0.0.1:9090", f"127.0.0.1:{management}")]

    assert words[-1] != program
    deadline = time.monotonic() + PATIENCE
    while asked(words) != 0:
        assert time.monotonic() < deadline, server.output
    server.stop()
    assert 0 != asked(words)


def asked(words: list[str]) -> int:
    """The exit status of the check, which Docker goes by."""
    return subprocess.run(words, capture_output=True, env={**os.environ, "no_proxy": "*"}, check=False).returncode
