"""What is kept for reviews: who was seen with what, and what was decided. Values, their written forms, and merging.

`merge` is commutative, associative and idempotent, so that workers need not agree on who writes first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from bff.access.roles import RoleOrigin

Verdict = Literal["keep", "revoke"]
MOST_USES = 200  # kept for each subject; the latest
MOST_CLAIMS = 8 * 1024  # bytes, encoded
MOST_ORIGINS = 1000


class Mark(msgspec.Struct, frozen=True):
    """The latest decision about somebody. Times are epoch seconds."""

    decision: Verdict
    at: float
    by: str
    note: str = ""


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody as they were last seen. Fields are added at the end and never change their meaning.

    Attributes:
        told_at: when the tokens last said what follows; 0: they have not.
        roles: of the tokens, renamed and with what they imply.
        origins: where those of the tokens come from: (role, via, of, source).
        claims: those that rules ask for; None when they were too large to keep.
        uses: `uses_key` to when it was last.
    """

    issuer: str
    subject: str
    told_at: float = 0.0
    name: str = ""
    roles: tuple[str, ...] = ()
    origins: tuple[tuple[str, str, str, str], ...] = ()
    scope: str = ""
    claims: dict[str, Any] | None = None
    first_seen_at: float = math.inf
    last_login_at: float = 0.0
    last_use_at: float = 0.0
    uses: dict[str, float] = {}
    mark: Mark | None = None

    @property
    def active_at(self) -> float:
        """When there was last a sign of them."""
        return max(self.told_at, self.last_login_at, self.last_use_at)

    def role_origins(self) -> list[RoleOrigin]:
        """Return where the roles of the tokens came from."""
        return [RoleOrigin(*origin) for origin in self.origins]


class Ruling(msgspec.Struct, frozen=True):
    """One decision of a recorded review."""

    subject: str
    issuer: str
    decision: Verdict
    note: str = ""


class RecordedReview(msgspec.Struct, frozen=True):
    """A review that has been made. `due_at`: when the next one was due by the interval of that time."""

    at: float
    by: str
    note: str
    due_at: float | None
    decisions: tuple[Ruling, ...]

    def count(self, verdict: Verdict) -> int:
        """Return how many were decided like this."""
        return sum(ruling.decision == verdict for ruling in self.decisions)


@dataclass(frozen=True, slots=True)
class Use:
    """A kind of use: which rule of a route let which method through. The rule is known by its words."""

    route: str
    method: str
    rule: str

    @property
    def key(self) -> str:
        """The written form."""
        return f"{self.method} {self.route} {self.rule}"


def parse_use(key: str) -> Use:
    """Read what `Use.key` wrote. Neither a method nor a route's path has a space."""
    method, _, rest = key.partition(" ")
    route, _, rule = rest.partition(" ")
    return Use(route, method, rule)


def merge(one: Seen, other: Seen) -> Seen:
    """Return what is known after both."""
    told = max(one, other, key=_told)
    uses = {key: max(one.uses.get(key, 0.0), other.uses.get(key, 0.0)) for key in {*one.uses, *other.uses}}
    return msgspec.structs.replace(
        told,
        first_seen_at=min(one.first_seen_at, other.first_seen_at),
        last_login_at=max(one.last_login_at, other.last_login_at),
        last_use_at=max(one.last_use_at, other.last_use_at),
        uses=_latest(uses),
        mark=max((one.mark, other.mark), key=_decided),
    )


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_SEEN = msgspec.msgpack.Decoder(Seen)
_REVIEW = msgspec.msgpack.Decoder(RecordedReview)


def encode(value: object) -> bytes:
    """Write a record; equal records are written alike."""
    return _ENCODER.encode(value)


def parse_seen(encoded: bytes) -> Seen:
    """Read what `encode` wrote; raises `msgspec.DecodeError`."""
    return _SEEN.decode(encoded)


def parse_review(encoded: bytes) -> RecordedReview:
    """Read what `encode` wrote; raises `msgspec.DecodeError`."""
    return _REVIEW.decode(encoded)


def bounded(claims: Mapping[str, object]) -> dict[str, object] | None:
    """Return the claims if they are small enough to keep and can be written, else None."""
    try:
        return dict(claims) if len(encode(claims)) <= MOST_CLAIMS else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _told(seen: Seen) -> tuple[float, int, bytes]:
    # Of two of one moment either will do, as long as everybody takes the same.
    told = encode([seen.name, seen.roles, seen.origins, seen.scope, seen.claims])
    return seen.told_at, len(seen.origins), told


def _decided(mark: Mark | None) -> tuple[float, bytes]:
    return (mark.at, encode(mark)) if mark is not None else (-math.inf, b"")


def _latest(uses: dict[str, float]) -> dict[str, float]:
    if len(uses) <= MOST_USES:
        return uses
    return dict(sorted(uses.items(), key=lambda item: (-item[1], item[0]))[:MOST_USES])
