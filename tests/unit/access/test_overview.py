"""From numbers to the picture of the overview."""

import pytest

from bff.access.overview import (
    COUNTS,
    WINDOWS,
    Calls,
    Denials,
    build_picture,
    call_name,
    denial_name,
    lifetime_name,
    starts_of,
)
from bff.session.tally import KEPT_FOR, Slot, start_of

NOW = 1_795_500_030.5
RULE = 3600.0


def slots(window, **by_name):
    """Slots by name: so many buckets ago → number."""
    width = WINDOWS[window]
    last = start_of(width, NOW)
    return {
        Slot(width, last - ago * width, name.replace("__", " ")): number
        for name, numbers in by_name.items()
        for ago, number in numbers.items()
    }


def picture(numbers, window=3600, live=0, rule=RULE):
    return build_picture(numbers, window=window, now=NOW, live=live, rule=rule)


@pytest.mark.parametrize(("window", "points"), [(3600, 60), (86_400, 96), (604_800, 84)])
def test_series_are_equidistant_and_end_with_the_bucket_that_is_going_on(window, points):
    """Oldest first, each as long as every other, zeros filled in, whatever there is."""
    width = WINDOWS[window]
    drawn = picture(slots(window, logins={0: 2, 1: 3, points - 1: 4, points: 5}), window)

    assert {"sessions", *COUNTS} == set(drawn.series)
    assert {points} == {len(series) for series in drawn.series.values()}
    assert {width} == {
        b - a for (a, _), (b, _) in zip(drawn.series["calls"], drawn.series["calls"][1:], strict=False)
    }
    assert drawn.series["calls"][-1][0] <= NOW < drawn.series["calls"][-1][0] + width
    assert [4, *[0] * (points - 3), 3, 2] == [number for _, number in drawn.series["logins"]]
    assert (NOW, window, width) == (drawn.now, drawn.window, drawn.bucket)


@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_shown_is_kept(window):
    """Nothing is removed before the last picture that shows it."""
    oldest = starts_of(window, NOW)[0]

    assert NOW + WINDOWS[window] < oldest + KEPT_FOR[WINDOWS[window]]


def test_a_gap_in_the_sessions_repeats_what_was_known():
    """While nobody looked it was as it had been; at the end stands what is known now."""
    drawn = picture(slots(3600, sessions={10: 7, 8: 9, 0: 1}), live=3)

    assert [*[0] * 49, 7, 7, *[9] * 8, 3] == [number for _, number in drawn.series["sessions"]]
    assert 3 == drawn.live_sessions


def test_denials_are_told_by_route_method_and_reason_the_most_frequent_first():
    """Added up over the window; what lies before it does not count."""
    often = denial_name({"route": "/api/a b", "method": "DELETE", "reason": "role_missing"})
    once = denial_name({"route": "/api", "method": "GET", "reason": "anonymous"})
    width = 60
    last = start_of(width, NOW)
    numbers = {Slot(width, last, often): 2, Slot(width, last - 600, often): 1, Slot(width, last, once): 1}
    numbers[Slot(width, last - 3600, once)] = 50

    drawn = picture(numbers)

    assert [
        Denials("/api/a b", "DELETE", "role_missing", 3),
        Denials("/api", "GET", "anonymous", 1),
    ] == drawn.denials_by_route


def test_calls_are_told_by_route():
    """The busiest first."""
    width = 60
    last = start_of(width, NOW)

    drawn = picture({Slot(width, last, call_name("/api")): 2, Slot(width, last, call_name("/api/b")): 5})

    assert [Calls("/api/b", 5), Calls("/api", 2)] == drawn.calls_by_route


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"route": "/api", "method": "BREW", "reason": "x"}, "denials /api other x"),
        ({"route": "/api", "method": 5, "reason": None}, "denials /api other other"),
        ({"route": "/api", "method": "GET", "reason": "two\nwords here"}, "denials /api GET two_words_here"),
        ({"route": "/api", "method": "GET", "reason": "x" * 500}, "denials /api GET " + "x" * 60),
    ],
)
def test_odd_denials_get_tame_names(fields, name):
    """Methods and reasons may come from anywhere; the tally's names stay few, short and readable."""
    assert name == denial_name(fields)


@pytest.mark.parametrize(
    ("lifetime", "name"),
    [
        (-5, "lifetimes 60"),
        (60.4, "lifetimes 60"),
        (61, "lifetimes 300"),
        (3599.7, "lifetimes 3600"),
        (3600, "lifetimes 3600"),
        (3601, "lifetimes 7200"),
        (86_401, "lifetimes over"),
    ],
)
def test_a_lifetime_falls_into_the_first_bucket_that_holds_it(lifetime, name):
    """A token that keeps the rule to the second keeps it."""
    assert name == lifetime_name(lifetime, RULE)


def test_lifetimes_are_shown_against_the_rule_and_the_rule_is_always_an_edge():
    """Also for what was counted while the rule was another."""
    drawn = picture(
        slots(3600, lifetimes__60={0: 2, 5: 1}, lifetimes__3600={0: 4}, lifetimes__over={0: 1}), rule=2000
    )

    shown = [(bucket.le, bucket.count) for bucket in drawn.access_token_lifetimes.buckets]
    assert 2000 == drawn.access_token_lifetimes.rule
    assert [60, 300, 900, 1800, 2000, 3600, 7200, 14_400, 28_800, 86_400, None] == [le for le, _ in shown]
    assert {60: 3, 3600: 4, None: 1} == {le: count for le, count in shown if count}
    counted_under_2000 = picture(slots(3600, lifetimes__2000={0: 1}))
    assert {3600: 1} == {
        bucket.le: bucket.count for bucket in counted_under_2000.access_token_lifetimes.buckets if bucket.count
    }
