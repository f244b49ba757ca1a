"""A call that may pass: what the deciding steps end in, whoever carries it out."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bff.proxy.asgi import Receive, Scope, Send
from bff.proxy.head import RequestHead
from bff.proxy.routes import Route
from bff.proxy.timing import UNTIMED, Timing
from bff.session.live import LiveSession

# Serves one request whose path belongs to a route; the last is the rest of the path.
Carry = Callable[[Scope, Receive, Send, Route, str], Awaitable[None]]


class Call(NamedTuple):
    """Where to, from whom, with which credential."""

    route: Route
    rest: str
    head: RequestHead
    address: str
    authorization: str | None
    request_id: str
    method: str = "GET"
    live: LiveSession | None = None  # whose session it is, where the route asks for one
    timing: Timing = UNTIMED
