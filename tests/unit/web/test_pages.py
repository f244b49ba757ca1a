"""The pages that people see from us, and who may go to our addresses."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from bff.errors import CrossSiteRequest
from bff.web.navigation import check_navigation
from bff.web.pages import CONTENT_SECURITY_POLICY, ErrorPage, build_error_page

PAGE = ErrorPage("Signing in did not work", "It could not be completed.", "login_failed", None, "rid", "/bff/login")


class Found(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.style, self._in_style = [], [], "", False
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._in_style = tag == "style"
        self.links += [value for name, value in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data):
        if self._in_style:
            self.style += data

    def handle_endtag(self, tag):
        self._in_style = False


def test_page_says_what_happened_and_offers_a_way_on():
    """Title, detail, code, request id, another try and the start page; nothing else is loaded."""
    page = build_error_page(PAGE)
    found = Found(page)

    assert ["/bff/login?return_to=/", "/"] == found.links
    for text in ("Signing in did not work", "It could not be completed.", "login_failed", "rid"):
        assert text in page.decode()
    assert {"script", "img", "form", "iframe", "link"}.isdisjoint(found.tags)


def test_policy_allows_the_style_of_the_page_and_nothing_else():
    """OWASP ASVS 3.4.3 and 3.4.6: by its hash; no script, no form, no frame."""
    digest = base64.b64encode(hashlib.sha256(Found(build_error_page(PAGE)).style.encode()).digest()).decode()

    assert (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ) == CONTENT_SECURITY_POLICY.decode()


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("no_attempt", "started in another browser"),
        ("expired", "took too long"),
        ("already_used", "used already"),
        ("provider_access_denied", "did not let you in"),
        ("logged_out_meanwhile", "signed out at the identity provider"),
        ("nonce_mismatch", "It could not be completed."),
        (None, "It could not be completed."),
    ],
)
def test_people_are_told_what_they_can_do(reason, advice):
    """Where there is something that they can do; the reason stands below for those who ask."""
    page = build_error_page(ErrorPage("t", PAGE.detail, "login_failed", reason, "rid", "/bff/login")).decode()

    assert advice in page
    assert (f"<code>{reason}</code>" in page) is (reason is not None)


def test_nothing_on_the_page_is_markup_but_ours():
    """RFC 6749 §4.1.2.1: what came from outside is text."""
    evil = "\"'><script>alert(1)</script>"
    page = build_error_page(ErrorPage(evil, evil, evil, evil, evil, "/bff/login", "/x?a=1&b='\"<>")).decode()

    assert "<script" not in page
    assert re.search(r'href="/bff/login\?return_to=/x%3Fa%3D1%26b%3D%27%22%3C%3E"', page)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "empty"},
        {"purpose": "something"},
    ],
)
def test_navigation_may_go_there(headers):
    """Browsers without Fetch Metadata as well."""
    assert None is check_navigation(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-mode": "cors"},
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "object"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
    ],
)
def test_anything_else_may_not(headers):
    """OWASP ASVS 3.5.8: no image, frame, fetch or prefetch starts a login or ends a session."""
    with pytest.raises(CrossSiteRequest):
        check_navigation(headers)
