"""The programs of docs/library.md do what the page says, run from the page itself."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from bff.crypto.key_ring import new_key

_PAGE = (Path(__file__).parents[3] / "docs" / "library.md").read_text(encoding="utf-8")
_PROGRAMS = re.findall(r"^```python\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
_CONFIGURATION = re.findall(r"^```toml\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)[-1]

_ORIGIN = "http://127.0.0.1:8080"  # Litestar's client wants a name with a dot


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the programs are started in. Their issuer refuses every connection."""
    (tmp_path / "bff.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (tmp_path / "bff.keys").write_text(new_key() + "\n")
    (tmp_path / "bff.keys").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BFF_CLIENT_SECRET", "given-by-the-environment")
    monkeypatch.setenv("BFF__PUBLIC_URL", _ORIGIN)
    monkeypatch.setenv("BFF__OIDC__ISSUER", "http://127.0.0.1:9")
    return tmp_path


@asynccontextmanager
async def _running(program: int) -> AsyncIterator[tuple[AsyncTestClient[Any], dict[str, Any]]]:
    module = sys.modules["program"] = ModuleType("program")
    try:
        exec(compile(_PROGRAMS[program], f"docs/library.md:{program}", "exec"), vars(module))
        async with AsyncTestClient(module.app, base_url=_ORIGIN) as client:
            yield client, vars(module)
    finally:
        del sys.modules["program"]


async def _codes(client: AsyncTestClient[Any]) -> list[tuple[int, str]]:
    """What the endpoint and a route answer to a page whose user is signed out, and to another site."""
    answers = [
        await client.get("/bff/user", headers={"X-CSRF": "1"}),
        await client.get("/api/orders/7", headers={"X-CSRF": "1"}),
        await client.get("/api/orders/7"),
    ]
    return [(answer.status_code, answer.json()["code"]) for answer in answers]


_SIGNED_OUT = [(401, "session_required"), (401, "session_required"), (403, "csrf_header_required")]


def test_the_page_has_three_programs():
    """Each is run below."""
    assert 3 == len(_PROGRAMS)


async def test_the_whole_product_is_an_application():
    """`build_app` answers for endpoints and routes, and for nothing else."""
    async with _running(0) as (client, _):
        assert _SIGNED_OUT == await _codes(client)
        assert 404 == (await client.get("/hello")).status_code


async def test_the_plugin_adds_to_an_application():
    """`BFFPlugin` adds endpoints and routes, and leaves the application's own alone."""
    async with _running(1) as (client, _):
        assert _SIGNED_OUT == await _codes(client)
        assert {"hello": "world"} == (await client.get("/hello")).json()


async def test_parts_take_the_place_of_the_real_thing():
    """`Parts` hears the events and keeps the sessions."""
    async with _running(2) as (client, names):
        assert _SIGNED_OUT == await _codes(client)
        assert "store.push_restored" in names["seen"]
