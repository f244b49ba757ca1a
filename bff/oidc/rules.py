"""Which tokens are accepted at all, as a value."""

from dataclasses import dataclass

# Public-key signatures only: with a shared secret, whoever can check a token can also make one (RFC 8725 §3.1).
SIGNATURE_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The operator's rules. `warn_only` softens them, and never what the specifications ask of an ID token.

    Raises `ValueError` for an algorithm that is not a public-key signature (`none` and HS* never are).
    """

    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    access_token_audience: tuple[str, ...] = ()  # any one of them; empty: access tokens are opaque to us
    max_access_token_lifetime: float = 3600.0  # seconds
    max_id_token_lifetime: float = 86400.0  # seconds
    max_refresh_token_lifetime: float | None = None  # seconds; None: any
    access_token_type: str = "any"  # or "at+jwt", which is then demanded of a JWT (RFC 9068 §2.1)
    allow_opaque_access_tokens: bool = True
    required_id_token_claims: tuple[str, ...] = ()
    required_access_token_claims: tuple[str, ...] = ()
    trusted_issuers: tuple[str, ...] = ()  # of access tokens, beside the issuer itself
    min_rsa_bits: int = 2048
    curves: tuple[str, ...] = ("P-256", "P-384", "P-521", "Ed25519")
    clock_skew: float = 30.0  # seconds
    warn_only: bool = False

    def __post_init__(self) -> None:
        unfit = [name for name in self.algorithms if name not in SIGNATURE_ALGORITHMS]
        if unfit or not self.algorithms:
            raise ValueError(f"algorithms must be among {', '.join(sorted(SIGNATURE_ALGORITHMS))}")


# Which key of `[tokens]` a token broke, by the reason of its fault; of other reasons it is the signature or a
# specification that the token breaks.
_RULES = {
    "algorithm_not_allowed": "algorithms",
    "weak_key": "min_rsa_bits or curves",
    "iss_mismatch": "trusted_issuers",
    "aud_mismatch": "access_token_audience",
    "opaque": "allow_opaque_access_tokens",
    "not_at_jwt": "access_token_type",
    "expired": "clock_skew",
    "iat_in_future": "clock_skew",
    "not_yet_valid": "clock_skew",
    "bad_signature": "signature",
    "unknown_key": "signature",
}


def rule_of(reason: str, token: str) -> str:
    """Return the name of the rule that a reason is about: a key of `[tokens]`, `signature` or `specification`."""
    if reason == "lifetime_exceeded":
        return f"max_{token}_lifetime"
    if reason == "claim_missing":
        return f"required_{token}_claims"
    return _RULES.get(reason, "specification")
