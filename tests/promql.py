"""The queries of what we ship for Prometheus and Grafana, and what they ask for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).parents[1]
DASHBOARD = ROOT / "deploy/grafana/bff.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
GIVEN = {"instance", "job"}  # what Prometheus adds to every series


def dashboard_queries() -> dict[str, str]:
    """By the panel's title and the query's letter, as Prometheus would get them."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return {
        f"{panel['title']} {target['refId']}": _filled_in(target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }


def alert_rules() -> dict[str, dict[str, Any]]:
    """By their names."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def queries() -> dict[str, str]:
    """All of them."""
    return dashboard_queries() | {name: rule["expr"] for name, rule in alert_rules().items()}


def asked_for(query: str) -> dict[str, set[str]]:
    """The metrics of a query, each with the labels that the query names for it.

    Raises:
        ValueError: Prometheus would not take the query.
    """
    found: dict[str, set[str]] = {}
    for name, labels in _walk(promql_parser.parse(query), frozenset()):
        found.setdefault(name, set()).update(labels)
    return found


def operands(query: str) -> list[str]:
    """What an alert's expression compares, each as a query of its own; numbers are left out."""
    return list(_operands(promql_parser.parse(query)))


def _operands(node: Any) -> Iterator[str]:
    match type(node).__name__:
        case "BinaryExpr" if str(node.op) in {"<", ">", "<=", ">=", "==", "!=", "and", "or", "unless"}:
            yield from _operands(node.lhs)
            yield from _operands(node.rhs)
        case "ParenExpr":
            yield from _operands(node.expr)
        case "NumberLiteral":
            return
        case _:
            yield str(node)


def _filled_in(query: str) -> str:
    filled = query.replace("$__rate_interval", "5m").replace("$instance", ".*")
    assert not re.search(r"\$\w", filled), f"an unknown variable in {query}"
    return filled


def _walk(node: Any, grouped: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
    match type(node).__name__:
        case "VectorSelector":
            yield node.name, {matcher.name for matcher in node.matchers.matchers} | grouped
            return
        case "AggregateExpr" if node.modifier is not None:
            grouped = grouped | set(node.modifier.labels)
    for part in ("expr", "lhs", "rhs", "vector_selector", "args", "param"):
        inner = getattr(node, part, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from _walk(each, grouped)
