"""The console's files: built once, read once, served by name with a policy that lets nothing else in.

They hold no secret, so whoever reaches the listener may have them; what they show comes from the admin API, which
asks who is there.
"""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import HttpMethod, Request, Router, route
from litestar.datastructures import State
from litestar.response.base import ASGIResponse

from bff.errors import RouteNotFound
from bff.http.problems import SECURITY_HEADERS
from bff.web.pages import CONTENT_SECURITY_POLICY as PAGE_POLICY
from bff.web.pages import build_notice_page

BUILT = Path(__file__).parent / "console" / "dist"
# OWASP ASVS 5.0, 3.4.3. Trusted Types without a policy leave script no way to turn text into markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9]{1,5}\Z")  # a bundler's names, made from the content
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|\Z))", re.IGNORECASE)  # RFC 9110 §12.5.3
_FOREVER = "public, max-age=31536000, immutable"
_NEVER = "no-store"
_CHECK = "no-cache"
_WORTH_PACKING = 1024  # bytes
_NOT_BUILT = "The console is not built"
_HOW_TO_BUILD = (
    "This installation came without the console's files. Installed from source: run “make console” and start the "
    "server again. The admin API works without it."
)

AnyRequest = Request[Any, Any, State]


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """One file as it is sent. `packed` is the content under gzip, None where that saves nothing."""

    content: bytes
    packed: bytes | None
    kind: str
    etag: str
    cache: str


def read_console(directory: Path = BUILT) -> Mapping[str, ConsoleFile]:
    """Return the built files by their path below the console; empty when the console was not built."""
    if not (directory / "index.html").is_file():
        return {}
    return {path.relative_to(directory).as_posix(): _read(path) for path in directory.rglob("*") if path.is_file()}


def build_console_router(path: str, directory: Path = BUILT) -> Router:
    """Return what answers below `path`: the start page at `path/`, its parts by name, and nothing else.

    A path that is no file's raises `RouteNotFound`: the page's own places are behind the `#`.
    """
    files = read_console(directory)

    @route(["/", "/{name:path}"], http_method=[HttpMethod.GET, HttpMethod.HEAD])
    async def console(request: AnyRequest) -> ASGIResponse:
        name = str(request.path_params.get("name", ""))
        if not name.strip("/") and not request.scope["raw_path"].endswith(b"/"):
            return _redirect(f"{path}/")  # the page names its parts relative to itself
        if not files:
            return _not_built(request)
        file = files.get(name.strip("/") or "index.html")
        if file is None:
            raise RouteNotFound
        return _answer(request, file)

    return Router(path=path, route_handlers=[console], include_in_schema=False)


def _read(path: Path) -> ConsoleFile:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    packed = gzip.compress(content, mtime=0) if len(content) >= _WORTH_PACKING else content
    return ConsoleFile(
        content=content,
        packed=packed if len(packed) < len(content) else None,
        kind=kind,
        etag=hashlib.sha256(content).hexdigest()[:32],
        cache=_NEVER if path.name == "index.html" else _FOREVER if _HASHED.search(path.name) else _CHECK,
    )


def _answer(request: AnyRequest, file: ConsoleFile) -> ASGIResponse:
    accepted = request.headers.get("accept-encoding", "")
    takes_gzip = file.packed is not None and _TAKES_GZIP.search(accepted) is not None
    etag = f'"{file.etag}{"-gzip" if takes_gzip else ""}"'  # RFC 9110 §8.8.3: of the representation as it is sent
    headers = _headers(POLICY, file.cache) | {"etag": etag, "vary": "Accept-Encoding"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known:
        return ASGIResponse(status_code=304, headers=headers)
    if takes_gzip:
        headers["content-encoding"] = "gzip"
    body = file.packed if takes_gzip and file.packed is not None else file.content
    return _send(request, 200, headers, file.kind, body)


def _not_built(request: AnyRequest) -> ASGIResponse:
    headers = _headers(PAGE_POLICY.decode("ascii"), _NEVER)
    return _send(request, 503, headers, "text/html; charset=utf-8", build_notice_page(_NOT_BUILT, _HOW_TO_BUILD))


def _send(request: AnyRequest, status: int, headers: dict[str, str], kind: str, body: bytes) -> ASGIResponse:
    described = headers | {"content-type": kind, "content-length": str(len(body))}
    if request.method == "HEAD":  # the headers of a GET without its body (RFC 9110 §9.3.2)
        return ASGIResponse(status_code=status, headers=described, is_head_response=True)
    return ASGIResponse(body=body, status_code=status, headers=described)


def _redirect(location: str) -> ASGIResponse:
    headers = _headers("default-src 'none'; frame-ancestors 'none'", _NEVER) | {"location": location}
    return ASGIResponse(body=b"", status_code=308, headers=headers, media_type="text/plain")


def _headers(policy: str, cache: str) -> dict[str, str]:
    security = {name.decode("ascii"): value.decode("ascii") for name, value in SECURITY_HEADERS}
    return security | {"content-security-policy": policy, "cache-control": cache}
