"""The page about metrics names each one as the code exports it."""

import re
from pathlib import Path

from bff.observe.metrics_catalog import CATALOG, Family

PAGE = Path(__file__).parents[3] / "docs/metrics.md"
ROW = re.compile(r"^\| `(bff_\w+)` \| (\w+) \| ([\w ]+) \| (.+?) \| (.+) \|$", re.MULTILINE)
LABEL = re.compile(r"`(\w+)`")


def unit_of(family: Family) -> str:
    """What the numbers are, by the conventions for names."""
    if family.kind == "histogram":
        return "seconds"
    if family.name.endswith("_timestamp_seconds"):
        return "epoch seconds"
    return "1" if family.name.endswith("_info") else "count"


def test_every_metric_is_described_as_it_is():
    """Name, kind, unit, labels and meaning, in the catalogue's order."""
    written = [
        (name, kind, unit, tuple(LABEL.findall(labels)), meaning)
        for name, kind, unit, labels, meaning in ROW.findall(PAGE.read_text(encoding="utf-8"))
    ]

    assert [
        (family.name, family.kind, unit_of(family), family.labels, family.meaning) for family in CATALOG.values()
    ] == written


def test_every_label_is_described():
    """In the table of labels."""
    table = PAGE.read_text(encoding="utf-8").partition("## Labels")[2]
    described = {label for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for label in LABEL.findall(row)}

    assert {label for family in CATALOG.values() for label in family.labels} == described
