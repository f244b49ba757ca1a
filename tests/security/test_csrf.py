"""Requests that another site makes a browser send."""

import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.servers import Issuer

pytestmark = [pytest.mark.integration, pytest.mark.security]

SCRIPT = {"X-CSRF": "1", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}

# Browser-based apps §6.1.3.3, OWASP ASVS 3.5: everything without the header, and everything with a foreign origin.
WITHOUT_THE_HEADER = (
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "{own}"},
    {"Referer": "{own}/page"},
    {"X-CSRF": ""},
    {"X-CSRF": "0"},
    {"X-CSRF": "true"},
    {"X-CSRF": "1, 1"},
    {"X-XSRF": "1"},
    {"X_CSRF": "1"},
    {"X-Requested-With": "XMLHttpRequest"},
    {"Cookie": "X-CSRF=1"},
)
FROM_ELSEWHERE = (
    {"X-CSRF": "1", "Sec-Fetch-Site": "cross-site"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "same-site"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "none"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "Same-Origin"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "whatever"},
    {"X-CSRF": "1", "Origin": "https://evil.example"},
    {"X-CSRF": "1", "Origin": "null"},
    {"X-CSRF": "1", "Origin": ""},
    {"X-CSRF": "1", "Origin": "{own}.evil.example"},
    {"X-CSRF": "1", "Origin": "{own}/"},
    {"X-CSRF": "1", "Origin": "http://sub.localhost"},
    {"X-CSRF": "1", "Origin": "http://localhost"},
    {"X-CSRF": "1", "Origin": "https{own}"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    {"X-CSRF": "1", "Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
)


def filled(headers: dict[str, str], bff: Bff) -> dict[str, str]:
    own = bff.url
    return {
        n: v.replace("https{own}", own.replace("http", "https")).replace("{own}", own) for n, v in headers.items()
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("headers", WITHOUT_THE_HEADER, ids=str)
async def test_call_without_the_header_reaches_no_api(
    bff: Bff, echo: Echo, issuer: Issuer, headers: dict[str, str], method: str
):
    """Every method needs what only same-origin script can send (browser-based apps §6.1.3.3.2)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        refused = await browser.request(method, "/echo/x", csrf=False, headers=filled(headers, bff))

        assert 403 == refused.status_code
        assert method == "HEAD" or "csrf_header_required" == refused.json()["code"]
        assert [] == echo.requests


@pytest.mark.parametrize("headers", FROM_ELSEWHERE, ids=str)
async def test_call_from_elsewhere_reaches_no_api_even_with_the_header(
    bff: Bff, echo: Echo, headers: dict[str, str]
):
    """What the browser says of the origin counts more than any header (OWASP ASVS 3.5.3, Fetch Metadata)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        refused = await browser.request("POST", "/echo/x", csrf=False, headers=filled(headers, bff))

        assert (403, "cross_site_request") == (refused.status_code, refused.json()["code"])
        assert [] == echo.requests


@pytest.mark.parametrize("headers", [*WITHOUT_THE_HEADER, *FROM_ELSEWHERE], ids=str)
async def test_session_endpoints_ask_for_the_same(bff: Bff, headers: dict[str, str]):
    """Neither can another site read who is signed in, nor log them out (browser-based apps §6.1.3.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        sent = filled(headers, bff)
        refused = [
            await browser.request("GET", "/bff/user", csrf=False, headers=sent),
            await browser.request("POST", "/bff/logout", csrf=False, headers=sent),
        ]

        assert [403, 403] == [answer.status_code for answer in refused]
        assert await browser.user() is not None


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", None]
)
async def test_forms_and_beacons_of_other_sites_change_nothing(bff: Bff, echo: Echo, content_type: str | None):
    """The requests that need no preflight (OWASP ASVS 3.5.2)."""
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    async with Browser(bff) as browser:
        await browser.log_in()
        for path in ("/echo/x", "/bff/logout", "/download/x"):
            sent = headers | ({"Content-Type": content_type} if content_type else {})
            refused = await browser.post(path, csrf=False, headers=sent, content=b"a=b")
            assert 403 == refused.status_code

        assert [] == echo.requests
        assert await browser.user() is not None


async def test_method_override_does_not_help(bff: Bff, echo: Echo):
    """A GET stays one for the policy and for the API."""
    async with Browser(bff) as browser:
        await browser.log_in("bob")
        await browser.get("/guarded/x?_method=DELETE", headers={"X-HTTP-Method-Override": "DELETE"})

    assert [b"GET"] == [received.method for received in echo.requests]
    assert b"override" not in echo.requests[0].head.lower()


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("GET", {"Sec-Fetch-Site": "none"}, 200),
        ("GET", {"Origin": "{own}"}, 200),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "{own}"}, 200),
        ("POST", {"Sec-Fetch-Site": "none"}, 403),
        ("GET", {}, 403),
        ("GET", {"Referer": "{own}/"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-site"}, 403),
        ("GET", {"Origin": "https://evil.example"}, 403),
        ("GET", {"Origin": "null"}, 403),
    ],
    ids=str,
)
async def test_downloads_are_guarded_by_the_origin_instead(
    bff: Bff, echo: Echo, method: str, headers: dict[str, str], status: int
):
    """Where a route cannot ask for the header, Fetch Metadata or the exact Origin must vouch (ASVS 3.5.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        done = await browser.request(method, "/download/x", csrf=False, headers=filled(headers, bff))

    assert status == done.status_code
    assert (1 if status == 200 else 0) == len(echo.requests)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "{own}.evil.example", "{own}"])
async def test_no_answer_lets_another_origin_read_it(bff: Bff, origin: str):
    """Access-Control headers are never given, whatever is asked (OWASP ASVS 3.4.2)."""
    headers = {"Origin": origin.replace("{own}", bff.url)}
    async with Browser(bff) as browser:
        await browser.log_in()
        for path in ("/api/whoami", "/bff/user", "/bff/login", "/", "/nothing"):
            done = await browser.get(path, headers=headers)
            assert not [name for name in done.headers if name.startswith("access-control")]
