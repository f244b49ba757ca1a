"""The demo API: what a BFF stands in front of. It knows nothing of the BFF and checks every token itself.

`python api.py` serves it. Configuration by environment:

    DEMO_API_ISSUER    the issuer whose access tokens it takes   (http://127.0.0.1:9000)
    DEMO_API_AUDIENCE  the audience that they must name          (https://api.demo.example)
    DEMO_API_LISTEN    host:port                                 (127.0.0.1:9001)
    DEMO_API_TICK      seconds between the events of /stream     (1)

    GET /health                            200, also without a token
    GET /whoami                            who the token says is calling, and how long it is good for
    GET, POST /tasks, DELETE /tasks/{id}   the tasks; writing needs the role `admin`
    GET /stream?count=N                    server-sent events, one a tick, for ever or N of them
    any method, /echo and /echo/…          what arrived, also without a token; tokens by hash, never in clear
"""

import asyncio
import hashlib
import os
import sys
import time
from dataclasses import asdict
from typing import Final
from urllib.parse import parse_qs

import httpx
from asgi_replies import (
    Problem,
    Receive,
    Scope,
    Send,
    header_of,
    read_body,
    read_json,
    send_json,
    send_nothing,
    send_problem,
    send_start,
)
from granian import Granian
from granian.constants import Interfaces
from tasks import TaskList, TitleRefused
from token_check import Caller, IssuerKeys, IssuerUnreachable, TokenCheck, TokenRejected

MAX_JSON_BYTES: Final = 16 * 1024
MAX_ECHO_BYTES: Final = 64 * 1024 * 1024
WRITER_ROLE: Final = "admin"


class DemoApi:
    """The ASGI application.

    Args:
        issuer: the issuer identifier.
        audience: what access tokens must be meant for.
        tick: seconds between the events of a stream.
    """

    def __init__(self, issuer: str, audience: str, tick: float) -> None:
        self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=5)
        self._tokens = TokenCheck(issuer, audience, IssuerKeys(issuer, self._http))
        self._tasks = TaskList(time.time)
        self._tick = tick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            try:
                await self._route(scope, receive, send)
            except Problem as problem:
                await send_problem(send, problem)
            except ConnectionError:
                return  # nobody is left to answer

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._http.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/echo" or path.startswith("/echo/"):
            await send_json(send, 200, await describe_request(scope, receive))
            return
        match scope["method"], path.split("/")[1:]:
            case "GET", ["health"]:
                await send_json(send, 200, {"status": "ok"})
            case "GET", ["whoami"]:
                await send_json(send, 200, describe_caller(await self._caller(scope), time.time()))
            case "GET", ["tasks"]:
                await self._caller(scope)
                await send_json(send, 200, {"items": [asdict(task) for task in self._tasks.list()]})
            case "POST", ["tasks"]:
                await self._create_task(scope, receive, send)
            case "DELETE", ["tasks", task_id]:
                await self._delete_task(scope, send, task_id)
            case "GET", ["stream"]:
                await self._caller(scope)
                await self._stream(scope, receive, send)
            case _:
                raise Problem(404, "not_found", "Not found", "There is nothing here.")

    async def _caller(self, scope: Scope) -> Caller:
        """Who calls.

        Raises:
            Problem: 401 with a challenge (RFC 6750 §3), or 503 when tokens cannot be judged now.
        """
        scheme, _, token = (header_of(scope, b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            detail = "This call needs an access token."
            raise Problem(401, "token_required", "Token required", detail, 'Bearer realm="demo-api"')
        try:
            return await self._tokens.check(token.strip())
        except TokenRejected as rejected:
            challenge = f'Bearer realm="demo-api", error="invalid_token", error_description="{rejected}"'
            raise Problem(401, "token_invalid", "Token refused", f"{rejected}.", challenge) from rejected
        except IssuerUnreachable as unreachable:
            detail = "The keys to check tokens with cannot be had now. Try again soon."
            raise Problem(503, "issuer_unavailable", "Issuer unavailable", detail) from unreachable

    async def _writer(self, scope: Scope) -> Caller:
        caller = await self._caller(scope)
        if WRITER_ROLE not in caller.roles:
            detail = f"Only callers with the role {WRITER_ROLE} may change tasks."
            raise Problem(403, "access_denied", "Access denied", detail)
        return caller

    async def _create_task(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = await self._writer(scope)
        document = await read_json(scope, receive, MAX_JSON_BYTES)
        try:
            task = self._tasks.create(document.get("title"), writer.subject)
        except TitleRefused as refused:
            raise Problem(400, "bad_title", "Title refused", str(refused)) from refused
        await send_json(send, 201, asdict(task))

    async def _delete_task(self, scope: Scope, send: Send, task_id: str) -> None:
        await self._writer(scope)
        if not self._tasks.delete(task_id):
            raise Problem(404, "not_found", "Not found", "There is no such task.")
        await send_nothing(send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One event a tick until the caller goes away, or `count` of them."""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("count", [""])[0]
        last = int(asked) if asked.isdecimal() else sys.maxsize
        await send_start(send, 200, b"text/event-stream")
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            for count in range(1, last + 1):
                await send(
                    {"type": "http.response.body", "body": b'data: {"count": %d}\n\n' % count, "more_body": True}
                )
                if count < last and (await asyncio.wait({gone}, timeout=self._tick))[0]:
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def describe_caller(caller: Caller, now: float) -> dict[str, object]:
    """What `/whoami` answers; times in epoch seconds."""
    return {
        "subject": caller.subject,
        "name": caller.name,
        "roles": list(caller.roles),
        "scope": caller.scope,
        "token": {
            "issued_at": caller.issued_at,
            "expires_at": caller.expires_at,
            "expires_in": max(0, caller.expires_at - int(now)),
        },
        "server_time": int(now),
    }


def mask_authorization(value: str) -> str:
    """The scheme, and the start of the token's hash: enough to tell tokens apart, useless to a reader."""
    scheme, _, token = value.partition(" ")
    return f"{scheme} sha256:{hashlib.sha256(token.encode('latin-1')).hexdigest()[:16]}"


async def describe_request(scope: Scope, receive: Receive) -> dict[str, object]:
    """What `/echo` answers: the request as it arrived, headers in order."""
    digest, length = hashlib.sha256(), 0
    async for chunk in read_body(receive, MAX_ECHO_BYTES):
        digest.update(chunk)
        length += len(chunk)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return {
        "method": scope["method"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "http_version": scope["http_version"],
        "headers": [
            (name, mask_authorization(value) if name == "authorization" else value) for name, value in headers
        ],
        "body_length": length,
        "body_sha256": digest.hexdigest(),
    }


def build_app() -> DemoApi:
    """The application as the environment configures it."""
    return DemoApi(
        issuer=os.environ.get("DEMO_API_ISSUER", "http://127.0.0.1:9000"),
        audience=os.environ.get("DEMO_API_AUDIENCE", "https://api.demo.example"),
        tick=float(os.environ.get("DEMO_API_TICK", "1")),
    )


def main() -> None:
    """Serves until it is told to stop."""
    host, _, port = os.environ.get("DEMO_API_LISTEN", "127.0.0.1:9001").rpartition(":")
    Granian(
        f"{__file__}:build_app",
        address=host.strip("[]"),
        port=int(port),
        interface=Interfaces.ASGI,
        factory=True,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=1,
    ).serve()


if __name__ == "__main__":
    main()
