"""What answers a gateway's sub-requests, where one is configured."""

from bff.config.settings import Settings
from bff.events import Emit
from bff.proxy.api import ApiProxy
from bff.proxy.front import Front
from bff.proxy.gateway import Gateway, GatewayRules
from bff.proxy.gateway_request import DIALECTS
from bff.proxy.routes import RouteTable
from bff.web.front_door import Measure

GATEWAY_PATH = "/authorize"  # below the prefix of our endpoints


def build_gateway(
    settings: Settings,
    api: ApiProxy,
    routes: RouteTable,
    front: Front,
    cookie_deletion: bytes,
    emit: Emit,
    observers: Measure,
) -> Gateway | None:
    """Return it; None where bff carries every call itself."""
    gateway = settings.gateway
    if gateway is None:
        return None
    base = settings.server.prefix
    rules = GatewayRules(
        dialect=DIALECTS[gateway.kind],
        path=(base + GATEWAY_PATH).encode("ascii"),
        secrets=tuple(secret.reveal().encode("ascii") for secret in gateway.secrets),
        networks=gateway.networks,
        login_url=f"{settings.public_url}{base}/login" if gateway.login_redirect else None,
    )
    return Gateway(
        rules,
        routes=routes,
        api=api,
        front=front,
        cookie_deletion=cookie_deletion,
        emit=emit,
        carried=observers.carried,
        served=observers.served,
    )
