"""What a successful grant gave us: tokens, and what we checked in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bff.oidc.token_set import TokenSet


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """Tokens with their validated claims. `repr` shows neither."""

    tokens: TokenSet
    claims: Mapping[str, Any]  # the ID token's; on a renewal that brought none, the previous ones
    access_claims: Mapping[str, Any] | None = None  # of a validated JWT access token; never unverified ones

    def __repr__(self) -> str:
        return f"Grant({self.tokens!r})"
