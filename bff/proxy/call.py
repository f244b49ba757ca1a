"""A call that may pass: what the deciding steps end in, whoever carries it out."""

from typing import NamedTuple

from bff.proxy.head import RequestHead
from bff.proxy.routes import Route
from bff.session.live import LiveSession


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
