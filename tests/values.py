"""Values of the product's own types, with every field that a test does not care about filled in."""

from typing import Any

from bff.crypto.key_ring import KeyRing
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.proxy.routes import Route
from bff.session.principal import Principal
from bff.session.session import Session
from bff.session.ticket import Ticket

NOW = 1_800_000_000.0
KEY = "q4Hk0T0l1b3zqJ0C9m2sXw7dVt5yUe8RfGhAiPoLkNM"
OLD_KEY = "Zx8vB2nM4aS6dF1gH3jK5lQ7wE9rT0yUiOpLmNbVcX0"
RING = KeyRing([KEY])
TICKET = Ticket(b"i" * 32, b"s" * 32)


def make_route(path: str = "/api", upstream: str = "http://upstream.test/v1", **changes: Any) -> Route:
    """Return a route."""
    fields: dict[str, Any] = {
        "needs_session": True,
        "sends_token": True,
        "csrf": "header",
        "timeout": 30.0,
        "connect_timeout": 5.0,
        "max_body_size": 1024,
    }
    return Route(path, upstream, **{**fields, **changes})


def make_tokens(**changes: Any) -> TokenSet:
    """Return tokens that live five minutes."""
    fields: dict[str, Any] = {
        "access_token": "access-1",
        "issued_at": NOW,
        "expires_at": NOW + 300,
        "refresh_token": "refresh-1",
        "id_token": "id-1",
        "scope": "openid",
    }
    return TokenSet(**{**fields, **changes})


def make_principal(*roles: str, subject: str = "alice") -> Principal:
    """Return who is calling."""
    return Principal("https://op.test", subject, frozenset(roles), {"sub": subject, "name": subject.title()})


def make_session(**changes: Any) -> Session:
    """Return alice's session."""
    fields: dict[str, Any] = {
        "handle": "cafe00112233445566778899",
        "principal": make_principal("reader"),
        "claims": {"sub": "alice", "name": "Alice"},
        "tokens": make_tokens(),
        "created_at": NOW,
        "expires_at": NOW + 43200,
        "issuer_sid": "sid-1",
    }
    return Session(**{**fields, **changes})


def make_grant(**changes: Any) -> Grant:
    """Return what a login gave."""
    return Grant(**{"tokens": make_tokens(), "claims": {"sub": "alice", "iat": NOW}, **changes})
