"""Going on without the store for a while: warm sessions alone, and only if that is configured. No I/O."""

from bff.session.live import LiveSession

_PROBE_EVERY = 1.0  # seconds between two questions to a store that is away


class Grace:
    """For how long a worker serves what it knows while the store does not answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._probe_at: float | None = None  # None: the store answered last time

    def instead(self, live: LiveSession | None, now: float) -> LiveSession | None:
        """Return the session if it can go on unasked for. While the store is away, one question a second is."""
        if self._probe_at is None:
            return None
        if now >= self._probe_at:
            self._probe_at = now + _PROBE_EVERY
            return None
        return self._covered(live, now)

    def after_failure(self, live: LiveSession | None, now: float) -> LiveSession | None:
        """Return the session if it can go on although the store did not answer."""
        if self._seconds:
            self._probe_at = now + _PROBE_EVERY
        return self._covered(live, now)

    def over(self) -> None:
        """The store has answered."""
        self._probe_at = None

    def _covered(self, live: LiveSession | None, now: float) -> LiveSession | None:
        if live is None or live.ended or now >= live.idle_expires_at:
            return None
        live.vouched_until = min(live.vouched_until, now)
        return live if now < live.vouched_until + self._seconds else None
