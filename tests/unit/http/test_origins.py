"""Whether a request is from our own pages."""

import itertools

import pytest

from bff.errors import CrossSiteRequest, CsrfHeaderRequired
from bff.http.origins import check_same_origin

OWN = b"https://app.test"


def verdict(mode, *, method="POST", origin=None, site=None, header=False):
    try:
        check_same_origin(
            mode=mode, method=method, own_origin=OWN, origin=origin, sec_fetch_site=site, has_header=header
        )
    except (CrossSiteRequest, CsrfHeaderRequired) as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("mode", ["header", "origin"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (b"https://evil.test", None),
        (b"https://evil.test", b"same-origin"),
        (b"null", None),
        (b"http://app.test", None),
        (b"https://app.test:8443", None),
        (b"https://sub.app.test", b"same-origin"),
        (b"https://app.test/", None),
        (b"HTTPS://app.test", None),
        (b"", None),
        (OWN, b"cross-site"),
        (OWN, b"same-site"),
        (None, b"cross-site"),
        (None, b"same-site"),
        (None, b"\0"),
    ],
)
def test_other_origins_are_refused_even_with_the_header(mode, method, origin, site):
    """OWASP ASVS 3.5.1 and 3.5.3: no header makes up for another origin, an opaque one, or a sibling's."""
    assert "cross_site_request" == verdict(mode, method=method, origin=origin, site=site, header=True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
@pytest.mark.parametrize(("origin", "site"), list(itertools.product([None, OWN], [None, b"same-origin"])))
def test_header_is_demanded_of_every_method(method, origin, site):
    """OAuth 2.0 for Browser-Based Applications §6.1.3.3.2: static header on every call, GET included."""
    assert ["ok", "csrf_header_required"] == [
        verdict("header", method=method, origin=origin, site=site, header=header) for header in (True, False)
    ]


@pytest.mark.parametrize(
    ("method", "origin", "site", "expected"),
    [
        ("GET", None, b"same-origin", "ok"),
        ("POST", OWN, b"same-origin", "ok"),
        ("POST", OWN, None, "ok"),
        ("GET", None, b"none", "ok"),
        ("HEAD", None, b"none", "ok"),
        ("POST", None, b"none", "cross_site_request"),
        ("GET", None, None, "cross_site_request"),
        ("POST", None, None, "cross_site_request"),
    ],
)
def test_route_without_the_header_needs_the_browser_s_word(method, origin, site, expected):
    """What cannot send the header is vouched for by Sec-Fetch-Site or Origin; a typed address may only be read."""
    assert expected == verdict("origin", method=method, origin=origin, site=site)


def test_typed_address_calls_no_api():
    """`none` is a person's own navigation, which no script made."""
    assert "cross_site_request" == verdict("header", method="GET", site=b"none", header=True)


def test_route_may_be_open_to_everybody():
    """`off` checks nothing: public data without a session."""
    assert "ok" == verdict("off", origin=b"https://evil.test", site=b"cross-site")
