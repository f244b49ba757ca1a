"""The content security policy of the app's pages: strict, yet with what a build has put into the page itself."""

import base64
import hashlib
from html.parser import HTMLParser
from typing import NamedTuple

# `{script_sources}` and `{style_sources}` are filled in for each page: hashes, or a nonce.
DEFAULT_POLICY = (
    "default-src 'self'; script-src 'self'{script_sources}; style-src 'self'{style_sources}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:"
)
_NONCE = " 'nonce-{nonce}'"


class Inline(NamedTuple):
    """The hashes of what stands in a page itself, as sources of a policy (CSP Level 3 §2.3.1), in their order."""

    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


NOTHING_INLINE = Inline()


def find_inline(page: bytes) -> Inline:
    """Return the hashes of a page's inline scripts and style sheets.

    Handlers and styles in attributes are not among them: the policy refuses those.
    """
    finder = _Finder()
    # A browser reads every line's end as one LF before it takes the hash (HTML §13.2.3.5).
    finder.feed(page.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))
    finder.close()
    return Inline(tuple(dict.fromkeys(finder.scripts)), tuple(dict.fromkeys(finder.styles)))


def build_policy(template: str, inline: Inline = NOTHING_INLINE) -> bytes:
    """Return the policy of a page with these parts of its own, or of any other file."""
    return _fill(template, *("".join(f" {source}" for source in sources) for sources in inline))


def build_nonce_policy(template: str) -> bytes:
    """Return the policy of a page whose scripts and styles have a nonce; `{nonce}` is left to be filled in."""
    return _fill(template, _NONCE, _NONCE)


def _fill(template: str, scripts: str, styles: str) -> bytes:
    filled = template.replace("{script_sources}", scripts).replace("{style_sources}", styles)
    return filled.encode("ascii")


class _Finder(HTMLParser):
    """Collects the text of inline scripts and style sheets, which stands in a page as it is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "style" or (tag == "script" and all(name != "src" for name, _ in attrs)):
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._text is not None and tag in {"script", "style"}:
            digest = hashlib.sha256("".join(self._text).encode()).digest()
            source = f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
            (self.scripts if tag == "script" else self.styles).append(source)
            self._text = None
