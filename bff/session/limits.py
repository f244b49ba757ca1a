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
    remembered_idle: float | None = None  # None: nobody is remembered
    remembered_absolute: float | None = None  # None: as absolute
    grace: float = 0.0  # how long warm sessions are served without the store
    renewals_at_once: int | None = None  # in this worker; None: any number

    @property
    def remembers(self) -> bool:
        """Whether anybody is remembered."""
        return self.remembered_idle is not None

    @property
    def longest(self) -> float:
        """The longest that any session lives."""
        return max(self.absolute, self.absolute_of(is_remembered=True))

    def idle_of(self, *, is_remembered: bool) -> float:
        """How long a session may go unused."""
        return self.remembered_idle if is_remembered and self.remembered_idle is not None else self.idle

    def absolute_of(self, *, is_remembered: bool) -> float:
        """How long a session lives."""
        if is_remembered and self.remembered_idle is not None and self.remembered_absolute is not None:
            return self.remembered_absolute
        return self.absolute

    @property
    def touch_interval(self) -> float:
        """How often at most the sliding of the idle end is written."""
        return min(60.0, self.idle / 20)
