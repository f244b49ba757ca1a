"""A relying party and the provider that it believes in, with a clock that stands still."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bff.oidc.attempt import LoginAttempt, check_callback, new_attempt, parse_callback
from bff.oidc.client import Client
from bff.oidc.grant import Grant
from bff.oidc.quirks import quirks_for
from bff.oidc.relying_party import RelyingParty
from bff.oidc.rules import TokenRules
from bff.oidc.transport import IssuerTransport
from tests.neg_op import NegOp

NOW = 1_800_000_000.0
API = "https://api.test"


@dataclass
class Clock:
    """A clock that moves only when told to; good for epoch and monotonic time."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def make_client(op: NegOp, **changes: Any) -> Client:
    """Return our registration at this provider."""
    fields = {
        "issuer": op.issuer,
        "client_id": op.client_id,
        "client_secret": op.client_secret,
        "redirect_uri": "https://app.test/bff/callback",
        "post_logout_redirect_uri": "https://app.test/",
        "scopes": ("openid", "profile", "offline_access"),
    }
    return Client(**{**fields, **changes})


@dataclass
class World:
    """One provider, one relying party, their clock, and what the relying party told about."""

    op: NegOp
    rp: RelyingParty
    clock: Clock
    transport: IssuerTransport
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    async def begin(self, **choices: Any) -> tuple[LoginAttempt, str]:
        """Begin a login; return the attempt and the query of the callback that the provider answers with."""
        attempt = new_attempt(return_to="/", issuer=self.rp.client.issuer, now=self.clock(), **choices)
        url = await self.rp.authorization_url(attempt, {})
        return attempt, urlsplit(self.op.login(url)).query

    def code(self, query: str, attempt: LoginAttempt | None) -> str:
        """Check a callback as the login endpoint does."""
        return check_callback(parse_callback(query), attempt, iss_required=self.rp.iss_required, now=self.clock())

    async def login(self, **choices: Any) -> Grant:
        """Log in from end to end."""
        attempt, query = await self.begin(**choices)
        return await self.rp.redeem(self.code(query, attempt), attempt)

    def told(self, name: str) -> list[Mapping[str, object]]:
        """Return the details of every event of that name."""
        return [details for event, details in self.events if event == name]

    async def close(self) -> None:
        """Let go of everything."""
        await self.rp.close()


def make_world(
    op: NegOp | None = None,
    *,
    rules: TokenRules | None = None,
    provider: str = "generic",
    timeout: float = 5.0,
    client: Mapping[str, Any] | None = None,
    **options: Any,
) -> World:
    """Return a world in process. `client` changes our registration, `options` go to the relying party."""
    clock = Clock()
    op = op or NegOp()
    op.clock = clock
    transport = IssuerTransport(op.transport(), timeout=timeout)
    events: list[tuple[str, Mapping[str, object]]] = []
    rp = RelyingParty(
        make_client(op, **(client or {})),
        rules or TokenRules(access_token_audience=(API,)),
        transport,
        quirks=quirks_for(provider),
        clock=clock,
        monotonic=clock,
        on_event=lambda name, details: events.append((name, details)),
        **options,
    )
    return World(op, rp, clock, transport, events)
