"""For operators, on a listener of its own: is this worker alive, and can it serve?"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Router, get
from litestar.response.base import ASGIResponse

from bff.errors import SessionStoreUnavailable
from bff.web.answers import build_answer, build_text

Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker feels. The issuer's absence does not make it unready: whoever is signed in can go on."""

    ping_store: Callable[[], Awaitable[None]]
    pushes_arrive: Callable[[], bool]
    issuer_ready: Callable[[], bool]
    issuer_error: Callable[[], str | None]
    keys_error: Callable[[], str | None]
    is_started: Callable[[], bool]
    is_draining: Callable[[], bool]
    version: str

    async def check(self) -> tuple[bool, Mapping[str, Any]]:
        """Return whether requests should be sent here, and the reasons."""
        store = "ok"
        try:
            await self.ping_store()
        except SessionStoreUnavailable as error:
            store = error.detail
        issuer = "ok" if self.issuer_ready() else self.issuer_error() or "discovery has not answered yet"
        ready = store == "ok" and not self.is_draining()
        keys = self.keys_error() or "ok"
        degraded = issuer != "ok" or keys != "ok" or not self.pushes_arrive()
        return ready, {
            "status": ("degraded" if degraded else "ready") if ready else "unready",
            "store": store,
            "store_pushes": "ok" if self.pushes_arrive() else "interrupted: every request reads the store",
            "issuer": issuer,
            "keys": keys,
            "draining": self.is_draining(),
            "version": self.version,
        }


def build_health_router(health: Health) -> Router:
    """Return `/health/live`, `/health/ready` and `/health/startup`."""

    @get("/live")
    async def live() -> ASGIResponse:
        return build_answer(200, {"status": "alive", "version": health.version})

    @get("/ready")
    async def ready() -> ASGIResponse:
        is_ready, report = await health.check()
        return build_answer(200 if is_ready else 503, report)

    @get("/startup")
    async def startup() -> ASGIResponse:
        is_started = health.is_started()
        return build_answer(
            200 if is_started else 503,
            {"status": "started" if is_started else "starting", "version": health.version},
        )

    return Router(path="/health", route_handlers=[live, ready, startup])


def build_metrics_router(scrape: Scrape) -> Router:
    """Return `/metrics`; `scrape` takes what the reader accepts, and returns the text and its media type."""

    @get("/")
    async def metrics(request: Request[Any, Any, Any]) -> ASGIResponse:
        return build_text(*await scrape(request.headers.get("accept", "")))

    return Router(path="/metrics", route_handlers=[metrics])
