"""The first five minutes, as docs/start.md has them: its own commands, before a real provider and a real API."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, ServerProcess, reserve_port
from tests.product import Browser
from tests.world import World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PAGE = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
PATIENCE = 60.0  # seconds


def commands() -> dict[str, list[str]]:
    """The commands of bff that the page has people type, by their names."""
    typed = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line) for line in typed.splitlines() if line.startswith("bff ")]
    return {words[1]: words[1:] for words in lines}


class Beginner:
    """Somebody who types what the page says, in a folder of their own."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.port = world.port()
        self.url = f"http://localhost:{self.port}"
        self._issuer = world.issuer
        self.environment = {
            "BFF_CLIENT_SECRET": self._issuer.client_secret,
            "BFF__SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "BFF__SERVER__MANAGEMENT_LISTEN": f"127.0.0.1:{reserve_port()}",
        }
        # What is the reader's own in the page's commands.
        self._own = {
            "keycloak": "generic",
            "https://id.example.com/realms/main": self._issuer.url,
            "spa": self._issuer.client_id,
            "http://localhost:8080": self.url,
            "http://127.0.0.1:9001": world.echo.url,
        }

    def words(self, command: str) -> list[str]:
        program = [sys.executable, "-m", "bff"]
        return program + [self._own.get(word, word) for word in commands()[command]]

    def type(self, command: str) -> str:
        """Runs a command that ends well; returns what it said."""
        ended = subprocess.run(
            self.words(command),
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == ended.returncode, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture
def beginner(tmp_path: Path, world: World) -> Iterator[Beginner]:
    yield Beginner(tmp_path, world)


async def test_commands_of_the_page_lead_to_a_session(beginner: Beginner) -> None:
    """`bff init`, `bff check`, `bff run`; then a login, a call to the API, and the session in the list."""
    assert ["init", "check", "run", "sessions"] == list(commands())

    beginner.type("init")
    assert "FAIL" not in beginner.type("check")
    server = ServerProcess(beginner.words("run"), env=beginner.environment, cwd=beginner.folder)
    try:
        server.wait_for_port(beginner.port)
        async with Browser(beginner) as browser:

            async def ready() -> bool:
                return (await browser.navigate("/bff/login")).status_code == 303

            await eventually(ready, "the provider's metadata", PATIENCE)
            landed = await browser.log_in("alice")
            called = await browser.get("/api/orders")
            user = await browser.user()
            page = await browser.navigate("/")
    finally:
        server.stop()

    assert (303, "/", 200, 404) == (
        landed.status_code,
        landed.headers["location"],
        called.status_code,
        page.status_code,
    )
    assert user is not None
    assert user["session"]["id"] in beginner.type("sessions")
