"""How a request arrived, told to `bff doctor` alone: it holds the server's keys and seals its question."""

import time
from collections.abc import Callable
from typing import Any

from litestar import Request, Router, get
from litestar.datastructures import State
from litestar.response.base import ASGIResponse

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.errors import BffError, RouteNotFound
from bff.proxy.forwarded import Forwarding
from bff.proxy.front import Front
from bff.proxy.head import HeaderLimits, read_head
from bff.web.answers import build_answer

HEADER = "x-bff-doctor"
PURPOSE = b"doctor"
MAX_AGE = 60.0  # seconds between question and answer
# What proxies write for those behind them. Nothing of what a browser sends is told: no cookie, no credential.
TOLD = (
    "host",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-real-ip",
    "via",
)
_LONGEST = 200  # characters of a value


def seal_question(ring: KeyRing, now: float) -> str:
    """Return what the header must hold."""
    return Envelope(ring, PURPOSE).seal(b"?", now).decode("ascii")


def build_doctor_router(
    ring: KeyRing,
    front: Front,
    forwarding: Forwarding,
    limits: HeaderLimits,
    clock: Callable[[], float] = time.time,
) -> Router:
    """Return `GET /doctor`, for below the prefix. To everybody else there is no such path."""
    envelope = Envelope(ring, PURPOSE)

    @get(["/", "/{rest:path}"])
    async def doctor(request: Request[Any, Any, State]) -> ASGIResponse:
        try:
            envelope.open(request.headers.get(HEADER, "").encode("latin-1"), clock(), max_age=MAX_AGE)
        except CannotOpenError as error:
            raise RouteNotFound from error
        scope = request.scope
        client = scope["client"]
        peer = client[0] if client else ""
        head = read_head(list(scope["headers"]), max_headers=limits.count, max_size=limits.size)
        try:
            address, refused = front.check_peer(client, head), None
        except BffError as error:
            address, refused = "", error.code
        raw: bytes = scope["raw_path"] + b"?" + scope["query_string"]
        return build_answer(
            200,
            {
                "peer": peer,
                "trusted": forwarding.trusts(peer),
                "address": address,
                "refused": refused,
                "target": raw.decode("latin-1")[:_LONGEST],
                "headers": {
                    name: ", ".join(request.headers.getall(name))[:_LONGEST]
                    for name in TOLD
                    if name in request.headers
                },
            },
        )

    return Router(path="/doctor", route_handlers=[doctor])
