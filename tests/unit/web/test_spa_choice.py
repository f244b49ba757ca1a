"""Which form of a file, which part of it, and whether a page will do instead."""

import pytest

from bff.web.spa_choice import choose_encoding, choose_range, has_tag, header, is_app_path, is_navigation

SIZES = {b"identity": 100, b"br": 20, b"zstd": 25, b"gzip": 30}


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, b"identity"),
        (b"", b"identity"),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"zstd, gzip", b"zstd"),
        (b"br;q=0.5, gzip;q=0.8", b"gzip"),
        (b"br;q=0, gzip", b"gzip"),
        (b"br;q=0.0, *;q=0", b"identity"),
        (b"*", b"br"),
        (b"*;q=0.1, gzip;q=0.2", b"gzip"),
        (b"identity", b"identity"),
        (b"identity;q=1, br;q=0.5", b"identity"),
        (b"identity;q=0.5, br", b"br"),
        (b"identity;q=0", b"identity"),
        (b"br;q=2", b"identity"),
        (b"br;q=x", b"identity"),
        (b"brotli, gzipped", b"identity"),
        (b"br;level=4;q=1.000", b"br"),
    ],
)
def test_coding_is_one_that_the_client_takes(accepted, chosen):
    """RFC 9110 §12.5.3."""
    assert chosen == choose_encoding(accepted, SIZES)


@pytest.mark.parametrize(
    ("wanted", "if_range", "part"),
    [
        (None, None, None),
        (b"bytes=0-0", None, range(1)),
        (b"bytes=10-19", None, range(10, 20)),
        (b"bytes=10-", None, range(10, 100)),
        (b"bytes=-10", None, range(90, 100)),
        (b"bytes=-1000", None, range(100)),
        (b"bytes=90-1000", None, range(90, 100)),
        (b"bytes=99-", b'"tag"', range(99, 100)),
        (b"bytes=0-9", b'"other"', None),
        (b"bytes=0-9", b'W/"tag"', None),
        (b"bytes=0-9", b"Tue, 24 Nov 2026 05:00:00 GMT", None),
        (b"bytes=100-", None, range(0)),
        (b"bytes=100-200", None, range(0)),
        (b"bytes=-0", None, range(100, 100)),
        (b"bytes=9-0", None, None),
        (b"bytes=-", None, None),
        (b"bytes=0-1,5-6", None, None),
        (b"lines=0-1", None, None),
        (b"bytes=a-b", None, None),
        (b"bytes=0-99999999999999999999", None, None),
    ],
)
def test_part_is_what_was_asked_for(wanted, if_range, part):
    """RFC 9110 §14.1.2, §14.2 and §13.1.5."""
    chosen = choose_range(wanted, if_range, b'"tag"', 100)

    assert part == chosen
    assert (part is None) == (chosen is None)


@pytest.mark.parametrize(
    ("listed", "has"),
    [(None, False), (b'"a"', True), (b'W/"a"', True), (b'"b", "a"', True), (b"*", True), (b'"b"', False)],
)
def test_tag_is_found_in_a_list(listed, has):
    """RFC 9110 §13.1.2."""
    assert has == has_tag(listed, b'"a"')


def test_header_of_several_lines_is_one():
    """RFC 9110 §5.3."""
    assert b"a, b" == header([(b"x", b"a"), (b"y", b"c"), (b"x", b"b")], b"x")


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({b"sec-fetch-mode": b"navigate"}, True),
        ({b"sec-fetch-mode": b"cors", b"accept": b"text/html"}, False),
        ({b"sec-fetch-mode": b"no-cors"}, False),
        ({b"accept": b"text/html,application/xhtml+xml"}, True),
        ({b"accept": b"application/json"}, False),
        ({b"accept": b"*/*"}, False),
        ({}, True),
    ],
)
def test_page_answers_navigation_alone(headers, is_one):
    """A script that asks for a missing file must not get a page (Fetch Metadata)."""
    assert is_one == is_navigation(list(headers.items()))


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/orders/7", True),
        ("/users/jane.doe", True),
        ("/v1.2/orders", True),
        ("/missing.js", False),
        ("/a.png", False),
        ("/.env", False),
        ("/x/.git", False),
    ],
)
def test_path_of_the_app_names_no_kind_of_file(path, is_one):
    """A missing file is missing."""
    assert is_one == is_app_path(path)
