"""What is in the app's directory: each file with its forms and the headers of each, read once."""

import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bff.http.problems import SECURITY_HEADERS
from bff.web.spa_policy import build_nonce_policy, build_policy, find_inline

Headers = tuple[tuple[bytes, bytes], ...]

DEFAULT_PERMISSIONS = (
    "browsing-topics=(), camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
)
_FOREVER = b"public, max-age=31536000, immutable"
_CHECK = b"no-cache"  # kept, but asked for again each time: the ETag makes that cheap
_NEVER = b"no-store"
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")
_CODINGS = {".br": b"br", ".zst": b"zstd", ".gz": b"gzip"}
_SLACK = 60.0  # seconds that a compressed sibling may be older, as copies of a directory are
# A name's last piece, which bundlers make from the content; see `is_hashed`.
_PIECE = re.compile(r"[-.]([A-Za-z0-9_-]{8,})\.[a-z0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a file: as it is, or compressed."""

    path: Path
    size: int  # bytes
    etag: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class File:
    """A file by its name. A page with a nonce has `pieces`, to be joined by it, in the place of forms."""

    forms: Mapping[bytes, Form]  # by coding; `identity` is always there
    sizes: Mapping[bytes, int]
    pieces: tuple[bytes, ...] = ()
    page_headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a directory. `policy` is a template, see `bff.web.spa_policy`."""

    directory: Path
    policy: str
    permissions: str
    nonce_placeholder: str | None = None

    def read(self) -> dict[str, File]:
        """Return every file by its path on our origin; the start page is `/` too.

        Raises:
            ValueError: the start page lacks the placeholder of its nonce.
        """
        paths = {
            "/" + path.relative_to(self.directory).as_posix(): path
            for path in sorted(self.directory.rglob("*"))
            if path.is_file() and not path.is_symlink() and not _is_hidden(path.relative_to(self.directory))
        }
        files = {name: self._describe(path, paths, name) for name, path in paths.items()}
        files["/"] = files["/index.html"]
        return files

    def _describe(self, path: Path, paths: Mapping[str, Path], name: str) -> File:
        content = path.read_bytes()
        kind, encoding = mimetypes.guess_type(path.name)
        if kind is None or encoding is not None:
            kind = "application/octet-stream"
        is_page = kind == "text/html"
        if is_page and name == "/index.html" and self.nonce_placeholder is not None:
            return self._describe_nonce_page(path, content, self.nonce_placeholder.encode("ascii"))
        policy = build_policy(self.policy, find_inline(content)) if is_page else build_policy(self.policy)
        caching = _FOREVER if is_hashed(path.name) and not is_page else _CHECK
        siblings = {coding: paths.get(name + ending) for ending, coding in _CODINGS.items()}
        compressed = {coding: other for coding, other in siblings.items() if other and _is_current(other, path)}
        common: Headers = (
            (b"content-type", _content_type(kind)),
            (b"cache-control", caching),
            (b"accept-ranges", b"bytes"),
            *(((b"vary", b"Accept-Encoding"),) if compressed else ()),
            *self._secure(policy),
        )
        forms = {b"identity": _form(path, content, common)}
        for coding, other in compressed.items():
            forms[coding] = _form(other, other.read_bytes(), (*common, (b"content-encoding", coding)))
        return File(forms, {coding: form.size for coding, form in forms.items()})

    def _describe_nonce_page(self, path: Path, content: bytes, placeholder: bytes) -> File:
        pieces = tuple(content.split(placeholder))
        if len(pieces) == 1:
            raise ValueError(f"{path} does not hold {placeholder.decode('ascii')} (spa.nonce_placeholder)")
        headers = (
            (b"content-type", _content_type("text/html")),
            (b"cache-control", _NEVER),
            *self._secure(build_nonce_policy(self.policy)),
        )
        form = _form(path, content, headers)
        return File({b"identity": form}, {b"identity": form.size}, pieces, headers)

    def _secure(self, policy: bytes) -> Headers:
        return (
            (b"content-security-policy", policy),
            (b"permissions-policy", self.permissions.encode("ascii")),
            *SECURITY_HEADERS,
        )


def is_hashed(name: str) -> bool:
    """Tell whether a bundler made this name from the content, so that it never means anything else again.

    `main-B4dC0ffe.js` and `main.5f3a1b2c.css`; not `my-component.js`, nor `report-2026-11-24.pdf`.
    """
    found = _PIECE.search(name)
    if found is None:
        return False
    piece: str = found[1]
    letters = sum(char.isalpha() for char in piece)
    if any(char.isdigit() for char in piece):
        return letters > 0
    # Rollup's and Vite's have eight characters, of which a quarter of all has no digit.
    return len(piece) == 8 and not piece[1:].islower() and not piece.isupper()


def _form(path: Path, content: bytes, headers: Headers) -> Form:
    etag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode("ascii")
    return Form(path, len(content), etag, (*headers, (b"etag", etag)))


def _is_current(compressed: Path, plain: Path) -> bool:
    """What was left by an older build is not of this file."""
    return compressed.stat().st_mtime >= plain.stat().st_mtime - _SLACK


def _content_type(kind: str) -> bytes:
    return (kind + "; charset=utf-8" if kind.startswith(_TEXT) else kind).encode("ascii")


def _is_hidden(path: Path) -> bool:
    """What tools leave behind is nobody's business: `.env`, `.git`, `.vite`; `.well-known` is (RFC 8615)."""
    return any(part.startswith(".") and part != ".well-known" for part in path.parts)
