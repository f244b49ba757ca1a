"""The console's files: served by name, under a policy that lets nothing else in."""

import gzip
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from bff.web.console_files import POLICY, build_console_router
from bff.web.errors import build_exception_handlers

SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build with a start page, a script with a hashed name and an icon with a plain one."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html><title>console</title>")
    (tmp_path / "assets" / "index-Ab_d-f12.js").write_bytes(SCRIPT)
    (tmp_path / "favicon.svg").write_bytes(b"<svg/>")
    return tmp_path


def client_of(directory: Path, path: str = "/bff/console") -> httpx.AsyncClient:
    handlers = build_exception_handlers("/bff", b"", lambda _name, _fields: None)
    app = Litestar([build_console_router(path, directory)], exception_handlers=handlers, openapi_config=None)
    # As a browser's tools would: no encoding is undone for us, so that what is sent can be compared.
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers={"Accept-Encoding": "identity"}
    )


async def test_start_page_is_never_kept(built):
    """A new version is seen at once; its parts have names of their own."""
    async with client_of(built) as client:
        answer = await client.get("/bff/console/")

    assert (200, b"<!doctype html><title>console</title>") == (answer.status_code, answer.content)
    assert ("text/html; charset=utf-8", "no-store") == (
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )


async def test_hashed_parts_are_kept_for_ever_and_others_asked_for_again(built):
    """RFC 8246: a name made from the content never means anything else."""
    async with client_of(built) as client:
        script = await client.get("/bff/console/assets/index-Ab_d-f12.js")
        icon = await client.get("/bff/console/favicon.svg")
        known = await client.get("/bff/console/favicon.svg", headers={"If-None-Match": icon.headers["etag"]})

    assert SCRIPT == script.content
    assert "public, max-age=31536000, immutable" == script.headers["cache-control"]
    assert "text/javascript; charset=utf-8" == script.headers["content-type"]
    assert "no-cache" == icon.headers["cache-control"]
    assert (304, b"") == (known.status_code, known.content)


async def test_big_parts_come_packed_to_whom_takes_it(built):
    """RFC 9110 §8.8.3: the packed representation has an ETag of its own."""
    path = "/bff/console/assets/index-Ab_d-f12.js"
    async with client_of(built) as client:
        plain = await client.get(path)
        request = client.build_request("GET", path, headers={"Accept-Encoding": "br, gzip"})
        packed = await client.send(request, stream=True)
        raw = b"".join([part async for part in packed.aiter_raw()])

    assert "gzip" == packed.headers["content-encoding"]
    assert len(raw) == int(packed.headers["content-length"]) < len(SCRIPT)
    assert SCRIPT == gzip.decompress(raw)
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "Accept-Encoding" == packed.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip;q=0", False),
        ("br, gzip; q=0.0", False),
        ("identity", False),
        ("GZIP;q=0.5", True),
        ("gzip;q=0.01,br", True),
    ],
)
async def test_who_refuses_gzip_gets_none(built, accepted, is_packed):
    """RFC 9110 §12.4.2: a weight of 0 means not acceptable."""
    async with client_of(built) as client:
        answer = await client.get("/bff/console/assets/index-Ab_d-f12.js", headers={"Accept-Encoding": accepted})

    assert is_packed == ("content-encoding" in answer.headers)
    assert SCRIPT == answer.content


async def test_policy_lets_nothing_in_from_elsewhere(built):
    """OWASP ASVS 5.0 3.4.3: nothing inline, nothing foreign, no frame around it, no markup from text."""
    async with client_of(built) as client:
        answer = await client.get("/bff/console/")

    assert POLICY == answer.headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert {"'none'"} == {
        directives[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")
    }
    assert {"'self'"} == {directives[name] for name in ("script-src", "style-src", "connect-src")}
    assert "unsafe" not in POLICY
    assert ("nosniff", "no-referrer") == (
        answer.headers["x-content-type-options"],
        answer.headers["referrer-policy"],
    )


async def test_page_without_its_slash_is_sent_to_it(built):
    """Its parts are named relative to it."""
    async with client_of(built, "/console") as client:
        answer = await client.get("/console")

    assert (308, "/console/") == (answer.status_code, answer.headers["location"])


async def test_head_is_a_get_without_its_body(built):
    """RFC 9110 §9.3.2."""
    async with client_of(built) as client:
        got = await client.get("/bff/console/favicon.svg")
        head = await client.head("/bff/console/favicon.svg")

    assert b"" == head.content
    assert dict(got.headers) == dict(head.headers)


@pytest.mark.parametrize("name", ["nothing.js", "../secret", "%2e%2e/secret", "assets", "assets/", "a/../index"])
async def test_nothing_but_the_built_files_can_be_named(built, name):
    """No path leads out of the build, and no path but `/` is the start page."""
    (built.parent / "secret").write_text("key")
    async with client_of(built) as client:
        answer = await client.get(f"/bff/console/{name}")

    assert 404 == answer.status_code
    assert b"key" not in answer.content


async def test_writing_is_refused(built):
    """The files take no form and no upload."""
    async with client_of(built) as client:
        answer = await client.post("/bff/console/")

    assert 405 == answer.status_code


async def test_page_that_was_not_built_says_how_to_build_it(tmp_path):
    """Instead of a blank page or a 404 that could mean anything."""
    async with client_of(tmp_path) as client:
        answer = await client.get("/bff/console/")

    assert (503, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert "make console" in answer.text
    assert "script" not in answer.headers["content-security-policy"]
