"""Our own share of a proxied request: the front door in one process, between a browser and an API of no cost.

No socket, no other process, no thread: these figures hardly move with what else the machine does, so small changes
show. What granian, the kernel and the upstream client add is in `proxy`.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr
from pathlib import Path
from statistics import median
from typing import Any, Self

import structlog
import uvloop

from benchmarks.load import BROWSER, asked_by_nginx
from benchmarks.nginx import BODY
from benchmarks.tables import print_table
from bff.app import Bff, Parts
from bff.config import Settings, load_config
from bff.events import ignore
from bff.observe.logs import configure_logs
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.proxy.routes import Route
from bff.session.principal import Principal

_CONFIG = """
public_url = "https://app.example"
[oidc]
issuer = "https://issuer.invalid"
client_id = "app"
client_secret = {{ env = "BENCHMARK_SECRET" }}
[session]
store = "memory:"
[keys]
secrets = [{{ env = "BENCHMARK_KEY" }}]
[audit]
sink = "file:{audit}"
{gateway}
[[api]]
path = "/api"
upstream = "http://127.0.0.1:9"
"""
_GATEWAY = """
[gateway]
kind = "nginx"
secrets = [{ env = "BENCHMARK_GATEWAY" }]
"""
_GATEWAY_SECRET = os.urandom(32).hex()
_ANSWER = [
    (b"server", b"nginx"),
    (b"date", b"Tue, 24 Nov 2026 05:00:00 GMT"),
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
    (b"connection", b"keep-alive"),
]


class _Answer:
    """An answer that is there at once."""

    status = 200
    headers = _ANSWER

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def whole(self) -> bytes | None:
        return BODY.encode()

    async def read(self) -> bytes | None:
        return None


class InstantUpstream:
    """An API that costs nothing."""

    def open(self, route: Route, method: str, url: str, headers: list[tuple[str, str]], body: object) -> _Answer:  # noqa: ARG002 - the protocol
        return _Answer()

    def start(self) -> None:
        return

    async def close(self) -> None:
        return


def _load_settings(folder: str, *, metrics: bool, access: bool, gateway: bool) -> Settings:
    file = Path(folder, "bff.toml")
    file.write_text(_CONFIG.format(audit=Path(folder, "audit.jsonl"), gateway=_GATEWAY if gateway else ""))
    environ = {
        "BENCHMARK_SECRET": "s" * 32,
        "BENCHMARK_KEY": os.urandom(32).hex(),
        "BENCHMARK_GATEWAY": _GATEWAY_SECRET,
    }
    environ |= {"BFF__METRICS__ENABLED": str(metrics).lower(), "BFF__LOG__ACCESS": str(access).lower()}
    return load_config(file, environ=environ)


@asynccontextmanager
async def signed_in_app(
    *, metrics: bool = True, access: bool = False, gateway: bool = False
) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """The application with one session, and the scope of a request in it, or of a gateway's question about one."""
    with tempfile.TemporaryDirectory() as folder:
        settings = _load_settings(folder, metrics=metrics, access=access, gateway=gateway)
        emit = None if access else ignore
        bff = Bff(settings, Parts(upstream=InstantUpstream(), emit=emit))
        app = bff.front_door()
        await bff.start()
        try:
            now = time.time()
            tokens = TokenSet("t" * 700, now, now + 3600)
            principal = Principal("https://issuer.invalid", "alice")
            _, cookie = await bff.sessions.create(Grant(tokens, {"sub": "alice"}), principal, now)
            sent = {**BROWSER, "Host": "app.example", "Cookie": "__Host-bff=" + cookie.decode()}
            if gateway:
                sent = asked_by_nginx(sent, _GATEWAY_SECRET)
            path = "/bff/authorize" if gateway else "/api/tasks"
            yield (
                app,
                {
                    "type": "http",
                    "method": "GET",
                    "raw_path": path.encode(),
                    "path": path,
                    "query_string": b"",
                    "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
                    "client": ("127.0.0.1", 40000),
                },
            )
        finally:
            await bff.stop()


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


@contextmanager
def _written_nowhere() -> Iterator[None]:
    """Lines are formatted and written, to where no disk or terminal decides how long that takes."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        configure_logs("info", "json")
        try:
            yield
        finally:
            structlog.reset_defaults()


async def measure(
    rounds: int, requests: int, *, metrics: bool = True, access: bool = False, gateway: bool = False
) -> list[float]:
    answered = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal answered
        answered += message.get("status", 0) == 200

    async def one(app: Any, scope: dict[str, Any]) -> None:
        # As granian does: a task for each request.
        await asyncio.get_running_loop().create_task(app(scope, _receive, send))

    async def nothing(_scope: object, _receive: object, _send: object) -> None:
        return

    found = []
    async with signed_in_app(metrics=metrics, access=access, gateway=gateway) as (app, scope):
        for _ in range(rounds + 1):
            before = time.process_time()
            for _ in range(requests):
                await one(app, {**scope})
            middle = time.process_time()
            for _ in range(requests):
                await one(nothing, {**scope})
            empty = time.process_time() - middle
            found.append((middle - before - empty) / requests)
    if answered != (rounds + 1) * requests:
        raise AssertionError(f"{answered} of {(rounds + 1) * requests} requests were answered with 200")
    return found[1:]


def run(*, rounds: int = 15, requests: int = 4000) -> None:
    """Measure and print."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = {
            name: [each * 1e6 for each in runner.run(measure(rounds, requests, metrics=metrics))]
            for name, metrics in (("front door to answer", True), ("the same without metrics", False))
        }
        asked = runner.run(measure(rounds, requests, gateway=True))
        costs["a gateway's question"] = [each * 1e6 for each in asked]
        with _written_nowhere():
            told = runner.run(measure(rounds, requests, access=True))
        costs["the same with an access line"] = [each * 1e6 for each in told]
    print_table(
        f"Our own Python for one proxied GET; {rounds} rounds of {requests} requests, no sockets",
        ["", "median us", "least us"],
        [[name, f"{median(cost):.2f}", f"{min(cost):.2f}"] for name, cost in costs.items()],
    )
