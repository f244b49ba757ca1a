"""What one worker counts, and how several workers' numbers become those of the whole server.

Counting is adding to a number in memory. Nothing here locks, waits or writes.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import msgspec

from bff.observe.metrics_catalog import CATALOG, Family

MOST_SERIES = 500  # of one metric; further ones share one, whose labels all say "other"
_OTHER = "other"

Labels = tuple[str, ...]
Reading = tuple[Family, Labels, float]
Source = Callable[[], Iterable[Reading]]


class Number(msgspec.Struct, frozen=True, array_like=True):
    """One counter or gauge."""

    name: str
    labels: Labels
    value: float


class Spread(msgspec.Struct, frozen=True, array_like=True):
    """One histogram: how many fell into each bucket, the last of which has no end, and the sum of all."""

    name: str
    labels: Labels
    buckets: tuple[int, ...]
    total: float


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """All numbers of a worker, or of several."""

    counters: tuple[Number, ...] = ()
    histograms: tuple[Spread, ...] = ()
    gauges: tuple[Number, ...] = ()


class Histogram:
    """One series of observations. Whoever observes often keeps it."""

    __slots__ = ("_bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation; a clock that went back counts as nothing."""
        self.buckets[bisect_left(self._bounds, value)] += 1
        if value > 0:
            self.total += value


class Metrics:
    """The numbers of one worker.

    Attributes:
        counted_elsewhere: read at every snapshot; each returns counters that somebody else keeps, as they stand.
        levels: likewise, for gauges.
    """

    def __init__(self) -> None:
        self.counted_elsewhere: list[Source] = []
        self.levels: list[Source] = []
        self._counters: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, Histogram]] = {}
        for family in CATALOG.values():
            if family.kind == "counter":
                self._counters[family.name] = {(): 0.0} if not family.labels else {}
            elif family.kind == "histogram":
                self._histograms[family.name] = {}
                if not family.labels:
                    self.histogram(family)

    def count(self, family: Family, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        series = self._counters[family.name]
        if labels not in series and len(series) >= MOST_SERIES:
            labels = (_OTHER,) * len(labels)
        series[labels] = series.get(labels, 0.0) + by

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Count one observation."""
        self.histogram(family, *labels).observe(value)

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """Return the series of these labels."""
        series = self._histograms[family.name]
        found = series.get(labels)
        if found is None:
            if len(series) >= MOST_SERIES:
                labels = (_OTHER,) * len(labels)
            found = series.setdefault(labels, Histogram(family.buckets))
        return found

    def snapshot(self) -> Snapshot:
        """Return everything as it stands."""
        return Snapshot(
            counters=tuple(self._counted()),
            histograms=tuple(
                Spread(name, labels, tuple(found.buckets), found.total)
                for name, series in self._histograms.items()
                for labels, found in series.items()
            ),
            gauges=tuple(
                Number(family.name, labels, value) for source in self.levels for family, labels, value in source()
            ),
        )

    def _counted(self) -> Iterator[Number]:
        for name, series in self._counters.items():
            for labels, value in series.items():
                yield Number(name, labels, value)
        for source in self.counted_elsewhere:
            for family, labels, value in source():
                yield Number(family.name, labels, value)


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return one for all: counters and histograms added up, gauges as the catalogue says.

    What the catalogue does not know is left out: a worker of another version of ours may have left it.
    """
    counters: dict[tuple[str, Labels], float] = {}
    histograms: dict[tuple[str, Labels], tuple[list[int], float]] = {}
    gauges: dict[tuple[str, Labels], float] = {}
    for snapshot in snapshots:
        for number in snapshot.counters:
            at = (number.name, number.labels)
            if number.name in CATALOG:
                counters[at] = counters.get(at, 0.0) + number.value
        for spread in snapshot.histograms:
            if spread.name not in CATALOG or len(spread.buckets) != len(CATALOG[spread.name].buckets) + 1:
                continue
            buckets, total = histograms.get((spread.name, spread.labels), ([0] * len(spread.buckets), 0.0))
            added = [one + other for one, other in zip(buckets, spread.buckets, strict=True)]
            histograms[spread.name, spread.labels] = (added, math.fsum((total, spread.total)))
        for number in snapshot.gauges:
            at = (number.name, number.labels)
            there, family = gauges.get(at), CATALOG.get(number.name)
            if there is None and family is not None:
                gauges[at] = number.value
            elif there is not None and family is not None:
                gauges[at] = max(there, number.value) if family.is_highest else there + number.value
    return Snapshot(
        counters=tuple(Number(name, labels, value) for (name, labels), value in counters.items()),
        histograms=tuple(
            Spread(name, labels, tuple(buckets), total) for (name, labels), (buckets, total) in histograms.items()
        ),
        gauges=tuple(Number(name, labels, value) for (name, labels), value in gauges.items()),
    )
