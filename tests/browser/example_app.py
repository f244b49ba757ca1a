"""The built pages: each built when it is missing or older than its sources, by one process at a time."""

import fcntl
import subprocess
from pathlib import Path

from tests.processes import ROOT, ServerFailed
from tests.servers import node_command

_INPUTS = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src")


def built_example_app() -> Path:
    """The directory that `[spa] directory` names.

    Raises:
        ServerFailed: npm cannot install or build; the message tells why.
    """
    return _built(ROOT / "frontend_example", "example-app")


def built_console() -> Path:
    """The directory that the product serves the console from; raises as above."""
    return _built(ROOT / "bff" / "web" / "console", "console")


def _built(folder: Path, lock_name: str) -> Path:
    start_page = folder / "dist" / "index.html"
    lock_file = ROOT / ".cache" / f"{lock_name}.lock"
    lock_file.parent.mkdir(exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(start_page, *(folder / name for name in _INPUTS)):
            installed = folder / "node_modules" / ".package-lock.json"  # npm writes it last
            if not _is_current(installed, folder / "package-lock.json"):
                _npm(folder, "ci")
                installed.touch()
            _npm(folder, "run", "build")
    return start_page.parent


def _is_current(made: Path, *sources: Path) -> bool:
    files = [file for source in sources for file in (source.rglob("*") if source.is_dir() else (source,))]
    return made.exists() and made.stat().st_mtime >= max(file.stat().st_mtime for file in files)


def _npm(folder: Path, *arguments: str) -> None:
    command = [*node_command("npm"), *arguments, "--prefix", str(folder)]
    npm = subprocess.run(command, check=False, capture_output=True, text=True)
    if npm.returncode:
        raise ServerFailed(f"npm {' '.join(arguments)} failed: {npm.stdout}{npm.stderr}")
