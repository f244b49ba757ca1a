"""Calls from pages of other origins: those that a route names, and what their browsers are told (Fetch §3.2).

How it goes with what else guards a route: browsers send a SameSite cookie between origins of one site only, so a
named origin can use the session if it is a sibling (`admin.example.com` to `app.example.com`). The exact Origin
stands in for the same-origin check, on this route alone. The X-CSRF header is demanded as from our own pages; here
it makes the browser ask first, and the answer to that is ours.
"""

from collections.abc import Sequence

from bff.errors import CrossSiteRequest, CsrfHeaderRequired
from bff.http.origins import check_same_origin
from bff.proxy.asgi import Message, Send
from bff.proxy.head import RawHeaders, RequestHead

_ALWAYS_EXPOSED = ("X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy")
_CSRF_HEADER = "X-CSRF"
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """The origins that may call one route from elsewhere."""

    def __init__(
        self,
        *,
        origins: Sequence[str],
        methods: Sequence[str],
        headers: Sequence[str],
        expose: Sequence[str],
        credentials: bool,
        max_age: float,
    ) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self._credentials = credentials
        allowed = [(b"access-control-allow-credentials", b"true")] if credentials else []
        self._preflight = [
            *allowed,
            (b"access-control-allow-methods", ", ".join(methods).encode("ascii")),
            (b"access-control-allow-headers", ", ".join(dict.fromkeys([*headers, _CSRF_HEADER])).encode("ascii")),
            (b"access-control-max-age", b"%d" % max_age),
        ]
        exposed = ", ".join(dict.fromkeys([*_ALWAYS_EXPOSED, *expose])).encode("ascii")
        self._answer = [*allowed, (b"access-control-expose-headers", exposed)]

    def check_origin(
        self,
        *,
        mode: str,
        method: str,
        own_origin: bytes,
        origin: bytes | None,
        sec_fetch_site: bytes | None,
        has_header: bool,
    ) -> None:
        """Let the named origins pass beside our own pages.

        Raises:
            CsrfHeaderRequired, CrossSiteRequest: see `check_same_origin`.
        """
        if origin not in self._origins:
            check_same_origin(
                mode=mode,
                method=method,
                own_origin=own_origin,
                origin=origin,
                sec_fetch_site=sec_fetch_site,
                has_header=has_header,
            )
        elif mode != "off" and not has_header:
            raise CsrfHeaderRequired

    def forget_credentials(self, head: RequestHead) -> None:
        """Take the cookies from a call that may bring none, so that it is one of nobody."""
        if not self._credentials and head.origin in self._origins:
            head.cookies.clear()

    async def answer_preflight(self, send: Send, origin: bytes | None) -> None:
        """Answer a preflight request, which no API ever sees.

        Raises:
            CrossSiteRequest: it comes from an origin that may not call.
        """
        if origin is None or origin not in self._origins:
            raise CrossSiteRequest
        headers = [_VARY, (b"access-control-allow-origin", origin), *self._preflight]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def answering(self, send: Send, headers: RawHeaders) -> Send:
        """Return a `send` that lets the origin read the answer, whether it is the API's or a refusal of ours.

        All answers of the route vary by Origin, so that no cache hands one origin's answer to another.
        """
        added = [_VARY]
        named = [value for name, value in headers if name == b"origin"]
        origin = named[0] if len(named) == 1 else b"\0"  # two of them equal no origin
        if origin in self._origins:
            added += [(b"access-control-allow-origin", origin), *self._answer]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        return answer


def is_preflight(headers: RawHeaders) -> bool:
    """Tell whether an OPTIONS request asks if another request may be sent."""
    return any(name == b"access-control-request-method" for name, _ in headers)
