"""Answers of our own endpoints: never cached, never sniffed, never framed."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse

from bff.http.problems import NO_STORE, SECURITY_HEADERS
from bff.session.login import Redirect

_BASE = (NO_STORE, *SECURITY_HEADERS)
_NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


def build_answer(status: int, document: Any, *, cookies: Sequence[bytes] = ()) -> ASGIResponse:
    """Return JSON, or an empty answer for None."""
    headers = [*_BASE, _NOTHING_LOADS, (b"vary", b"Cookie"), *_set_cookies(cookies)]
    if document is None:
        return ASGIResponse(body=b"", status_code=status, headers=_text(headers), media_type="text/plain")
    return ASGIResponse(
        body=msgspec.json.encode(document),
        status_code=status,
        headers=_text(headers),
        media_type="application/json",
    )


def build_text(body: bytes, media_type: str) -> ASGIResponse:
    """Return text of a media type that names its charset."""
    headers = [*_BASE, _NOTHING_LOADS, (b"content-type", media_type.encode("ascii"))]
    return ASGIResponse(body=body, headers=_text(headers))


def build_redirect(redirect: Redirect) -> ASGIResponse:
    """Return a 303: whatever the method was, the browser goes on with GET (RFC 9700 §4.12)."""
    headers = [
        *_BASE,
        _NOTHING_LOADS,
        (b"location", redirect.location.encode("ascii")),
        *_set_cookies(redirect.cookies),
    ]
    return ASGIResponse(body=b"", status_code=303, headers=_text(headers), media_type="text/plain")


def _set_cookies(cookies: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"set-cookie", cookie) for cookie in cookies]


def _text(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("ascii"), value.decode("latin-1")) for name, value in headers]
