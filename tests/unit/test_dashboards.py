"""What we ship for Prometheus and Grafana asks for nothing that the code does not export."""

import re

import pytest

from bff.observe.metrics_catalog import CATALOG, Family
from tests.promql import GIVEN, alert_rules, asked_for, dashboard_queries, queries

_PLACEHOLDER = re.compile(r"\$labels\.(\w+)")


def family_of(series: str) -> tuple[Family, set[str]]:
    """The metric that a series belongs to, and the labels that the series has."""
    if series in CATALOG:
        assert CATALOG[series].kind != "histogram", f"{series} is exported as buckets, sum and count"
        return CATALOG[series], {*CATALOG[series].labels}
    name, _, part = series.rpartition("_")
    assert part in {"bucket", "sum", "count"}, f"nothing exports {series}"
    family = CATALOG[name]
    assert "histogram" == family.kind
    return family, {*family.labels, *(("le",) if part == "bucket" else ())}


@pytest.mark.parametrize("name", queries())
def test_every_query_asks_for_series_and_labels_that_are_exported(name: str):
    """A metric or a label that is renamed must not leave an empty picture, or an alert that never fires."""
    asked = asked_for(queries()[name])

    assert asked
    for series, labels in asked.items():
        assert set() == labels - family_of(series)[1] - GIVEN


@pytest.mark.parametrize("name", queries())
def test_counters_are_never_looked_at_bare(name: str):
    """Only how fast a counter grows says anything."""
    query = queries()[name]
    for series in asked_for(query):
        if family_of(series)[0].kind != "gauge":
            bare = re.findall(rf"(?<!\w)(\w+)\({series}\b", query)
            assert set() == set(bare) - {"rate", "increase"}
            assert len(re.findall(rf"\b{series}\b", query)) == len(bare)


@pytest.mark.parametrize("name", alert_rules())
def test_every_alert_says_what_to_do(name: str):
    """With labels that its series have."""
    rule = alert_rules()[name]
    labels = {label for _, each in asked_for(rule["expr"]).items() for label in each}
    labels |= {label for series in asked_for(rule["expr"]) for label in family_of(series)[1]} | GIVEN

    assert {"severity"} == set(rule["labels"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "action"} == set(rule["annotations"])
    assert set() == set(_PLACEHOLDER.findall(" ".join(rule["annotations"].values()))) - labels


def test_the_dashboard_shows_every_metric():
    """A metric that nobody can look at is one too many."""
    shown = {family_of(series)[0].name for query in dashboard_queries().values() for series in asked_for(query)}

    assert set(CATALOG) == shown
