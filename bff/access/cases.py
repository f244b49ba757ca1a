"""Expectations about access, as a file that a pipeline runs: `bob may not delete orders`. Pure: text in, cases out.

[[case]]
name = "bob may not delete orders"
subject = "bob"                       # roles, claims, scope, from and at as well; none: nobody is signed in
roles = ["reader"]
request = "DELETE /api/orders/7"
expect = "deny"                       # allow, deny or step_up
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bff.access.policy import Allow, Deny, StepUp
from bff.access.question import Advisor, Question
from bff.config.toml_lines import find_lines

OUTCOMES = {"allow": Allow, "deny": Deny, "step_up": StepUp}
_KEYS = frozenset({"name", "subject", "roles", "claims", "scope", "from", "at", "request", "expect", "reason"})


class BadCase(Exception):
    """The file cannot be used: `line` says where, None for the file as a whole."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Case:
    """One expectation, and the line on which it begins."""

    line: int
    name: str
    question: Question
    expect: str
    reason: str | None = None  # of a denial


def parse_cases(text: str, now: float) -> list[Case]:
    """Read a file of cases. `now` is when a case without `at` happens. Raises `BadCase`."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadCase(None, f"this is not TOML: {error}") from None
    lines = find_lines(text)
    cases = tree.get("case")
    if not isinstance(cases, list) or not cases or tree.keys() != {"case"}:
        raise BadCase(None, "expected [[case]] tables, and nothing else")
    return [_parse(case, lines[("case", index)], now) for index, case in enumerate(cases)]


def run_case(case: Case, advisor: Advisor) -> str | None:
    """Return what is wrong, or None when it is as expected. A path without a route is denied."""
    explanation = advisor.answer(case.question).explanation
    if explanation is None:
        return None if case.expect == "deny" and case.reason in {None, "no_route"} else "no route fits the path"
    decision = explanation.decision
    if not isinstance(decision, OUTCOMES[case.expect]):
        needed = f" (needed: {'; or '.join(explanation.needed)})" if explanation.needed else ""
        return f"expected {case.expect}, but it is {explanation.verdict}{needed}"
    if case.reason is not None and isinstance(decision, Deny) and decision.reason != case.reason:
        return f"expected the reason {case.reason}, but it is {decision.reason}"
    return None


def _parse(case: Mapping[str, Any], line: int, now: float) -> Case:
    if not isinstance(case, dict):
        raise BadCase(line, "a case is a table")
    if unknown := sorted(case.keys() - _KEYS):
        raise BadCase(line, f"unknown key {unknown[0]}: expected {', '.join(sorted(_KEYS))}")
    texts = {
        key: _text(case, key, line) for key in ("name", "subject", "scope", "from", "request", "expect", "reason")
    }
    method, _, path = (texts["request"] or "").partition(" ")
    if not path.startswith("/"):
        raise BadCase(line, 'request must be a method and a path, such as "GET /api/orders"')
    if texts["expect"] not in OUTCOMES:
        raise BadCase(line, f"expect must be one of {', '.join(OUTCOMES)}")
    roles, claims, at = case.get("roles", []), case.get("claims", {}), case.get("at")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise BadCase(line, "roles must be an array of strings")
    if not isinstance(claims, dict):
        raise BadCase(line, "claims must be a table")
    if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
        raise BadCase(line, "at must be a time with an offset, such as 2026-11-27T18:00:00+01:00")
    question = Question(
        method=method.upper(),
        path=path,
        subject=texts["subject"],
        roles=tuple(roles),
        claims=claims,
        scope=texts["scope"] or "",
        address=texts["from"] or "",
        now=now if at is None else at.timestamp(),
    )
    name = texts["name"] or f"{texts['subject'] or 'somebody'} {texts['request']}"
    return Case(line, name, question, str(texts["expect"]), texts["reason"])


def _text(case: Mapping[str, Any], key: str, line: int) -> str | None:
    value = case.get(key)
    if value is not None and not isinstance(value, str):
        raise BadCase(line, f"{key} must be a string")
    return value
