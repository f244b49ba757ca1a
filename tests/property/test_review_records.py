"""What several workers note of the same people comes together in the same way, in whatever order they write."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bff.access.review_csv import build_lines, defuse
from bff.access.review_records import MOST_USES, Mark, Seen, Use, bounded, encode, merge, parse_seen, parse_use
from bff.access.review_rows import Row
from tests.property.test_access import json_values

words = st.sampled_from(("a", "b", "ä", ""))
times = st.sampled_from((0.0, 1.0, 2.0, 3.5))
marks = st.none() | st.builds(Mark, st.sampled_from(("keep", "revoke")), times, words, words)
seen = st.builds(
    Seen,
    issuer=st.just("i"),
    subject=st.just("s"),
    told_at=times,
    name=words,
    roles=st.lists(words, max_size=2).map(tuple),
    origins=st.lists(st.tuples(words, words, words, words), max_size=2).map(tuple),
    scope=words,
    claims=st.none() | st.dictionaries(words, st.integers(0, 2), max_size=2),
    first_seen_at=times,
    last_login_at=times,
    last_use_at=times,
    uses=st.dictionaries(st.sampled_from(("GET /a -", "GET /b x", "PUT /a x")), times, max_size=3),
    mark=marks,
)


@given(seen, seen, seen)
def test_the_order_of_writers_does_not_matter(one, two, three):
    """Merging is commutative, associative and idempotent."""
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one


@given(seen)
def test_a_record_reads_as_it_was_written(record):
    """To the last field."""
    assert record == parse_seen(encode(record))


@given(st.sampled_from(("GET", "A-B")), st.sampled_from(("/api", "/a%20b")), st.sampled_from(("-", "0123456789ab")))
def test_a_use_reads_as_it_was_written(method, route, rule):
    """Neither part has a space."""
    assert Use(route, method, rule) == parse_use(Use(route, method, rule).key)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=3))
def test_claims_of_any_shape_are_kept_or_not_and_never_raise(claims):
    """What is kept can be written."""
    kept = bounded(claims)

    assert kept is None or encode(kept)


def test_what_is_kept_of_one_person_is_bounded():
    """The latest uses stay."""
    many = Seen("i", "s", uses={f"GET /{number} -": float(number) for number in range(500)})
    merged = merge(many, Seen("i", "s"))

    assert MOST_USES == len(merged.uses)
    assert 500 - MOST_USES == min(merged.uses.values())
    assert bounded({"x": "y" * 10_000}) is None


@given(st.text(max_size=20))
def test_no_text_is_a_formula_in_a_spreadsheet(text):
    """OWASP, CSV Injection: whatever a name begins with, and whatever quotes and lines are in it."""
    cell = defuse(text)
    row = Row("id", Seen("i", text, name=text), (text,), (), (), (), 0, None)
    (line,) = csv.reader(io.StringIO(build_lines([row]), newline=""))

    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert [cell, cell] == line[:2]
    assert all(not part.lstrip().startswith(("=", "+", "-", "@")) for part in line)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@given(st.text(max_size=20))
@example("x;=1+1")
@example("x; =1+1")
@example('"x";@SUM(1)')
def test_no_part_of_a_text_is_a_formula_where_other_separators_are_the_custom(separator, text):
    """In half of Europe a semicolon separates cells: what is behind one may be a cell of its own (OWASP)."""
    row = Row("id", Seen("i", text, name=f"x{separator}{text}"), ("reader", text), (), (), (), 0, None)
    lines = csv.reader(io.StringIO(build_lines([row]), newline=""), delimiter=separator)

    for part in (part for line in lines for part in line):
        assert not part.lstrip().startswith(("=", "+", "-", "@")), part
