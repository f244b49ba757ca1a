"""The WebSockets of all routes, among the calls that stay open."""

from bff.config.settings import Settings
from bff.events import Emit
from bff.proxy.api import ApiProxy
from bff.proxy.forward import Forwarder
from bff.proxy.refusals import Refusals
from bff.proxy.streams import OpenCalls
from bff.proxy.websocket import Places, SocketProxy
from bff.proxy.websocket_dial import Dialer


def build_sockets(
    settings: Settings,
    api: ApiProxy,
    forward: Forwarder,
    opened: OpenCalls,
    refusals: Refusals,
    cookie_deletion: bytes,
    emit: Emit,
) -> SocketProxy:
    """Return what serves them; open calls of every kind are decided on anew by the same rules from now on."""
    opened.decide_with(api.allows)
    return SocketProxy(
        admit=api.admit,
        headers=forward.headers,
        dialer=Dialer(),
        refusals=refusals,
        opened=opened,
        places=Places(settings.server.max_websockets, settings.server.max_websockets_per_session),
        cookie_name=settings.session.cookie_name,
        cookie_deletion=cookie_deletion,
        emit=emit,
        failures=forward.failures,
        refused=api.refused,
    )
