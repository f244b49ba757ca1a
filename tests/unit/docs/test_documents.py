"""What the documents say is so: links lead somewhere, configurations load, tests that are named exist."""

import os
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bff.config import load_config
from bff.crypto.key_ring import new_key

ROOT = Path(__file__).parents[3]
_NOT_OURS = {"node_modules", "dist", "build"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TEST = re.compile(r"`(test_\w+)`")
_ENV = re.compile(r'env = "(\w+)"')
_FILE = re.compile(r'file = "([\w./-]+)"')


def _documents() -> list[Path]:
    """Every document of the repository, and none of the packages installed below it."""
    found = []
    for folder, below, files in os.walk(ROOT):
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in _NOT_OURS)
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".md")]
    return found


def _name(value: object) -> str:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else ""


def _blocks(document: Path, language: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(document.read_text(encoding="utf-8")) if kind == language]


def _configurations(*, complete: bool) -> list[object]:
    return [
        pytest.param(body, id=f"{_name(document)}-{number}")
        for document in _documents()
        for number, body in enumerate(_blocks(document, "toml"), 1)
        if ("\npublic_url =" in "\n" + body and "\n[oidc]" in body) is complete
    ]


def _anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as the hosts of repositories make them."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in _HEADING.findall(text)
    }


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_relative_link_leads_somewhere(document: Path):
    """Files and headings that a document points to are there."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    dead = []
    for link in _LINK.findall(text):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        if not target.exists() or (parts.fragment and parts.fragment not in _anchors(target)):
            dead.append(link)

    assert [] == dead


@pytest.mark.parametrize("body", _configurations(complete=False))
def test_every_part_of_a_configuration_is_toml(body: str):
    """What is shown of a configuration can be pasted into one."""
    assert tomllib.loads(body)


@pytest.mark.parametrize("body", _configurations(complete=True))
def test_every_whole_configuration_loads(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file with `public_url` and `[oidc]` is meant to work as it stands, its secrets given."""
    for name in _ENV.findall(body):
        monkeypatch.setenv(name, "memory:" if "STORE" in name else "given-by-the-environment")
    for name in _FILE.findall(body):
        secret = tmp_path / name.lstrip("/")
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text(_private_key() if name.endswith(".pem") else new_key() + "\n")
        secret.chmod(0o600)
    config = tmp_path / "bff.toml"
    config.write_text(_FILE.sub(lambda found: f'file = "{found[1].lstrip("/")}"', body), encoding="utf-8")

    assert tomllib.loads(body)["public_url"] == load_config(config).public_url


def test_every_test_that_a_document_names_exists():
    """A claim that rests on a test rests on one that runs."""
    known = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = {name for document in _documents() for name in _TEST.findall(document.read_text(encoding="utf-8"))}

    assert set() == named - known
    assert len(named) > 20


def _private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
