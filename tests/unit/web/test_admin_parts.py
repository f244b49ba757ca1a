"""The small parts of the admin API: the throttle, the cursors, and what an order selects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.crypto.key_ring import KeyRing, new_key
from bff.session.directory import Selection
from bff.web.admin.answers import RevocationOrder
from bff.web.admin.cursors import Cursors
from bff.web.admin.errors import InvalidRequest
from bff.web.admin.guards import Throttle
from bff.web.admin.sessions import build_selection

NOW = 1_800_000_000.0
RING = KeyRing([new_key()])


def test_throttle_forgets_after_a_minute_and_remembers_a_bounded_number_of_addresses():
    """An attacker with many addresses fills no memory; an operator who mistyped waits a minute at most."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])

    shutting = [throttle.fail("192.0.2.1") for _ in range(10)]
    assert [False] * 9 + [True] == shutting
    assert throttle.is_shut("192.0.2.1")
    assert throttle.is_shut("::ffff:192.0.2.1") is False
    for number in range(10_000):
        throttle.fail(f"10.0.{number // 256}.{number % 256}")
    assert len(throttle._failures) <= 4096
    throttle.fail("unknown")
    now[0] = 61.0
    assert not throttle.is_shut("10.0.39.15")


@given(st.binary(max_size=64), st.dictionaries(st.sampled_from(["role", "q", "since"]), st.text() | st.none()))
def test_cursor_opens_for_its_list_with_its_filters_and_for_nothing_else(position, filters):
    """Whatever the position and the filters are."""
    cursors = Cursors(RING)
    cursor = cursors.seal("sessions", filters, position)

    assert position == cursors.open("sessions", filters, cursor)
    for name, other in (("subjects", filters), ("sessions", {**filters, "role": "another one"})):
        with pytest.raises(InvalidRequest):
            cursors.open(name, other, cursor)


@given(st.text(min_size=1, max_size=200))
def test_cursor_that_is_not_ours_is_a_clear_error(text):
    """No text crashes the reader of cursors."""
    with pytest.raises(InvalidRequest, match="after: "):
        Cursors(RING).open("sessions", {}, text)


def test_cursors_survive_a_rotation_of_keys():
    """A page that was begun before can be gone on with after it."""
    old, new = new_key(), new_key()
    cursor = Cursors(KeyRing([old])).seal("sessions", {}, b"here")

    assert b"here" == Cursors(KeyRing([new, old])).open("sessions", {}, cursor)


@pytest.mark.parametrize(
    ("order", "selection"),
    [
        (RevocationOrder(session="h"), Selection(handle="h")),
        (RevocationOrder(role="admin", note="x", dry_run=True), Selection(role="admin")),
        (RevocationOrder(before=0.0), Selection(before=0.0)),
        (RevocationOrder(before=NOW + 3), Selection(before=NOW)),
        (RevocationOrder(all=True), Selection()),
    ],
)
def test_order_selects_what_it_names(order, selection):
    """A clock that is a little ahead of ours is no reason to refuse."""
    assert selection == build_selection(order, NOW)


@pytest.mark.parametrize(
    "order",
    [
        RevocationOrder(),
        RevocationOrder(note="all of them"),
        RevocationOrder(subject="a", issuer="b"),
        RevocationOrder(before=NOW + 60),
        RevocationOrder(session=""),
    ],
)
def test_order_that_names_nothing_or_too_much_is_refused(order):
    """An order that could mean everybody must say so."""
    with pytest.raises(InvalidRequest):
        build_selection(order, NOW)
