"""The single-page app's files: what is in the directory, by name, and the start page for everything else.

A request can only name a file that was found when the directory was read, so no path leads out of it.
"""

import asyncio
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from bff.errors import MethodNotAllowed, RouteNotFound
from bff.http.problems import SECURITY_HEADERS
from bff.proxy.asgi import Scope, Send

DEFAULT_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:"
)
# Names that a bundler made from the content never mean anything else again.
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]{1,5}\Z")
_FOREVER = b"public, max-age=31536000, immutable"
_CHECK = b"no-cache"  # kept, but asked for again each time: the ETag makes that cheap
_CHUNK = 256 * 1024
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes


class SpaFiles:
    """Serves the files of one directory. Raises `ValueError` when it has no index.html."""

    def __init__(self, directory: Path, policy: str = DEFAULT_POLICY) -> None:
        self._directory = directory
        self._policy = policy.encode("ascii")
        self._index = directory / "index.html"
        if not self._index.is_file():
            raise ValueError(f"{directory} has no index.html: build the app first")
        self._stamp = 0
        self._files: dict[str, _File] = {}
        self._reread()

    async def __call__(self, scope: Scope, send: Send, request_id: str) -> None:
        """Answer a request for a file or for one of the app's own paths.

        Raises:
            MethodNotAllowed, RouteNotFound: see there.
        """
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowed(allow="GET, HEAD")
        self._reread()
        file = self._files.get(scope["path"])
        if file is None:
            if not _is_app_path(scope["path"]):
                raise RouteNotFound
            file = self._files["/"]
        headers = [*file.headers, (b"x-request-id", request_id.encode("ascii"))]
        if file.etag in _if_none_match(scope):
            await _send(send, 304, [pair for pair in headers if pair[0] != b"content-length"], b"")
            return
        await self._send_file(send, file, headers, with_body=scope["method"] == "GET")

    async def _send_file(
        self, send: Send, file: _File, headers: list[tuple[bytes, bytes]], *, with_body: bool
    ) -> None:
        if not with_body:
            await _send(send, 200, headers, b"")
            return
        content = await asyncio.to_thread(file.path.read_bytes)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, max(len(content), 1), _CHUNK):
            more = start + _CHUNK < len(content)
            await send({"type": "http.response.body", "body": content[start : start + _CHUNK], "more_body": more})

    def _reread(self) -> None:
        """Read the directory again after a build has replaced the start page."""
        try:
            stamp = self._index.stat().st_mtime_ns
        except FileNotFoundError:
            return  # in the middle of a build: go on with what was there
        if stamp == self._stamp:
            return
        files = {
            "/" + path.relative_to(self._directory).as_posix(): self._describe(path)
            for path in sorted(self._directory.rglob("*"))
            if path.is_file() and not path.is_symlink() and not _is_hidden(path.relative_to(self._directory))
        }
        files["/"] = files["/index.html"]
        self._files, self._stamp = files, stamp

    def _describe(self, path: Path) -> _File:
        content = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if kind.startswith(_TEXT):
            kind += "; charset=utf-8"
        etag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode("ascii")
        return _File(
            path,
            (
                (b"content-type", kind.encode("ascii")),
                (b"content-length", b"%d" % len(content)),
                (b"cache-control", _FOREVER if _HASHED.search(path.name) else _CHECK),
                (b"etag", etag),
                (b"content-security-policy", self._policy),
                *SECURITY_HEADERS,
            ),
            etag,
        )


def _is_hidden(path: Path) -> bool:
    """What tools leave behind is nobody's business: `.env`, `.git`, `.vite`; `.well-known` is (RFC 8615)."""
    return any(part.startswith(".") and part != ".well-known" for part in path.parts)


def _is_app_path(path: str) -> bool:
    """The app's own router owns paths whose last segment looks like no file."""
    return "." not in path.rsplit("/", 1)[-1]


def _if_none_match(scope: Scope) -> set[bytes]:
    return {
        item.strip().removeprefix(b"W/")
        for name, value in scope["headers"]
        if name == b"if-none-match"
        for item in value.split(b",")
    }


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
