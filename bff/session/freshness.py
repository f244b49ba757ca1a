"""When tokens are renewed. Pure: times in, decision out."""

import enum
from dataclasses import dataclass

from bff.oidc.token_set import TokenSet

_MARGIN = 5.0  # seconds before expiry at which a token is no longer sent: it must still be good on arrival


class Freshness(enum.Enum):
    """What a request may do with a token set."""

    FRESH = "fresh"  # use it
    DUE = "due"  # use it, and renew it in the background
    EXPIRED = "expired"  # wait for the renewal
    DEAD = "dead"  # it can neither be used nor renewed


@dataclass(frozen=True, slots=True)
class RenewalTimes:
    """Epoch seconds: from when to renew, from when not to send any more."""

    renew_at: float
    unusable_at: float


def renewal_times(tokens: TokenSet, renew_ahead: float, jitter: float) -> RenewalTimes:
    """Return when to renew and when to stop using a token set.

    `renew_ahead` is seconds before expiry, and never more than half of the token's life, so that short-lived
    tokens are not renewed at once. `jitter` in [0, 1) brings the renewal forward by up to a fifth of that, so
    that tokens issued together are not all renewed together.
    """
    lifetime = max(tokens.expires_at - tokens.issued_at, 0.0)
    ahead = min(renew_ahead, lifetime / 2)
    ahead = min(ahead * (1 + jitter / 5), lifetime * 0.6)
    unusable_at = tokens.expires_at - min(_MARGIN, lifetime / 10)
    return RenewalTimes(renew_at=min(tokens.expires_at - ahead, unusable_at), unusable_at=unusable_at)


def freshness(tokens: TokenSet, times: RenewalTimes, now: float) -> Freshness:
    """Tell what may be done with the tokens now."""
    if now < times.renew_at:
        return Freshness.FRESH
    if now < times.unusable_at:
        return Freshness.DUE if tokens.refresh_token else Freshness.FRESH
    return Freshness.EXPIRED if tokens.refresh_token else Freshness.DEAD
