"""Sockets as a page opens them, and what they are told."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.product import Browser


def socket_of(
    browser: Browser, path: str, *, origin: str | None = "own", headers: Mapping[str, str] = {}, **options: object
) -> connect:
    """What a page's `new WebSocket(path)` sends; `origin` None for none."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return connect(
        f"ws://localhost:{browser.bff.port}{path}",
        host="127.0.0.1",  # the name resolves to IPv6 too; the server listens on one address
        origin=browser.bff.url if origin == "own" else origin,  # type: ignore[arg-type]
        additional_headers={**({"Cookie": cookies} if cookies else {}), **headers},
        proxy=None,
        compression=None,
        ping_interval=None,
        **{"max_size": None, **options},  # type: ignore[arg-type]
    )


async def refusal(browser: Browser, path: str, **options: object) -> tuple[int, str]:
    """Status and code of the problem with which a handshake is answered."""
    with pytest.raises(InvalidStatus) as raised:
        async with socket_of(browser, path, **options):
            pass
    response = raised.value.response
    assert "application/problem+json" == response.headers["Content-Type"]
    return response.status_code, json.loads(bytes(response.body))["code"]


async def closed(socket: ClientConnection, within: float = 30.0) -> tuple[int | None, str | None]:
    """Code and reason with which the socket is closed for the browser."""
    try:
        async with asyncio.timeout(within):
            while True:
                await socket.recv()
    except ConnectionClosed:
        return socket.close_code, socket.close_reason
