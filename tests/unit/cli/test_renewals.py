"""The renewal process, as far as it can be seen without a store and an issuer."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

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
issuer = "https://id.example.com"
client_id = "spa"
client_secret = { file = "client.secret" }
[keys]
secrets = [{ file = "bff.keys" }]
[session]
store = "sqlite:///sessions.db"
[log]
format = "json"
"""


def test_lines_of_libraries_come_out_as_in_the_workers(tmp_path: Path):
    """This process holds refresh tokens: what a library says of one is blanked (OWASP ASVS 16.2.5)."""
    (tmp_path / "bff.toml").write_text(CONFIG)
    for name in ("bff.keys", "client.secret"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(secrets.token_urlsafe(32))
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "BFF_CONFIG": str(tmp_path / "bff.toml"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == said.returncode, said.stderr
    assert ("redis", "AUTH failed, refresh_token=***") == tuple(
        json.loads(said.stderr.splitlines()[-1])[name] for name in ("logger", "text")
    )
