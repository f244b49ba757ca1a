"""A second technology behind the product: sockets of granian, which are Rust. `/count` sends 1000 messages."""

from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """See the module."""
    if scope["type"] != "websocket":
        raise ValueError("only sockets are served here")  # by which a server knows that there is no life cycle
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    if scope["path"].endswith("/count"):
        for number in range(1000):
            await send({"type": "websocket.send", "text": str(number)})
        await send({"type": "websocket.close", "code": 4000, "reason": "counted"})
        return
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})
