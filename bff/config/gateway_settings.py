"""`[gateway]`: which gateway asks, and how it is told from a browser. Part of `bff.config.settings`."""

import enum
from dataclasses import dataclass
from typing import Annotated

from bff.config.route_settings import Network
from bff.config.value_types import Secret


class GatewayKind(enum.StrEnum):
    """Whose way of asking is understood; only its own headers are read."""

    NGINX = "nginx"
    CADDY = "caddy"
    TRAEFIK = "traefik"
    ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`[gateway]`."""

    kind: GatewayKind
    secrets: tuple[Annotated[Secret, "operator token"], ...] = ()  # one of them comes with every sub-request
    networks: tuple[Annotated[Network, "network"], ...] = ()  # of the gateways; empty: any that has a secret
    login_redirect: bool = False  # of navigations that need a session, in place of 401
