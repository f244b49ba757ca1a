"""The bare prototype: the least that a raw ASGI proxy in Python can do. All above it is our own doing.

granian, one worker; pyreqwest, streamed; the cookie opened by AES-GCM for every request; no policy, no store, no
check, no forwarding headers, and nobody notices when the browser goes away.

    BARE_UPSTREAM=http://127.0.0.1:9001 BARE_KEY=<64 hex digits> granian --interface asgi benchmarks.bare:app
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyreqwest.client import Client, ClientBuilder

COOKIE = b"session"
_DROPPED = frozenset({b"host", b"connection", b"cookie", b"content-length", b"transfer-encoding", b"x-csrf"})
_PREFIX = len("/api")

_upstream = os.environ.get("BARE_UPSTREAM", "")
_key = AESGCM(bytes.fromhex(os.environ.get("BARE_KEY", "00" * 32)))


def seal(key: bytes, token: bytes) -> str:
    """The cookie that carries a token."""
    nonce = os.urandom(12)
    return urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, token, COOKIE)).decode()


def _build_client() -> Client:
    return (
        ClientBuilder()
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .referer(False)
        .no_proxy()
        .read_timeout(timedelta(seconds=30))
        .build()
    )


_client = _build_client()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = []
    token = b""
    for name, value in scope["headers"]:
        if name == b"cookie":
            sealed = urlsafe_b64decode(value.partition(b"=")[2])
            token = _key.decrypt(sealed[:12], sealed[12:], COOKIE)
        elif name not in _DROPPED:
            headers.append((name.decode(), value.decode()))
    headers.append(("authorization", "Bearer " + token.decode()))
    url = _upstream + scope["raw_path"].decode()[_PREFIX:]
    request = _client.request(scope["method"], url).headers(headers).streamed_read_buffer_limit(0)
    async with request.build_streamed() as response:
        answer = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": answer})
        while (chunk := await response.body_reader.read_chunk()) is not None:
            await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
