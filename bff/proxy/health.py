"""How one address gets on, by what calls to it tell. Pure: times come in as arguments (seconds, of any one clock).

Failures in a row eject an address. Its way back is slow: once its time is over it carries one call at a time, and
all that come only after several in a row went well; one failure before that ejects it again, for twice as long.
"""

import enum

from bff.proxy.service import Health

LONGEST = 300.0  # seconds that an address is left out at most
PROVEN = 5  # calls in a row that go well, until an address that was out is trusted again


class Standing(enum.IntEnum):
    """What an address may carry, worst first."""

    OUT = 0
    ON_TRIAL = 1
    GOOD = 2


class AddressHealth:
    """What is remembered of one address."""

    __slots__ = ("_ejections", "_proofs", "_rules", "failures", "out_until")

    def __init__(self, rules: Health) -> None:
        self._rules = rules
        self._ejections = 0  # since it was good
        self._proofs = 0
        self.failures = 0  # in a row
        self.out_until = 0.0

    def standing(self, now: float) -> Standing:
        """What it may carry now."""
        if not self._ejections:
            return Standing.GOOD
        return Standing.OUT if now < self.out_until else Standing.ON_TRIAL

    def fail(self, now: float) -> float | None:
        """Take note of a call that failed. Return the seconds for which that ejects it, None if it does not."""
        self.failures += 1
        self._proofs = 0
        if now < self.out_until or (not self._ejections and self.failures < self._rules.eject_after):
            return None
        pause = min(self._rules.eject_for * 2.0 ** min(self._ejections, 10), LONGEST)
        self._ejections += 1
        self.out_until = now + pause
        return pause

    def end_pause(self, now: float) -> None:
        """Let it be tried from now on."""
        self.out_until = min(self.out_until, now)

    def succeed(self, now: float) -> bool:
        """Take note of a call that went well; True when that makes it good again."""
        self.failures = 0
        if not self._ejections:
            return False
        self.end_pause(now)  # it answers, whatever was thought of it
        self._proofs += 1
        if self._proofs < PROVEN:
            return False
        self._ejections = self._proofs = 0
        return True
