"""What a reviewer is told of one subject."""

import math

import pytest

from bff.access.openings import Holder, ReviewedRoute, roles_asked_for
from bff.access.review_findings import Subject, Thresholds, findings_of, is_kind
from bff.access.review_records import Seen, Use
from bff.access.roles import RoleMap, RoleOrigin, RoleReader
from bff.access.usage import name_rule
from bff.config.assignments import Assignment
from bff.session.principal import Principal
from tests.unit.access.policies import NOW, policy

DAY = 86_400.0
READER = RoleReader(RoleMap(implies={"admin": ("reader",)}))
RULES = """
{ methods = ["GET"], path = "/secret/**", roles = ["admin"] },
{ methods = ["GET"], roles = ["reader"] },
{ methods = ["PUT"], roles = ["writer", "clerk"] },
{ methods = ["DELETE"], roles = ["admin"] }
"""
ROUTES = [ReviewedRoute("/api", policy(RULES)), ReviewedRoute("/open", policy(""))]
TEXTS = [rule.text for rule in ROUTES[0].policy.rules]


def use(method: str, rule: int | None, route: str = "/api") -> str:
    return Use(route, method, name_rule(TEXTS[rule] if rule is not None else None)).key


def found(*roles, uses=(), assignments=(), last_use=NOW, routes=ROUTES, seen_at=NOW):
    """The findings of somebody with these roles of the tokens, who did these things."""
    seen = Seen("i", "s", told_at=seen_at, last_use_at=last_use if uses else 0.0, uses=dict.fromkeys(uses, NOW))
    origins = [RoleOrigin(role, "claim", "roles") for role in roles]
    origins += [origin for role in roles for origin in READER.implied_by(role)]

    def without(subject: Subject, role: str) -> Holder:
        return Holder(Principal("i", "s", READER.expand(set(roles) - {role})))

    return findings_of(
        Subject(seen, Holder(Principal("i", "s", READER.expand(roles))), origins, assignments),
        now=NOW,
        thresholds=Thresholds(),
        routes=routes,
        asked_for=roles_asked_for(routes),
        expand=READER.expand,
        without=without,
    )


@pytest.mark.parametrize(
    ("roles", "uses", "expected"),
    [
        (["admin"], [use("DELETE", 3)], ()),
        (["admin"], [use("GET", 0)], ()),
        (["reader"], [use("GET", 1)], ()),
        (["reader", "writer"], [use("GET", 1)], ("role_never_needed:writer",)),
        (["admin", "reader"], [use("DELETE", 3)], ("role_never_needed:reader",)),
        (["admin", "reader"], [use("GET", 0)], ("role_never_needed:admin", "role_never_needed:reader")),
        (["writer", "clerk"], [use("PUT", 2)], ("role_never_needed:clerk", "role_never_needed:writer")),
        (["writer"], [use("PUT", 2)], ()),
        (["reader"], [use("GET", None, "/open")], ("role_never_needed:reader",)),
        (["reader"], [use("GET", 1, "/gone")], ("role_never_needed:reader",)),
        (["reader"], ["GET /api 0123456789ab"], ()),  # by a rule that has been written anew since
        (["reader"], [], ()),  # nothing is known yet
    ],
)
def test_a_role_was_needed_when_without_it_some_use_would_have_been_denied(roles, uses, expected):
    """By itself: of two that each were enough, neither was."""
    assert expected == found(*roles, uses=uses)


def test_a_need_of_long_ago_is_none():
    """What has not been needed for as long as unused access is told of, is told of."""
    seen = Seen("i", "s", told_at=NOW, last_use_at=NOW, uses={use("GET", 1): NOW - 91 * DAY, use("PUT", 2): NOW})
    subject = Subject(
        seen, Holder(Principal("i", "s", frozenset({"reader"}))), [RoleOrigin("reader", "claim", "r")], ()
    )

    assert ("role_never_needed:reader",) == findings_of(
        subject,
        now=NOW,
        thresholds=Thresholds(),
        routes=ROUTES,
        asked_for=None,
        expand=READER.expand,
        without=lambda _subject, _role: Holder(Principal("i", "s", frozenset({"writer"}))),
    )


def test_where_a_callable_decides_nothing_is_said_of_roles():
    """What it asks for cannot be known."""
    routes = [ReviewedRoute("/api", policy("", function=lambda *_: None), "policies:decide")]

    assert () == found("reader", "idle", uses=[use("GET", None)], routes=routes)


def test_a_role_that_no_rule_asks_for_opens_nothing():
    """Nor does anything that it implies."""
    assert ("role_opens_nothing:idle",) == found("admin", "idle")


@pytest.mark.parametrize(("days", "expected"), [(89, ()), (90, ("unused_90_days",)), (400, ("unused_90_days",))])
def test_access_that_nobody_uses_is_told(days, expected):
    """From the configured number of days on."""
    assert expected == found("reader", seen_at=NOW - days * DAY)


@pytest.mark.parametrize(
    ("ends_in", "expected"),
    [
        (-1, ("assignment_ended:reader",)),
        (0, ("assignment_ended:reader",)),
        (13, ("assignment_ends_soon:reader",)),
        (15, ()),
        (math.inf, ()),
    ],
)
def test_assignments_that_end_are_told(ends_in, expected):
    """Ended ones are still in the file, and soon ended ones will be missed."""
    assert expected == found("reader", assignments=[Assignment("s", "reader", ends_at=NOW + ends_in * DAY)])


@pytest.mark.parametrize(
    ("finding", "wanted", "fits"),
    [
        ("role_never_needed:admin", "role_never_needed", True),
        ("role_never_needed:admin", "role_never_needed:admin", True),
        ("role_never_needed:admin", "role_never_needed:a", False),
        ("unused_90_days", "unused", True),
        ("unused_90_days", "unused_90_days", True),
        ("unused_90_days", "unused_9", False),
    ],
)
def test_findings_are_asked_for_by_kind_or_as_a_whole(finding, wanted, fits):
    """As the filters do."""
    assert fits is is_kind(finding, wanted)
