"""The tokens that one grant gave, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class TokenSet:
    """Tokens and their times. `repr` shows none of them.

    `expires_at` and `issued_at` are epoch seconds by our own clock: issued_at is when the answer came in, and
    expires_at is issued_at plus `expires_in` (RFC 6749 §5.1), or the access token's `exp` where that is earlier.
    """

    access_token: str
    issued_at: float
    expires_at: float
    refresh_token: str | None = None
    id_token: str | None = None
    scope: str = ""
    token_type: str = "Bearer"

    @property
    def lifetime(self) -> float:
        """How long the access token was good for when it came, in seconds."""
        return round(self.expires_at - self.issued_at, 1)

    def __repr__(self) -> str:
        return f"TokenSet(expires_at={self.expires_at}, scope={self.scope!r})"
