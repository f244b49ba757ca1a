"""Where a login may lead back to."""

import pytest

from bff.errors import ReturnToRefused
from bff.http.return_to import MAX_RETURN_TO, parse_return_to


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "/"),
        ("", "/"),
        ("/", "/"),
        ("/orders/7?tab=notes#top", "/orders/7?tab=notes#top"),
        ("/a%20b?next=https://elsewhere.test//x", "/a%20b?next=https://elsewhere.test//x"),
        ("/x#//evil", "/x#//evil"),
        ("/bffx", "/bffx"),
        ("/a..b/.c", "/a..b/.c"),
        ("/a:b@c", "/a:b@c"),
        ("/" + "a" * (MAX_RETURN_TO - 1), "/" + "a" * (MAX_RETURN_TO - 1)),
    ],
)
def test_paths_of_this_origin_are_kept_as_they_are(value, expected):
    """RFC 9700 §4.11.1: a path, its query and its fragment; nothing given means the start page."""
    assert expected == parse_return_to(value, forbidden_prefix="/bff")


@pytest.mark.parametrize(
    "value",
    [
        "https://evil.test/",
        "https:evil.test",
        "http:/evil.test",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/%5cevil.test",
        "/%255cevil.test",
        "/%2f/evil.test",
        "/%2Fevil.test",
        "%2f%2fevil.test",
        "/\tevil",
        "/%09/evil.test",
        "/%0d%0aSet-Cookie:x",
        "/\r\nx",
        " /x",
        "/x y",
        "/x\x00",
        "/é",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.test",
        "evil.test",
        "?x=1",
        "#x",
        "/a/../../evil",
        "/./x",
        "/%2e%2e/x",
        "/..;/x",
        "/x<script>",
        '/x"',
        "/bff",
        "/bff/login",
        "/bff/",
        "/%62ff/logout",
        "/bff?x=1",
        "/" + "a" * MAX_RETURN_TO,
        "/x\ud800",
    ],
)
def test_anything_that_could_lead_elsewhere_is_refused(value):
    """RFC 9700 §2.1, OWASP ASVS 3.7.2: no scheme, no authority, no repair by browsers, no loop."""
    with pytest.raises(ReturnToRefused):
        parse_return_to(value, forbidden_prefix="/bff")


def test_decoding_stops_at_what_can_be_decoded_no_further():
    """A percent sign that begins no escape is an ordinary character."""
    assert "/100%" == parse_return_to("/100%", forbidden_prefix="/bff")
