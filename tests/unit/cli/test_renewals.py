"""The renewal process, as far as it can be seen without a store and an issuer."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from bff.cli.renewal_process import count_death, pause_after
from tests.processes import ROOT

TOKEN = "q9VbT3v0q5mQmXo1Jc2YkL"
# A library says something while the process starts, and the start ends there.
PROGRAM = f"""
import asyncio, logging
from pathlib import Path
from bff.cli import renewals

def start(*_):
    logging.getLogger("redis").warning("AUTH failed, refresh_token={TOKEN}")
    raise SystemExit(0)

renewals.Bff = start
asyncio.run(renewals.serve(Path("renewals")))
"""
CONFIG = """
public_url = "https://app.example.com"
[oidc]
issuer = "https://127.0.0.1:9"
client_id = "spa"
client_secret = { file = "client.secret" }
[keys]
secrets = [{ file = "bff.keys" }]
[session]
store = "sqlite:///sessions.db"
[log]
format = "json"
"""


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder with the configuration."""
    (folder / "bff.toml").write_text(CONFIG)
    for name in ("bff.keys", "client.secret"):
        (folder / name).touch(0o600)
        (folder / name).write_text(secrets.token_urlsafe(32))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "BFF_CONFIG": str(folder / "bff.toml"), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        check=False,
    )


def test_lines_of_libraries_come_out_as_in_the_workers(tmp_path: Path):
    """This process holds refresh tokens: what a library says of one is blanked (OWASP ASVS 16.2.5)."""
    said = run(tmp_path, "-c", PROGRAM)

    assert 0 == said.returncode, said.stderr
    assert ("redis", "AUTH failed, refresh_token=***") == tuple(
        json.loads(said.stderr.splitlines()[-1])[name] for name in ("logger", "text")
    )


def test_address_that_nobody_can_listen_on_is_told_with_what_to_do(tmp_path: Path):
    """Unix sockets have short names; a folder for temporary files may have a long one."""
    said = run(tmp_path, "-m", "bff.cli.renewals", str(tmp_path / ("x" * 120) / "renewals"))

    assert 1 == said.returncode
    assert "cannot listen on" in said.stderr.splitlines()[-1]
    assert "TMPDIR" in said.stderr.splitlines()[-1]
    assert "Traceback" not in said.stderr


def test_process_that_never_lives_long_is_started_less_and_less_often():
    """A start takes the CPU from the workers, and some reasons stay; one that lived has another chance at once."""
    deaths, pauses = 0, []
    for lived in (3600.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 3600.0, 0.5):
        deaths = count_death(deaths, lived)
        pauses.append(pause_after(deaths))

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0, 2.0] == pauses
    assert 60.0 == pause_after(10_000)
