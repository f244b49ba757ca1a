"""The numbers as Prometheus reads them. The only module that knows prometheus_client."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bff.observe.metrics import Number, Snapshot, Spread
from bff.observe.metrics_catalog import CATALOG, Family

Row = TypeVar("Row", Number, Spread)


def render(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return the numbers as text, and its media type: the one of the formats that `accept` asks for."""
    encode, media_type = choose_encoder(accept)
    return encode(_Collector(snapshot)), media_type


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._numbers = _by_name([*snapshot.counters, *snapshot.gauges])
        self._histograms = _by_name(snapshot.histograms)

    def collect(self) -> Iterator[Metric]:
        for family in CATALOG.values():
            if family.kind == "histogram":
                yield _histogram(family, self._histograms.get(family.name, []))
                continue
            build = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            metric = build(family.name, family.meaning, labels=family.labels)
            for number in self._numbers.get(family.name, []):
                metric.add_metric(number.labels, number.value)
            yield metric


def _histogram(family: Family, spreads: list[Spread]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    bounds = [*(str(bound) for bound in family.buckets), "+Inf"]
    for spread in spreads:
        so_far = 0
        buckets = []
        for bound, count in zip(bounds, spread.buckets, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        metric.add_metric(spread.labels, buckets, sum_value=spread.total)
    return metric


def _by_name(each: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(each, key=lambda row: row.labels):
        found.setdefault(row.name, []).append(row)
    return found
