"""What `[gateway]` must be, alone and beside the routes. Pure, as `bff.config.rules` is."""

import dataclasses
from collections.abc import Iterator

from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.settings import ApiSettings, Csrf, SameSite, Settings
from bff.config.toml_lines import Path
from bff.config.values import BadValue

# What a gateway that moves the bytes decides by itself: of no effect on a route without an upstream.
_OF_FORWARDING = (
    "timeout", "connect_timeout", "idle_timeout", "total_timeout", "balance", "retry", "max_connections",
    "pool_timeout", "http2", "tls", "health", "max_body_size", "allow_set_cookie", "response_headers",
    "websocket_max_message", "websocket_max_queue", "websocket_idle_timeout",
)  # fmt: skip
_DEFAULTS = {field.name: field for field in dataclasses.fields(ApiSettings)}


def broken_gateway_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule about gateway mode that these settings break."""
    gateway = settings.gateway
    if gateway is None:
        return
    if not gateway.secrets:
        yield Problem(
            (("gateway", "secrets"),),
            BadValue(
                "is missing",
                "a secret that the gateway sends with each sub-request",
                'secrets = [{ file = "gateway.secret" }]; `bff keys new` prints one that fits',
            ),
        )
    for index, network in enumerate(gateway.networks):
        if network.prefixlen == 0:
            yield Problem(
                (("gateway", "networks", index),),
                BadValue(
                    "holds every address", "the gateways' own addresses", "leave it out to rest on the secret"
                ),
                Severity.WARNING,
            )
    if gateway.login_redirect:
        yield from _login_redirect(settings)
    for index, route in enumerate(settings.api):
        if not route.addresses:
            yield from _carried_by_the_gateway(("api", index), route)


def _login_redirect(settings: Settings) -> Iterator[Problem]:
    at: Path = ("gateway", "login_redirect")
    if settings.session.same_site is not SameSite.LAX:
        yield Problem(
            (at, ("session", "same_site")),
            BadValue(
                'leads in circles with session.same_site = "strict"',
                'session.same_site = "lax"',
                "browsers do not send a strict cookie along when the issuer sends them back",
            ),
        )
    if not any(route.csrf is Csrf.OFF for route in settings.api):
        yield Problem(
            (at, ("api",)),
            BadValue(
                "has no effect",
                'a route with csrf = "off" that allows GET and HEAD alone',
                "a navigation carries neither X-CSRF nor, coming back from the issuer, an origin of ours",
            ),
            Severity.WARNING,
        )


def _carried_by_the_gateway(at: Path, route: ApiSettings) -> Iterator[Problem]:
    if route.cors is not None:
        yield Problem(
            ((*at, "cors"), (*at, "upstream")),
            BadValue(
                "cannot be answered where the gateway moves the bytes",
                "an upstream, so that bff carries this route",
                "a sub-request's answer of 2xx means go on, so it cannot be one to a preflight request",
            ),
        )
    for name in _OF_FORWARDING:
        if getattr(route, name) != _default(name):
            yield Problem(
                ((*at, name), (*at, "upstream")),
                BadValue(
                    "has no effect without an upstream",
                    "an upstream, so that bff carries this route",
                    "where the gateway moves the bytes, it belongs into the gateway's configuration",
                ),
                Severity.WARNING,
            )


def _default(name: str) -> object:
    field = _DEFAULTS[name]
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
