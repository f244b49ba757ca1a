"""The page on scaling shows what its command prints, from the figures that it names."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.scale import __main__ as scale
from benchmarks.scale.paper import Demand, Measured, plan, written

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"


def test_table_is_what_the_command_prints(monkeypatch, capsys):
    """Whoever changes a figure or a formula prints the table anew."""
    page = PAGE.read_text(encoding="utf-8")
    (command,) = re.findall(r"^python -m benchmarks\.scale (paper [^`]*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(sys, "argv", ["scale", *shlex.split(command.replace("\\\n", " "))])

    scale.main()

    assert capsys.readouterr().out in page


def test_more_of_anything_never_takes_less():
    """Each result grows with what is wanted and with what it costs, or stays."""
    measured = Measured(2250.0, 62.0, 300.0, 5.0, 3.4, 20.0, 8000.0)
    before = {line.name: line.value for line in plan(measured, Demand())}
    more = Measured(4500.0, 124.0, 600.0, 10.0, 6.8, 40.0, 8000.0)

    for other in (plan(more, Demand()), plan(measured, Demand(sessions=20e6, requests=200e3, active=1e6))):
        smaller = [line.name for line in other if line.value < before[line.name]]
        assert smaller in ([], ["cache of a worker"])


def test_store_memory_is_sessions_times_bytes_times_headroom():
    """The one figure that nothing else bounds."""
    measured = Measured(2000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    lines = {
        line.name: line for line in plan(measured, Demand(sessions=1e6, headroom=1.5, node_bytes=1e9, requests=1))
    }

    assert pytest.approx(3.0) == lines["store memory"].value
    assert (3, 6) == (lines["primaries"].value, lines["nodes"].value)


@pytest.mark.parametrize(
    ("value", "text"), [(0.7781, "0.778"), (26.3456, "26.3"), (2777.8, "2,780"), (3, "3"), (103, "103"), (0.0, "0")]
)
def test_figures_have_three_digits(value, text):
    """Thousands are set apart."""
    assert text == written(value)
