"""The little of ASGI that the demo API needs: bodies in, JSON and problem documents out."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]


class Problem(Exception):
    """An answer that says what is wrong (RFC 9457); `challenge` becomes WWW-Authenticate."""

    def __init__(self, status: int, code: str, title: str, detail: str, challenge: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.challenge = challenge
        self.body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}


def header_of(scope: Scope, name: bytes) -> str | None:
    """The header's only value; None when it is missing or there are several, which no one may choose from."""
    values: list[bytes] = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


async def read_body(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body in the pieces it comes in.

    Raises:
        Problem: 413, it is longer than `limit` bytes.
        ConnectionError: the caller has gone.
    """
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller has gone")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Problem(413, "body_too_large", "Body too large", f"A body has at most {limit} bytes here.")
        yield chunk
        if not message.get("more_body", False):
            return


async def read_json(scope: Scope, receive: Receive, limit: int) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        Problem: 413, 415 or 400.
    """
    media_type = (header_of(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "not_json", "Not JSON", "Send the body as application/json.")
    try:
        document = json.loads(b"".join([chunk async for chunk in read_body(receive, limit)]))
    except ValueError as error:
        raise Problem(400, "bad_json", "Bad JSON", "The body is not JSON.") from error
    if not isinstance(document, dict):
        raise Problem(400, "bad_json", "Bad JSON", "The body is not a JSON object.")
    return document


async def send_start(send: Send, status: int, media_type: bytes, headers: Headers = ()) -> None:
    """Status and headers; what the API says is never cached."""
    all_headers = [(b"content-type", media_type), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})


async def send_json(send: Send, status: int, document: object) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    length = (b"content-length", b"%d" % len(body))
    await send_start(send, status, b"application/json", [length])
    await send({"type": "http.response.body", "body": body})


async def send_nothing(send: Send) -> None:
    """204."""
    await send({"type": "http.response.start", "status": 204, "headers": [(b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": b""})


async def send_problem(send: Send, problem: Problem) -> None:
    body = json.dumps(problem.body).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    if problem.challenge:
        headers.append((b"www-authenticate", problem.challenge.encode("latin-1")))
    await send_start(send, problem.status, b"application/problem+json", headers)
    await send({"type": "http.response.body", "body": body})
