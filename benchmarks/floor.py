"""The least that a sub-request can cost on this server: granian hears it, and answers at once.

granian --interface asgi benchmarks.floor:app
"""

from collections.abc import Awaitable, Callable
from typing import Any

_ANSWER = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0"), (b"authorization", b"Bearer " + b"t" * 700)],
}
_END = {"type": "http.response.body", "body": b"", "more_body": False}


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
    await send(_ANSWER)
    await send(_END)
