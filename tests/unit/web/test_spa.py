"""The app's files, and what of its directory is none of them."""

from pathlib import Path

import pytest

from bff.errors import RouteNotFound
from bff.web.spa import SpaFiles


async def fetch(files: SpaFiles, path: str) -> bytes:
    """GET one path."""
    body = b""

    async def send(message):
        nonlocal body
        body += message.get("body", b"")

    await files({"method": "GET", "path": path, "headers": []}, send, "0" * 32)
    return body


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A built app in whose directory tools have left something behind."""
    for name in ("index.html", "assets/app.js", ".env", ".git/config", ".vite/manifest.json", "assets/.map"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    well_known = tmp_path / ".well-known" / "security.txt"
    well_known.parent.mkdir()
    well_known.write_text("Contact: mailto:security@example.com")
    return tmp_path


@pytest.mark.parametrize("path", ["/.env", "/.vite/manifest.json", "/assets/.map"])
async def test_hidden_file_is_not_served(directory: Path, path: str):
    """OWASP ASVS 13.4.1: nothing of version control or of the build leaves with the app."""
    with pytest.raises(RouteNotFound):
        await fetch(SpaFiles(directory), path)


async def test_hidden_file_without_an_ending_is_the_app_s_own_path(directory: Path):
    """It looks like a path of the app's router, and gets the start page."""
    assert b"index.html" == await fetch(SpaFiles(directory), "/.git/config")


async def test_well_known_files_are_served(directory: Path):
    """RFC 8615."""
    assert b"Contact: mailto:security@example.com" == await fetch(SpaFiles(directory), "/.well-known/security.txt")
    assert b"assets/app.js" == await fetch(SpaFiles(directory), "/assets/app.js")
