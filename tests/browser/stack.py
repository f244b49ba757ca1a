"""The whole product before real parts, as the browser tests see it."""

import time
from dataclasses import dataclass

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import KeyRing
from bff.oidc.token_set import TokenSet
from bff.session.records import StoredSession
from bff.session.sessions import COOKIE_PURPOSE
from bff.session.stores import open_store
from bff.session.ticket import parse_ticket
from bff.session.vault import Vault
from tests.browser.site import Site
from tests.product import Bff
from tests.servers import DemoApi, Issuer
from tests.socket_upstream import SocketUpstream

ACCESS_TOKEN_LIFETIME = 4  # seconds
OPERATOR_TOKEN = "operator-token-of-the-browser-tests-4711"


@dataclass(frozen=True, slots=True)
class Stack:
    """The servers of one test process.

    Attributes:
        sockets: the upstream of the WebSockets of `/api/live`.
        canary: the upstream of `/api/canary` (CSRF header demanded) and `/api/file` (`csrf = "origin"`).
    """

    issuer: Issuer
    api: DemoApi
    bff: Bff
    canary: Site
    sockets: SocketUpstream

    @property
    def origin(self) -> str:
        return self.bff.url

    async def tokens_behind(self, cookie: str) -> TokenSet:
        """What the server keeps for the session of this cookie value, opened with the server's own key."""
        ring = KeyRing([self.bff.keys.read_text().strip()])
        now = time.time()
        payload, _ = Envelope(ring, COOKIE_PURPOSE).open(cookie.encode(), now)
        ticket = parse_ticket(payload)
        assert ticket is not None
        store = open_store(self.bff.store, timeout=30.0)
        await store.open()
        try:
            record = await store.load(ticket.store_key, now)
        finally:
            await store.close()
        assert isinstance(record, StoredSession)
        return Vault(ring, self.issuer.client_id).open(record.key, record.sealed, ticket).tokens


def routes(api: DemoApi, canary: Site, sockets: SocketUpstream) -> str:
    """The `[[api]]` tables."""
    return f"""
[[api]]
path = "/api"
upstream = "{api.url}"
allow = [
  {{ methods = ["GET"], roles = ["reader", "admin"] }},
  {{ methods = ["POST", "DELETE"], roles = ["admin"] }},
]

[[api]]
path = "/api/canary"
upstream = "{canary.url()}"

[[api]]
path = "/api/file"
upstream = "{canary.url()}"
csrf = "origin"

[[api]]
path = "/api/live"
upstream = "{sockets.url}"
websocket = true
"""


def administration() -> str:
    """The `[admin]` table: for sessions with the role admin, and for whoever has the token."""
    return f"""
[admin]
roles = ["admin"]
token = "{OPERATOR_TOKEN}"
"""
