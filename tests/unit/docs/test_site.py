"""The documentation site builds strictly, has every page, and loads nothing from elsewhere."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
# What makes a browser fetch something by itself.
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_LOADED_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}
_IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it: a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == built.returncode, built.stderr
    return folder


class _Page(HTMLParser):
    """What a page loads, where its links lead, and the classes of its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.classes |= set(given.get("class", "").split())
        if tag in _LOADS and _LOADS[tag] in given:
            self.loads.add(given[_LOADS[tag]])
        if tag == "link" and _LOADED_LINKS & set(given.get("rel", "").split()):
            self.loads.add(given["href"])
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        self.loads |= {a or b for a, b in _IN_STYLES.findall(given.get("style", ""))}


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_document_has_its_page_and_is_found_from_the_navigation(site: Path):
    """One that is in no list would be read by nobody."""
    expected = {
        path.relative_to(DOCS).with_suffix("").as_posix().removesuffix("index").strip("/")
        for path in DOCS.rglob("*.md")
    }
    home = _Page((site / "index.html").read_text(encoding="utf-8"))
    reached = {link.split("#")[0].removesuffix("index.html").strip("./") for link in home.links}

    assert set() == {name for name in expected if not (site / name / "index.html").exists()}
    assert set() == expected - reached


def test_nothing_is_loaded_from_elsewhere(site: Path):
    """Whoever reads about privacy is told on to no third party: no font, no script, no counter."""
    loaded = {(page.relative_to(site), url) for page in pages(site) for url in _Page(page.read_text()).loads}
    loaded |= {
        (style.relative_to(site), a or b)
        for style in site.rglob("*.css")
        for a, b in _IN_STYLES.findall(style.read_text(encoding="utf-8"))
    }

    assert len(loaded) > 50
    assert [] == [found for found in loaded if re.match(r"(?:https?:)?//", found[1])]


def test_no_diagram_needs_a_script_from_elsewhere(site: Path):
    """The theme would fetch Mermaid from a content network: diagrams are pictures of our own."""
    assert [] == [page for page in pages(site) if "mermaid" in _Page(page.read_text(encoding="utf-8")).classes]


def test_what_lies_outside_the_documents_is_on_the_site(site: Path):
    """Files to deploy, changes and benchmarks can be read without the repository."""
    home = site / "repository"

    assert "proxy_buffering" in (home / "deploy/nginx/bff.conf/index.html").read_text(encoding="utf-8")
    assert "NetworkPolicy" in (home / "deploy/kubernetes/index.html").read_text(encoding="utf-8")
    assert "Keep a Changelog" in (home / "CHANGELOG/index.html").read_text(encoding="utf-8")
    assert (home / "benchmarks/index.html").exists()


def test_a_status_is_no_number_of_a_list(site: Path):
    """A section that begins with `401.` would be the first entry of a list to Markdown."""
    errors = (site / "errors/index.html").read_text(encoding="utf-8")

    assert "<p>401. A call that needs a signed-in user" in errors
    assert "<ol" not in errors.partition("<article")[2].partition("</article>")[0]


def test_the_search_finds_keys_and_codes(site: Path):
    """Readers come with the word that they have before them."""
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    titles = {entry["title"] for entry in index}
    texts = " ".join(entry["text"] for entry in index)

    assert {"session_required", "upstream_timeout", "Keycloak"} <= titles
    assert "absolute_timeout" in texts
