"""How long a worker's sessions last, and how much of them it keeps in memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Lifetimes in seconds, and how much is kept in memory."""

    idle: float
    absolute: float
    renew_ahead: float
    cache_size: int = 10_000
    recheck: float = 30.0  # a cached view is compared with the store at least this often

    @property
    def touch_interval(self) -> float:
        """How often at most the sliding of the idle end is written."""
        return min(60.0, self.idle / 20)
