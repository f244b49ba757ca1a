"""`make` sets up what is missing, once, says what it lacks, and lets no test go unrun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontend_example.demo import set_up
from tests.processes import ROOT


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for stamps and logs."""
    monkeypatch.setattr(set_up, "STATE", tmp_path)
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    return tmp_path


def test_part_is_done_once_for_the_same_inputs(state):
    """Again when the inputs change, and when the result has been removed."""
    result, done = state / "result", []

    def work(_log: Path) -> None:
        done.append(1)
        result.touch()

    for inputs in ("a", "a", "b", "b"):
        set_up.unless_done("part", result, inputs, work)
    result.unlink()
    set_up.unless_done("part", result, "b", work)

    assert 3 == len(done)


def test_part_that_failed_is_tried_again(state):
    """No stamp is left by work that did not end well, not even the one of the time before."""
    result = state / "result"
    result.touch()
    set_up.unless_done("part", result, "a", lambda _log: None)

    def fail(_log: Path) -> None:
        raise set_up.SetUpFailed("no network")

    with pytest.raises(set_up.SetUpFailed):
        set_up.unless_done("part", result, "b", fail)

    assert not (state / "part.done").exists()


def test_fingerprint_follows_names_and_contents(state):
    """A changed file, a new file and a moved file each make another one; the order of writing does not."""
    folder = state / "src"
    folder.mkdir()
    (folder / "a").write_text("1")
    prints = [set_up.fingerprint([folder]), set_up.fingerprint([folder])]
    (folder / "a").write_text("2")
    prints.append(set_up.fingerprint([folder]))
    (folder / "b").write_text("2")
    prints.append(set_up.fingerprint([folder]))
    (folder / "b").rename(folder / "c")
    prints.append(set_up.fingerprint([folder]))
    prints.append(set_up.fingerprint([folder], "another Python"))

    assert prints[0] == prints[1]
    assert 5 == len(set(prints))


def test_failed_command_is_shown_with_the_end_of_its_output(state):
    """And with where the rest is."""
    with pytest.raises(set_up.SetUpFailed) as failed:
        set_up.run(state / "log", [sys.executable, "-c", "print('disk full'); raise SystemExit(3)"])

    assert str(failed.value).startswith("disk full\n")
    assert f"ended with 3. All of it: {state / 'log'}" in str(failed.value)


def test_command_that_is_missing_is_named(state):
    """Without a traceback for the person at the terminal."""
    with pytest.raises(set_up.SetUpFailed, match=r"no-such-program cannot be run: No such file"):
        set_up.run(state / "log", ["no-such-program"])


@pytest.mark.parametrize(
    ("apt", "hint"), [("/usr/bin/apt-get", "apt-get install chromium, as root"), (None, "package")]
)
def test_missing_browser_is_asked_for_where_we_may_not_install_it(state, monkeypatch, apt, hint):
    """What is missing, what for, and how to get it."""
    monkeypatch.setattr(set_up, "CHROMIUM", state / "chromium")
    monkeypatch.setattr(set_up.shutil, "which", lambda _name: apt)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(set_up.SetUpFailed, match=f"chromium is missing, .* Please install it: .*{hint}"):
        set_up.set_up_chromium()


def test_debian_packages_are_installed_as_root_after_an_update(state, monkeypatch, capsys):
    """A fresh machine has no list of packages yet."""
    commands = []
    monkeypatch.setattr(set_up, "CHROMIUM", state / "chromium")
    monkeypatch.setattr(set_up.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(set_up, "run", lambda _log, command, _environment: commands.append(command[1]))
    set_up.set_up_chromium()

    assert ["update", "install"] == commands
    assert capsys.readouterr().out.startswith("Installing chromium … ")


@pytest.mark.parametrize(
    "present", [{"prometheus", "promtool"}, {"prometheus", "apt-get", "dpkg-deb"}, {"promtool"}]
)
def test_prometheus_is_fetched_unless_both_of_its_programs_are_there(state, monkeypatch, capsys, present):
    """Without root, and without anything being installed or started."""
    commands = []
    monkeypatch.setattr(set_up, "CACHE", state)
    monkeypatch.setattr(set_up, "PROMETHEUS", state / "prometheus" / "prometheus")
    monkeypatch.setattr(set_up, "PROMTOOL", state / "prometheus" / "promtool")
    monkeypatch.setattr(set_up.shutil, "which", lambda name: f"/usr/bin/{name}" if name in present else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(set_up, "run", lambda _log, command: commands.append(command))

    assert (1 if present == {"promtool"} else 0) == set_up.main(["prometheus"])
    if "apt-get" in present:
        ((shell, _, steps, _, folder),) = commands
        assert ("/bin/sh", state / "prometheus") == (shell, folder)
        assert "apt-get download" in steps
    else:
        assert [] == commands
        assert ("so that they are on PATH" in capsys.readouterr().err) is (present == {"promtool"})


def test_unknown_part_is_refused_before_anything_is_done(state, capsys):
    """Exit 2, with the parts that there are."""
    assert 2 == set_up.main(["python", "pyhton"])
    assert "python|issuer|app|console|chromium|nginx|caddy|gateways|prometheus|wrk" in capsys.readouterr().err


# ── every test runs ──────────────────────────────────────────────────────────────────────────────────────

ONE_SKIPPED = """
import pytest
def test_runs(): pass
@pytest.mark.skip(reason="no browser")
def test_does_not(): pass
"""


def run_tests(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "-p", "every_test_runs", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".ci"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["one process", "a process of its own"])
def test_skipped_test_fails_the_run(tmp_path, options):
    """The last line is still pytest's summary."""
    ended = run_tests(tmp_path, ONE_SKIPPED, *options)

    assert 1 == ended.returncode, ended.stdout
    assert "1 skipped, see above. Every test runs here" in ended.stdout
    assert "1 passed, 1 skipped in" in ended.stdout.rstrip().splitlines()[-1]


def test_run_without_a_skipped_test_is_left_alone(tmp_path):
    """Exit 0, and not a word."""
    ended = run_tests(tmp_path, "def test_runs(): pass\n")

    assert 0 == ended.returncode, ended.stdout
    assert "did not run" not in ended.stdout
