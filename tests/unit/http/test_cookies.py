"""Reading one cookie exactly, and writing ours."""

import pytest

from bff.http.cookies import CookieWriter, has_cookie, keep_cookies, read_cookie, read_prefixed

NAME = b"__Host-bff"


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ([], None),
        ([b""], None),
        ([b"__Host-bff=abc"], b"abc"),
        ([b"a=1; __Host-bff=abc; b=2"], b"abc"),
        ([b"a=1", b"__Host-bff=abc"], b"abc"),
        ([b" __Host-bff\t= abc\t"], b"abc"),
        ([b"__Host-bff=a=b"], b"a=b"),
        ([b"__Host-bff="], b""),
        ([b"__Host-bff"], None),
        ([b"=__Host-bff=x"], None),
        ([b"__host-bff=abc"], None),
        ([b"x__Host-bff=abc"], None),
        ([b"__Host-bffx=abc"], None),
        ([b"__Host-bff=a; __Host-bff=a"], None),
        ([b"__Host-bff=a", b"__Host-bff=b"], None),
        ([b'__Host-bff="abc"'], None),
        ([b"__Host-bff=a b"], None),
        ([b"__Host-bff=a\\b"], None),
        ([b"__Host-bff=\xe9"], None),
    ],
)
def test_one_cookie_of_exactly_this_name(headers, value):
    """RFC 6265bis §4.2.2 and §5.4: doubled, misspelled or malformed, it is as good as none."""
    assert value == read_cookie(headers, NAME)


@pytest.mark.parametrize(
    ("headers", "came"),
    [
        ([], False),
        ([b"a=1; __Host-bff=\xe9"], True),
        ([b"__Host-bff=a; __Host-bff=b"], True),
        ([b"__Host-bff"], True),
        ([b"x=__Host-bff=1"], False),
    ],
)
def test_cookie_that_came_is_seen_whether_or_not_it_can_be_read(headers, came):
    """What cannot be read is to be cleared."""
    assert came is has_cookie(headers, NAME)


def test_prefixed_cookies_come_in_order_up_to_a_limit():
    """However many a browser sends, so many are looked at."""
    headers = [b"p-a=1; q=2; p-b = 3", b"p-c=4; p-; p-d=5"]

    assert [(b"p-a", b"1"), (b"p-b", b"3"), (b"p-c", b"4"), (b"p-d", b"5")] == read_prefixed(headers, b"p-", 9)
    assert [(b"p-a", b"1"), (b"p-b", b"3")] == read_prefixed(headers, b"p-", 2)


def test_only_named_cookies_are_kept():
    """A route forwards the cookies that it names, and no other."""
    headers = [b"theme=dark; __Host-bff=x", b"lang=en;theme=light; themes=1"]

    assert b"theme=dark; lang=en; theme=light" == keep_cookies(headers, frozenset({b"theme", b"lang"}))
    assert b"" == keep_cookies(headers, frozenset({b"nothing"}))


@pytest.mark.parametrize("same_site", ["strict", "lax"])
def test_cookies_are_written_as_their_prefix_demands(same_site):
    """RFC 6265bis §4.1.3.2: Secure, HttpOnly, Path=/ and no Domain, on deletion as well."""
    writer = CookieWriter("__Host-bff", same_site=same_site)
    suffix = b"; Path=/; Secure; HttpOnly; SameSite=" + same_site.capitalize().encode()

    assert b"__Host-bff=v" + suffix == writer.set(b"v")
    assert b"__Host-bff=v; Max-Age=600" + suffix == writer.set(b"v", max_age=600)
    assert b"__Host-bff=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" + suffix == writer.deletion
