"""From a tally's numbers to what the overview shows. Pure: also the names under which things are tallied."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from bff.session.tally import Slot, start_of

WINDOWS: Mapping[int, int] = {3600: 60, 86_400: 900, 604_800: 7200}  # what can be asked for → width of its buckets
LEVEL = "sessions"
COUNTS = (
    "logins",
    "login_failures",
    "logouts",
    "renewals",
    "renewal_failures",
    "denials",
    "revocations",
    "calls",
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_OVER = "over"
_EDGES = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)  # seconds
_LONGEST_REASON = 60  # characters

Point = tuple[int, int]  # when the bucket begins (epoch seconds), and its number


class Denials(msgspec.Struct, frozen=True):
    """How often a rule of a route said no."""

    route: str
    method: str
    reason: str
    count: int


class Calls(msgspec.Struct, frozen=True):
    """How often a route was called."""

    route: str
    count: int


class LifetimeBucket(msgspec.Struct, frozen=True):
    """How many access tokens lived up to `le` seconds, and longer than the bucket before; null: longer than all."""

    le: float | None
    count: int


class Lifetimes(msgspec.Struct, frozen=True):
    """How long the access tokens of logins and renewals live, against the rule (seconds)."""

    rule: float
    buckets: Sequence[LifetimeBucket]


class Picture(msgspec.Struct, frozen=True):
    """What happened in a window of time, in equidistant buckets, oldest first. All in (epoch) seconds."""

    now: float
    window: int
    bucket: int
    live_sessions: int
    series: Mapping[str, Sequence[Point]]
    denials_by_route: Sequence[Denials]
    calls_by_route: Sequence[Calls]
    access_token_lifetimes: Lifetimes


# ── the names ────────────────────────────────────────────────────────────────────────────────────────────


def denial_name(fields: Mapping[str, object]) -> str:
    """Name what is counted of one denial: route, method and reason, none of them as long or odd as it may come."""
    method = fields.get("method")
    reason = "_".join(str(fields.get("reason") or _OTHER).split())[:_LONGEST_REASON]
    return f"denials {fields.get('route')} {method if method in _METHODS else _OTHER} {reason}"


def call_name(route: str) -> str:
    """Name what is counted of a route's calls."""
    return f"calls {route}"


def lifetime_name(lifetime: float, rule: float) -> str:
    """Name the bucket that a token's lifetime (seconds) falls into."""
    fitting = (edge for edge in _edges(rule) if round(lifetime) <= edge)
    return f"lifetimes {next(fitting, _OVER)}"


def folded(name: str) -> str:
    """Name the counter that takes what there are too many names for."""
    return {"denials": f"denials {_OTHER} {_OTHER} {_OTHER}", "calls": f"calls {_OTHER}"}.get(
        name.partition(" ")[0], name
    )


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────


def build_picture(numbers: Mapping[Slot, int], *, window: int, now: float, live: int, rule: float) -> Picture:
    """Return what `window` (one of `WINDOWS`) shows; `live` sessions there are now."""
    bucket = WINDOWS[window]
    starts = starts_of(window, now)
    by_name: dict[str, dict[int, int]] = {}
    for slot, number in numbers.items():
        if slot.width == bucket and starts[0] <= slot.start <= starts[-1]:
            by_name.setdefault(slot.name, {})[slot.start] = number
    totals = {name: sum(stretch.values()) for name, stretch in by_name.items()}
    return Picture(
        now=now,
        window=window,
        bucket=bucket,
        live_sessions=live,
        series={
            LEVEL: _level(by_name.get(LEVEL, {}) | {starts[-1]: live}, starts),
            **{name: _counts(by_name.get(name, {}), starts) for name in COUNTS},
        },
        denials_by_route=sorted(_denials(totals), key=lambda row: (-row.count, row.route, row.method, row.reason)),
        calls_by_route=sorted(_calls(totals), key=lambda row: (-row.count, row.route)),
        access_token_lifetimes=Lifetimes(rule, _lifetimes(totals, rule)),
    )


def starts_of(window: int, now: float) -> range:
    """Return when each bucket of the window begins, the last being the one that `now` lies in."""
    bucket = WINDOWS[window]
    last = start_of(bucket, now)
    return range(last - window + bucket, last + 1, bucket)


def _counts(stretch: Mapping[int, int], starts: range) -> list[Point]:
    return [(start, stretch.get(start, 0)) for start in starts]


def _level(stretch: Mapping[int, int], starts: range) -> list[Point]:
    """Fill in the gaps: while nobody looked, it was as it had been."""
    points, level = [], 0
    for start in starts:
        level = stretch.get(start, level)
        points.append((start, level))
    return points


def _denials(totals: Mapping[str, int]) -> Iterator[Denials]:
    for name, total in totals.items():
        if name.startswith("denials "):
            route, method, reason = name.removeprefix("denials ").rsplit(" ", 2)
            yield Denials(route, method, reason, total)


def _calls(totals: Mapping[str, int]) -> Iterator[Calls]:
    return (
        Calls(name.removeprefix("calls "), total) for name, total in totals.items() if name.startswith("calls ")
    )


def _lifetimes(totals: Mapping[str, int], rule: float) -> list[LifetimeBucket]:
    found: dict[float | None, int] = dict.fromkeys([*_edges(rule), None], 0)
    for name, total in totals.items():
        kind, _, edge = name.partition(" ")
        if kind == "lifetimes":
            # Tallied under another rule, it may have other edges than now.
            fitting = None if edge == _OVER else next((now for now in _edges(rule) if float(edge) <= now), None)
            found[fitting] += total
    return [LifetimeBucket(edge, count) for edge, count in found.items()]


def _edges(rule: float) -> list[float]:
    return sorted({*_EDGES, round(rule)})
