"""What a rule may ask for: one small value a kind, each with its test and its words. Pure.

A claim of an unexpected type never fulfils a condition and never raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from bff.access.claim_paths import claim_value, claim_values, words_of
from bff.access.facts import RequestFacts
from bff.config.conditions import ClaimTest, PathPattern, TimeWindow
from bff.config.settings import Network
from bff.session.principal import Principal

_MOST_ADDRESSES = 1024  # that a rule about networks remembers


class Condition(Protocol):
    """One thing that a rule asks for."""

    @property
    def reason(self) -> str:
        """The stable word of a denial for want of this."""
        ...

    def holds(self, facts: RequestFacts, principal: Principal) -> bool:
        """Whether the request fulfils it."""
        ...

    def __str__(self) -> str:
        """What is asked for, in words that follow "needs"."""
        ...


@dataclass(frozen=True, slots=True)
class AnyRole:
    """One of these roles."""

    roles: frozenset[str]
    reason: str = "role_missing"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `Condition`."""
        return not self.roles.isdisjoint(principal.roles)

    def __str__(self) -> str:
        return f"the role {' or '.join(sorted(self.roles))}"


@dataclass(frozen=True, slots=True)
class AllRoles:
    """All of these roles."""

    roles: frozenset[str]
    reason: str = "role_missing"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `Condition`."""
        return self.roles <= principal.roles

    def __str__(self) -> str:
        return f"the roles {' and '.join(sorted(self.roles))}"


@dataclass(frozen=True, slots=True)
class NoRole:
    """None of these roles."""

    roles: frozenset[str]
    reason: str = "role_excluded"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `Condition`."""
        return self.roles.isdisjoint(principal.roles)

    def __str__(self) -> str:
        return f"not the role {' or '.join(sorted(self.roles))}"


@dataclass(frozen=True, slots=True)
class Path:
    """The path below the route, and parameters that equal a claim.

    Where servers may read the path in several ways, a rule that allows is not fulfilled and one that denies is; nor
    does a capital get anybody past a denial.
    """

    pattern: PathPattern
    literals: tuple[tuple[int, str], ...]
    length: int
    denies: bool = False
    reason: str = "path_not_covered"

    def holds(self, facts: RequestFacts, _principal: Principal) -> bool:
        """See `Condition`."""
        segments = facts.segments
        if segments is None:
            return self.denies
        length = len(segments)
        if length != self.length and not (self.pattern.is_open and length > self.length):
            return False
        for position, literal in self.literals:  # a generator would cost more than all the rest
            segment = segments[position]
            if segment != literal and not (self.denies and segment.casefold() == literal):
                return False
        return True

    def __str__(self) -> str:
        return f"a path like {self.pattern.text}"


@dataclass(frozen=True, slots=True)
class Matches:
    """A parameter of the path equals a claim, as `/users/{sub}` does."""

    parameter: str
    position: int
    claim: str
    denies: bool = False
    reason: str = "not_own"

    def holds(self, facts: RequestFacts, principal: Principal) -> bool:
        """See `Condition`."""
        segments = facts.segments
        if segments is None:
            return self.denies
        if self.position >= len(segments):
            return False
        value = principal.subject if self.claim == "sub" else claim_value(principal.claims, self.claim)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return isinstance(value, str) and value == segments[self.position]

    def __str__(self) -> str:
        return f"{{{self.parameter}}} to be the claim {self.claim}"


@dataclass(frozen=True, slots=True)
class Scopes:
    """All of these scopes."""

    scopes: frozenset[str]
    reason: str = "scope_missing"

    def holds(self, facts: RequestFacts, _principal: Principal) -> bool:
        """See `Condition`."""
        return self.scopes <= facts.scopes

    def __str__(self) -> str:
        return f"the scope {' '.join(sorted(self.scopes))}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim passes a test."""

    claim: str
    test: ClaimTest
    reason: str = "claim_mismatch"

    def holds(self, _facts: RequestFacts, principal: Principal) -> bool:
        """See `Condition`."""
        claims = principal.claims
        if self.claim in claims:  # by far the most frequent, and worth being spared the search
            found = self._passes(claims[self.claim])
        else:
            found = any(self._passes(value) for value in claim_values(claims, self.claim))
        return found is self.test.value if self.test.how == "present" else found

    def _passes(self, value: object) -> bool:
        how = self.test.how
        if how == "equals":
            return _equal(value, self.test.value)
        if how == "contains":
            return _contains(value, self.test.value)
        return value not in (None, "", [], {})

    def __str__(self) -> str:
        return f"the claim {self.claim} that {self.test}"


@dataclass(frozen=True, slots=True)
class Times:
    """Within one of these windows."""

    windows: tuple[TimeWindow, ...]
    zones: Mapping[str, tzinfo] = field(repr=False, compare=False, default_factory=dict)
    known: dict[int, bool] = field(repr=False, compare=False, default_factory=dict)  # of the last minute
    reason: str = "outside_hours"

    def holds(self, facts: RequestFacts, _principal: Principal) -> bool:
        """See `Condition`. Windows begin and end with a minute, so the answer holds for one."""
        minute = int(facts.now // 60)
        answer = self.known.get(minute)
        if answer is None:
            self.known.clear()
            answer = self.known[minute] = any(
                _is_in(window, datetime.fromtimestamp(facts.now, self.zones[window.zone]))
                for window in self.windows
            )
        return answer

    def __str__(self) -> str:
        return f"a time within {' or '.join(window.text for window in self.windows)}"


@dataclass(frozen=True, slots=True)
class Networks:
    """The browser's address is in one of these."""

    networks: tuple[Network, ...]
    known: dict[str, bool] = field(repr=False, compare=False, default_factory=dict)  # of some addresses
    reason: str = "network_not_covered"

    def holds(self, facts: RequestFacts, _principal: Principal) -> bool:
        """See `Condition`."""
        answer = self.known.get(facts.address)
        if answer is None:
            if len(self.known) >= _MOST_ADDRESSES:
                self.known.clear()
            address = facts.ip
            answer = address is not None and any(address in network for network in self.networks)
            self.known[facts.address] = answer
        return answer

    def __str__(self) -> str:
        return f"an address in {' or '.join(map(str, self.networks))}"


def build_path(pattern: PathPattern, *, denies: bool) -> Path:
    """Return the condition with what it compares laid out."""
    literals = tuple(
        (position, literal.casefold() if denies else literal)
        for position, literal in enumerate(pattern.segments)
        if literal is not None
    )
    return Path(pattern, literals, len(pattern.segments), denies)


def build_times(windows: tuple[TimeWindow, ...]) -> Times:
    """Return the condition with its time zones loaded."""
    return Times(
        windows, {window.zone: UTC if window.zone == "UTC" else ZoneInfo(window.zone) for window in windows}
    )


def _is_in(window: TimeWindow, local: datetime) -> bool:
    day, minute = local.weekday(), local.hour * 60 + local.minute
    if window.start < window.end:
        return day in window.days and window.start <= minute < window.end
    # Over midnight: the day is the one on which it began.
    if minute >= window.start:
        return day in window.days
    return minute < window.end and (day - 1) % 7 in window.days


def _equal(value: object, wanted: object) -> bool:
    """Equal and of one type: neither "1" nor true is 1."""
    return type(value) is type(wanted) and value == wanted


def _contains(value: object, wanted: object) -> bool:
    if isinstance(value, list):
        return any(_equal(item, wanted) for item in value)
    return isinstance(value, str) and wanted in words_of(value)
