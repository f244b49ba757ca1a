"""What a rule may ask of the login itself, and what a new login could therefore mend (RFC 9470). Pure."""

import math
from dataclasses import dataclass

from bff.access.claim_paths import words_of
from bff.access.facts import RequestFacts
from bff.session.principal import Principal


@dataclass(frozen=True, slots=True)
class Acr:
    """One of these authentication contexts, by preference (OIDC Core §2)."""

    values: tuple[str, ...]
    reason: str = "acr_insufficient"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `bff.access.conditions.Condition`."""
        acr = principal.claims.get("acr")
        return isinstance(acr, str) and acr in self.values

    def __str__(self) -> str:
        return f"a login with acr {' or '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Amr:
    """One of these authentication methods (RFC 8176)."""

    values: tuple[str, ...]
    reason: str = "amr_insufficient"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `bff.access.conditions.Condition`."""
        return not set(self.values).isdisjoint(words_of(principal.claims.get("amr")))

    def __str__(self) -> str:
        return f"a login by {' or '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class MaxAge:
    """A login of at most this age in seconds."""

    seconds: float
    reason: str = "login_too_old"

    def holds(self, facts: RequestFacts, principal: Principal) -> bool:
        """See `bff.access.conditions.Condition`."""
        at = principal.claims.get("auth_time")
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e12 or not math.isfinite(at):
            return False
        return facts.now - at <= self.seconds

    def __str__(self) -> str:
        return f"a login within the last {self.seconds:g} seconds"
