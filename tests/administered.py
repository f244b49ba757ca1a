"""A product with an admin API, and somebody who calls it on the management listener."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bff.config.settings import AdminSettings, AllowSettings, ApiSettings, RolesSettings, Secret, Settings
from tests.internet import Browser, Response, World, call_asgi, make_settings

TOKEN = "operators-token-0123456789abcdefghijklmnop"
ADDRESS = "198.51.100.4"
ROUTES = (
    ApiSettings(
        "/api",
        "http://upstream.test/v1",
        allow=(
            AllowSettings(methods=("GET", "HEAD"), roles=("reader", "admin")),
            AllowSettings(methods=("DELETE",), roles=("admin",)),
        ),
    ),
)


def administered(*, at_rest: Any = None, **admin: Any) -> Settings:
    """Settings whose admin API a token and the role `admin` open; alice is an admin, bob a reader."""
    session = {} if at_rest is None else {"at_rest": at_rest}
    return replace(
        make_settings(**session),
        api=ROUTES,
        roles=RolesSettings(subjects={"alice": ("admin",), "bob": ("reader",)}),
        admin=AdminSettings(**{"token": Secret(TOKEN), "roles": ("admin",), **admin}),
    )


async def signed_in(world: World, subject: str = "alice", worker: int = 0) -> Browser:
    """Return the browser of somebody who has just signed in."""
    world.op.sub = subject
    browser = world.browser(worker)
    await browser.log_in()
    return browser


async def handle_of(browser: Browser) -> str:
    """Return the public name of a browser's session."""
    return (await browser.user())["session"]["id"]


async def managed(
    world: World,
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = TOKEN,
    worker: int = 0,
    headers: Mapping[str, str] | None = None,
    address: str = ADDRESS,
    app: Any = None,
) -> Response:
    """Send a request to a worker's management listener; `body` is sent as JSON, or as it is when it is bytes."""
    sent = [(b"host", b"127.0.0.1:9090")]
    sent += [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    if token is not None:
        sent.append((b"authorization", b"Bearer " + token.encode()))
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    if content:
        sent.append((b"content-length", b"%d" % len(content)))
        sent.append((b"content-type", b"application/json"))
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": sent,
        "client": (address, 40000),
        "server": ("127.0.0.1", 9090),
    }
    return await call_asgi(app or management(world, worker), scope, content)


def management(world: World, worker: int = 0) -> Any:
    """Return the application of a worker's management listener, the same at each call."""
    apps = world.__dict__.setdefault("management", {})
    if worker not in apps:
        apps[worker] = world.bffs[worker].management()
    return apps[worker]
