"""What the log says of an API that is away."""

from collections.abc import Mapping

from bff.proxy.failures import Failures
from bff.proxy.routes import Route

ORDERS = Route("/orders", "http://orders.test:9001/v1", True, True, "header", 30.0, 5.0, 1024)
USERS = Route("/users", "http://users.test", True, True, "header", 30.0, 5.0, 1024)


def test_first_failure_is_told_at_once_and_the_others_as_a_number() -> None:
    """By route and kind: one that is away hides no other."""
    told: list[tuple[object, ...]] = []

    def emit(name: str, fields: Mapping[str, object]) -> None:
        told.append((name, *fields.values()))

    now = 100.0
    failures = Failures(emit, lambda: now)
    for number in range(5):
        failures.note(ORDERS, "upstream_unreachable", f"first-{number}")
    failures.note(ORDERS, "upstream_timeout", "second")
    failures.note(USERS, "upstream_unreachable", "third")
    now = 110.0
    failures.note(ORDERS, "upstream_unreachable", "fourth")

    assert [
        ("upstream.failed", "/orders", "http://orders.test:9001", "upstream_unreachable", 1, "first-0"),
        ("upstream.failed", "/orders", "http://orders.test:9001", "upstream_timeout", 1, "second"),
        ("upstream.failed", "/users", "http://users.test", "upstream_unreachable", 1, "third"),
        ("upstream.failed", "/orders", "http://orders.test:9001", "upstream_unreachable", 5, "fourth"),
    ] == told
