"""The single-page app's files: what is in the directory, by name, and the start page for navigation elsewhere.

A request can only name a file that was found when the directory was read, so no path leads out of it.
"""

import asyncio
import os
import secrets
from pathlib import Path

from bff.errors import MethodNotAllowed, RouteNotFound
from bff.proxy.asgi import Scope, Send
from bff.web.spa_choice import (
    choose_encoding,
    choose_range,
    has_tag,
    header,
    is_app_path,
    is_navigation,
)
from bff.web.spa_files import DEFAULT_PERMISSIONS, File, Form, Reader
from bff.web.spa_policy import DEFAULT_POLICY

_CHUNK = 256 * 1024
_NONCE_BYTES = 16
_BODILESS = frozenset({b"content-length", b"content-encoding", b"content-type"})


class SpaFiles:
    """Serves the files of one directory.

    Raises:
        ValueError: it has no index.html, or one without the placeholder that is to become a nonce.
    """

    def __init__(
        self,
        directory: Path,
        policy: str = DEFAULT_POLICY,
        permissions: str = DEFAULT_PERMISSIONS,
        nonce_placeholder: str | None = None,
    ) -> None:
        self._index = directory / "index.html"
        if not self._index.is_file():
            raise ValueError(f"{directory} has no index.html: build the app first")
        self._reader = Reader(directory, policy, permissions, nonce_placeholder)
        self._stamp = self._index.stat().st_mtime_ns
        self._files = self._reader.read()

    async def __call__(self, scope: Scope, send: Send, request_id: str) -> None:
        """Answer a request for a file, or a navigation to one of the app's own paths.

        Raises:
            MethodNotAllowed, RouteNotFound: see there.
            OSError: the file is gone, or no longer what was found; perhaps in the middle of it.
        """
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowed(allow="GET, HEAD")
        self._reread()
        file = self._files.get(scope["path"])
        if file is None:
            if not is_app_path(scope["path"]) or not is_navigation(scope["headers"]):
                raise RouteNotFound
            file = self._files["/"]
        own = (b"x-request-id", request_id.encode("ascii"))
        if file.pieces:
            await _send_page(scope, send, file, own)
        else:
            await _send_file(scope, send, file, own)

    def _reread(self) -> None:
        """Read the directory again after a build has replaced the start page."""
        try:
            stamp = self._index.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            self._files = self._reader.read()
        except (FileNotFoundError, ValueError):
            return  # in the middle of a build: go on with what was there
        self._stamp = stamp


async def _send_page(scope: Scope, send: Send, file: File, own: tuple[bytes, bytes]) -> None:
    """Send the start page with a nonce that no other answer has (CSP Level 3 §7.1)."""
    nonce = secrets.token_urlsafe(_NONCE_BYTES).encode("ascii")
    page = nonce.join(file.pieces)
    headers = [
        (name, value.replace(b"{nonce}", nonce) if name == b"content-security-policy" else value)
        for name, value in file.page_headers
    ]
    headers += [(b"content-length", b"%d" % len(page)), own]
    await _send(send, 200, headers, page if scope["method"] == "GET" else b"")


async def _send_file(scope: Scope, send: Send, file: File, own: tuple[bytes, bytes]) -> None:
    asked = scope["headers"]
    coding = b"identity"
    if len(file.forms) > 1:
        coding = choose_encoding(header(asked, b"accept-encoding"), file.sizes)
    form = file.forms[coding]
    headers = [*form.headers, own]
    if has_tag(header(asked, b"if-none-match"), form.etag):
        await _send(send, 304, [pair for pair in headers if pair[0] not in _BODILESS], b"")
        return
    if scope["method"] == "HEAD":
        await _send(send, 200, [*headers, (b"content-length", b"%d" % form.size)], b"")
        return
    part = choose_range(header(asked, b"range"), header(asked, b"if-range"), form.etag, form.size)
    if part is None:
        await _stream(send, 200, [*headers, (b"content-length", b"%d" % form.size)], form, range(form.size))
    elif len(part) == 0:
        refused = [pair for pair in headers if pair[0] not in _BODILESS]
        refused += [(b"content-range", b"bytes */%d" % form.size), (b"content-length", b"0")]
        await _send(send, 416, refused, b"")
    else:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, form.size)))
        await _stream(send, 206, [*headers, (b"content-length", b"%d" % len(part))], form, part)


async def _stream(send: Send, status: int, headers: list[tuple[bytes, bytes]], form: Form, part: range) -> None:
    """Send these bytes of a file, a piece at a time; nothing at all when it is not what it was."""
    handle = await asyncio.to_thread(form.path.open, "rb")
    try:
        if os.fstat(handle.fileno()).st_size != form.size:
            raise OSError("the file has changed")
        handle.seek(part.start)
        missing = len(part)
        started = False
        while missing or not started:
            piece = await asyncio.to_thread(handle.read, min(_CHUNK, missing))
            if missing and not piece:
                raise OSError("the file has become shorter")
            missing -= len(piece)
            if not started:
                await send({"type": "http.response.start", "status": status, "headers": headers})
                started = True
            await send({"type": "http.response.body", "body": piece, "more_body": missing > 0})
    finally:
        handle.close()


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
