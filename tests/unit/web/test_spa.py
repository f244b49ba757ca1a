"""The app's files, and what of its directory is none of them."""

from pathlib import Path

import pytest

from bff.errors import RouteNotFound
from bff.web.spa import SpaFiles
from bff.web.spa_files import is_hashed


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


# ── forms, parts and pages ───────────────────────────────────────────────────────────────────────────────────

SCRIPT = b"console.log('a long script');" * 20


class Answer:
    """What came for a request."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = {name.decode(): value.decode() for name, value in headers}


async def get(files: SpaFiles, path: str, method: str = "GET", **headers: str) -> Answer:
    """Ask for a path; an underscore stands for a hyphen."""
    messages = []

    async def send(message):
        messages.append(message)

    asked = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await files({"method": method, "path": path, "headers": asked}, send, "0" * 32)
    assert [False] == [message.get("more_body") for message in messages[-1:]]
    body = b"".join(message["body"] for message in messages[1:])
    return Answer(messages[0]["status"], messages[0]["headers"], body)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A built app with compressed siblings."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<script nonce=NONCE>a</script><style nonce=NONCE>b</style>")
    (tmp_path / "assets" / "main-B4dC0ffe.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "main-B4dC0ffe.js.br").write_bytes(b"brotli")
    (tmp_path / "assets" / "main-B4dC0ffe.js.zst").write_bytes(b"zstandard")
    (tmp_path / "assets" / "main-B4dC0ffe.js.gz").write_bytes(b"gzip gzip gzip")
    (tmp_path / "index.html.gz").write_bytes(b"compressed page")
    (tmp_path / "notes.txt").write_bytes(b"0123456789")
    return tmp_path


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli"),
        ("gzip, zstd", "zstd", b"zstandard"),
        ("gzip", "gzip", b"gzip gzip gzip"),
        ("deflate", None, SCRIPT),
        ("br;q=0", None, SCRIPT),
    ],
)
async def test_compressed_sibling_is_sent_to_who_takes_it(
    site: Path, accepted: str, coding: str | None, body: bytes
):
    """With its own tag and length, under the type of the file itself (RFC 9110 §8.4, §8.8.3.3, §12.5.5)."""
    files = SpaFiles(site)
    plain = await get(files, "/assets/main-B4dC0ffe.js")
    answer = await get(files, "/assets/main-B4dC0ffe.js", accept_encoding=accepted)
    head = await get(files, "/assets/main-B4dC0ffe.js", "HEAD", accept_encoding=accepted)

    assert (200, body, coding, str(len(body))) == (
        answer.status,
        answer.body,
        answer.headers.get("content-encoding"),
        answer.headers["content-length"],
    )
    assert "Accept-Encoding" == answer.headers["vary"] == plain.headers["vary"]
    assert "javascript" in answer.headers["content-type"]
    assert (plain.headers["etag"] == answer.headers["etag"]) == (coding is None)
    assert (b"", answer.headers) == (head.body, head.headers)
    again = await get(
        files, "/assets/main-B4dC0ffe.js", accept_encoding=accepted, if_none_match=answer.headers["etag"]
    )
    assert (304, answer.headers["etag"], "Accept-Encoding") == (
        again.status,
        again.headers["etag"],
        again.headers["vary"],
    )
    other = await get(files, "/assets/main-B4dC0ffe.js", if_none_match=answer.headers["etag"])
    assert (304 if coding is None else 200) == other.status


async def test_sibling_of_an_older_build_is_left_alone(site: Path):
    """It would be other code."""
    import os

    os.utime(site / "assets" / "main-B4dC0ffe.js.br", (1, 1))
    answer = await get(SpaFiles(site), "/assets/main-B4dC0ffe.js", accept_encoding="br, gzip")

    assert "gzip" == answer.headers["content-encoding"]


async def test_parts_of_a_file_can_be_had(site: Path):
    """RFC 9110 §14."""
    files = SpaFiles(site)
    whole = await get(files, "/notes.txt")
    part = await get(files, "/notes.txt", range="bytes=2-4")
    tail = await get(files, "/notes.txt", range="bytes=-3", if_range=whole.headers["etag"])
    other = await get(files, "/notes.txt", range="bytes=2-4", if_range='"older"')
    beyond = await get(files, "/notes.txt", range="bytes=10-")
    head = await get(files, "/notes.txt", "HEAD", range="bytes=2-4")

    assert "bytes" == whole.headers["accept-ranges"]
    assert (206, b"234", "bytes 2-4/10", "3") == (
        part.status,
        part.body,
        part.headers["content-range"],
        part.headers["content-length"],
    )
    assert (206, b"789") == (tail.status, tail.body)
    assert (200, b"0123456789", None) == (other.status, other.body, other.headers.get("content-range"))
    assert (416, b"", "bytes */10") == (beyond.status, beyond.body, beyond.headers["content-range"])
    assert (200, b"", "10") == (head.status, head.body, head.headers["content-length"])


async def test_stock_page_works_under_the_strict_policy(site: Path):
    """What stands in it is known by its hash; everything else keeps the plain policy."""
    files = SpaFiles(site)
    page, text = await get(files, "/"), await get(files, "/notes.txt")

    assert 2 == page.headers["content-security-policy"].count("'sha256-")
    assert "sha256" not in text.headers["content-security-policy"]
    assert "no-cache" == page.headers["cache-control"]
    for answer in (page, text):
        assert ("nosniff", "no-referrer", "same-origin") == tuple(
            answer.headers[name]
            for name in ("x-content-type-options", "referrer-policy", "cross-origin-opener-policy")
        )
        assert "camera=()" in answer.headers["permissions-policy"]


async def test_page_with_a_nonce_has_a_new_one_each_time(site: Path):
    """In its tags and in its policy; it is never kept (CSP Level 3 §7.1)."""
    files = SpaFiles(site, nonce_placeholder="NONCE")
    answers = [await get(files, path, accept_encoding="gzip") for path in ("/", "/index.html", "/orders/7")]
    nonces = [answer.body.decode().split("nonce=")[1].split(">")[0] for answer in answers]

    assert 3 == len(set(nonces))
    for answer, nonce in zip(answers, nonces, strict=True):
        assert len(nonce) >= 22
        assert f"<script nonce={nonce}>a</script><style nonce={nonce}>b</style>".encode() == answer.body
        assert (
            f"script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'"
            in (answer.headers["content-security-policy"])
        )
        assert ("no-store", None, str(len(answer.body))) == (
            answer.headers["cache-control"],
            answer.headers.get("etag"),
            answer.headers["content-length"],
        )
    assert (b"", str(len(answers[0].body))) == (
        (head := await get(files, "/", "HEAD")).body,
        head.headers["content-length"],
    )


def test_page_without_its_placeholder_stops_the_start(site: Path):
    """A policy with a nonce would have nothing in the page run."""
    with pytest.raises(ValueError, match="does not hold MISSING"):
        SpaFiles(site, nonce_placeholder="MISSING")


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin"])
async def test_script_that_asks_for_a_path_of_the_app_gets_no_page(site: Path, mode: str):
    """A call to an API that is not there must not look like an answer."""
    with pytest.raises(RouteNotFound):
        await get(SpaFiles(site), "/orders/7", sec_fetch_mode=mode)


async def test_file_that_is_no_longer_what_it_was_is_not_sent(site: Path):
    """Its length would be a lie."""
    files = SpaFiles(site)
    (site / "notes.txt").write_bytes(b"shorter")

    with pytest.raises(OSError, match="has changed"):
        await get(files, "/notes.txt")


async def test_build_that_is_under_way_changes_nothing_yet(site: Path):
    """What was there is served on until the new start page is whole."""
    files = SpaFiles(site, nonce_placeholder="NONCE")
    (site / "index.html").write_text("half of a p")

    assert b"<script nonce=" in (await get(files, "/")).body
    (site / "index.html").write_text("<p>new NONCE</p>")
    assert b"<p>new " in (await get(files, "/")).body


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("main-B4dC0ffe.js", True),
        ("index-DiwrgTda.css", True),
        ("main.5f3a1b2c9d.js", True),
        ("a-_x9-Z1b_.woff2", True),
        ("my-component.js", False),
        ("my-Component.js", False),
        ("report-2026-11-24.pdf", False),
        ("app.js", False),
        ("vendor-polyfills.js", False),
        ("short-a1b2.js", False),
    ],
)
def test_name_made_from_the_content_is_told_from_others(name: str, is_one: bool):
    """Only such a file is kept for ever (RFC 8246)."""
    assert is_one == is_hashed(name)
