"""What MkDocs does not do by itself: links that lead out of docs/, and pages that the navigation does not name.

In the repository `docs/deployment.md` links to `../deploy/nginx/bff.conf`. The site has a page for each such file,
below `repository/`, with the file's text; links to source code become the name alone. Strict builds find the rest.
"""

import os.path
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from documentation.diagrams import sequence_diagram
from documentation.reference import generated

ROOT = Path(__file__).parents[1]
DOCS, COPIES = "docs/", "repository/"
# Of what lies outside docs/, what readers of the site want to see.
PUBLISHED = ("deploy", "Dockerfile", "docker-compose.yml", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")
PUBLISHED_PAGES = ("benchmarks/README.md", "frontend_example/README.md")
_STATUS = re.compile(r"^(\d{3})\. ", re.MULTILINE)  # a paragraph that begins with one is no list of one entry
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_LANGUAGES = {".conf": "nginx", ".service": "ini", ".yml": "yaml"}  # where it is not the suffix
# Of a folder, these: somebody's keys beside them are nobody's business.
_SHOWN = frozenset({".Caddyfile", ".conf", ".json", ".service", ".toml", ".yaml", ".yml", "Caddyfile"})
_LONGEST = 40_000  # characters of a file that is shown


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages at the end that the navigation does not name."""
    nav: list[Any] = list(config.nav or [])
    named = set(_named(nav))
    rest = sorted(
        path.relative_to(config.docs_dir).as_posix()
        for path in Path(config.docs_dir).rglob("*.md")
        if path.relative_to(config.docs_dir).as_posix() not in named
    )
    config.nav = [*nav, {"More": rest}] if rest else nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each published file that a page links to, or the navigation names."""
    todo = [(DOCS + file.src_uri, file.content_string) for file in files.documentation_pages()]
    listed = [_source_of(name) for name in _named(config.nav or []) if name.startswith(COPIES)]
    todo.append(("", "".join(f"[]({name})" for name in listed)))
    while todo:
        home, text = todo.pop()
        for _, _, target, _ in _LINK.findall(_FENCE.sub("", text)):
            path = _resolved(home, target)
            if path is None or not _is_published(path) or files.get_file_from_path(_page_of(path)) is not None:
                continue
            content = _text_of(ROOT / path)
            files.append(File.generated(config, _page_of(path), content=content))
            if path.endswith(".md"):
                todo.append((path, content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Have the links that lead out of docs/ lead to these pages; take the tables of settings from the code."""
    here = page.file.src_uri
    home = _source_of(here) if here.startswith(COPIES) else DOCS + here

    def link(found: re.Match[str]) -> str:
        mark, label, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = _resolved(home, target)
        if path is None:
            return found[0]
        if path.startswith(DOCS):
            place = path.removeprefix(DOCS)
        elif _is_published(path):
            place = _page_of(path)
        else:
            return label
        return f"{mark}[{label}]({os.path.relpath(place, PurePosixPath(here).parent)}{anchor})"

    text = _STATUS.sub(r"\1\\. ", markdown)
    return _outside_fences(generated(text) if here == "configuration.md" else text, link)


def _outside_fences(text: str, link: Any) -> str:
    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(link, text[at : fence.start()]), _drawn(fence[0])]
        at = fence.end()
    return "".join([*parts, _LINK.sub(link, text[at:])])


def _drawn(fence: str) -> str:
    kind, _, body = fence.removeprefix("```").removesuffix("```").partition("\n")
    return f"<div>{sequence_diagram(body)}</div>\n" if kind == "mermaid" else fence


def _named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(each)


def _resolved(home: str, target: str) -> str | None:
    """Return the path in the repository that a link leads to; None for addresses and for what is not there."""
    if re.match(r"[a-z]+:", target):
        return None
    path = os.path.normpath(PurePosixPath(home).parent / target)
    return path if not path.startswith("..") and (ROOT / path).exists() else None


def _is_published(path: str) -> bool:
    return PurePosixPath(path).parts[0] in PUBLISHED or path in PUBLISHED_PAGES


def _page_of(path: str) -> str:
    if path.endswith(".md"):
        return COPIES + path.replace("/README.md", ".md")
    return f"{COPIES}{path}/index.md" if (ROOT / path).is_dir() else f"{COPIES}{path}.md"


def _source_of(page: str) -> str:
    name = page.removeprefix(COPIES)
    return name if (ROOT / name).exists() else name.replace(".md", "/README.md")


def _text_of(path: Path) -> str:
    """Return a page with a file's text; of a folder, with all of its files."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    if path.is_file():
        return f"# {name}\n\n{_code(path)}"
    found = sorted(file for file in path.rglob("*") if file.suffix in _SHOWN or file.name in _SHOWN)
    return f"# {name}/\n\n" + "\n".join(f"## {file.relative_to(path)}\n\n{_code(file)}" for file in found)


def _code(path: Path) -> str:
    text = path.read_text(encoding="utf-8").rstrip()
    if len(text) > _LONGEST:
        return f"{len(text)} characters, in the source archive.\n"
    return f"```{_LANGUAGES.get(path.suffix, path.suffix.removeprefix('.') or 'text')}\n{text}\n```\n"
