"""Which tokens are accepted at all, as a value."""

from dataclasses import dataclass

# Public-key signatures only: with a shared secret, whoever can check a token can also make one (RFC 8725 §3.1).
SIGNATURE_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The operator's rules. `warn_only` softens those on access tokens; an ID token must always be in order.

    Raises `ValueError` for an algorithm that is not a public-key signature (`none` and HS* never are).
    """

    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    access_token_audience: tuple[str, ...] = ()  # any one of them; empty: access tokens are opaque to us
    max_access_token_lifetime: float = 3600.0  # seconds
    clock_skew: float = 30.0  # seconds
    warn_only: bool = False

    def __post_init__(self) -> None:
        unfit = [name for name in self.algorithms if name not in SIGNATURE_ALGORITHMS]
        if unfit or not self.algorithms:
            raise ValueError(f"algorithms must be among {', '.join(sorted(SIGNATURE_ALGORITHMS))}")
