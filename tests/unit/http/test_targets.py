"""Request targets that everybody reads alike, and others."""

import pytest

from bff.errors import BadRequestTarget
from bff.http.targets import MAX_TARGET, check_query, check_target


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/api/orders/7",
        b"/api//orders",
        b"/a.b/..c/d../.../.well-known/x.",
        b"/a%20b/%C3%A9",
        b"/a;v=1/b",
        b"/100%25",
        b"/100%2525252525",
        b"/a%2Fb",
        b"/@:!$&'()*+,=~",
        b"/%C3%A9",
        b"/" + b"a" * (MAX_TARGET - 1),
    ],
)
def test_plain_paths_pass(path):
    """What everybody reads alike is not touched and not refused."""
    assert None is check_target(path)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"*",
        b"api",
        b"http://evil.test/",
        b"/" + b"a" * MAX_TARGET,
        b"/a/../b",
        b"/a/./b",
        b"/..",
        b"/a/..",
        b"/.",
        b"/../",
        b"/a/..;x/b",
        b"/a/.;/b",
        b"/a/%2e%2e/b",
        b"/a/%2E./b",
        b"/a/.%2e",
        b"/a/..%2fb",
        b"/a%2f..%2fb",
        b"/a/%2e%2e;x/b",
        b"/a/%252e%252e/b",
        b"/a/%25252e%25252e/b",
        b"/a/..%3bx/b",
        b"/a/%20../b",
        b"/a/..%20/b",
        b"/a\\b",
        b"/a%5cb",
        b"/a%5Cb",
        b"/a%255cb",
        b"/a\x00b",
        b"/a%00b",
        b"/a%0d%0aSet-Cookie:x",
        b"/a%1f",
        b"/a%7f",
        b"/a\x7f",
        b"/a\tb",
        b"/a b",
        b"/a#b",
        b"/a?b",
        b"/\xc3\xa9",
        b"/\xff",
        b"/a%c0%aeb",
        b"/a%C1%9Cb",
        b"/a%",
        b"/a%4",
        b"/a%zz",
        b'/a"b',
        b"/a<b>",
        b"/a^b",
        b"/a`b",
        b"/a{b}",
        b"/a|b",
    ],
)
def test_ambiguous_paths_are_refused(path):
    """OWASP ASVS 4.2, RFC 9110 §7.7: dot segments, broken escapes and what parsers disagree about."""
    with pytest.raises(BadRequestTarget):
        check_target(path)


@pytest.mark.parametrize("query", [b"", b"a=1&b=%0a", b"a=../..", b"redirect=http://x/?y", b"%C3%A9=1", b"a[]=\\"])
def test_queries_are_the_upstream_s_own_business(query):
    """Only what could split a line is looked for."""
    assert None is check_query(query)


@pytest.mark.parametrize("query", [b"a b", b"a\r\nb", b"a\nb", b"a\x00", b"a\tb", b"a\x7f", b"a#b", b"\xc3\xa9=1"])
def test_queries_that_could_split_a_request_are_refused(query):
    """RFC 9112 §3: no control, space or fragment sign in a request line."""
    with pytest.raises(BadRequestTarget):
        check_query(query)


@pytest.mark.parametrize("raw", [b"\xc3\xa9", b"\xff", b"\x80"])
def test_what_is_not_ascii_is_refused(raw):
    """RFC 3986 §2: it comes percent-encoded, or the upstream would get other bytes than those that were judged."""
    with pytest.raises(BadRequestTarget):
        check_target(b"/api/" + raw)
    with pytest.raises(BadRequestTarget):
        check_query(b"name=" + raw)
