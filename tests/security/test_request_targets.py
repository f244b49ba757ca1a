"""Paths that mean one thing to us and another to the API."""

import pytest

from tests.echo import Echo
from tests.product import Bff, Browser
from tests.wire import request, say

pytestmark = [pytest.mark.integration, pytest.mark.security]

# Browser-based apps §6.1.3.6, RFC 9110 §7.7, OWASP ASVS 4.2: dot segments, in every disguise that was ever used.
TRAVERSALS = (
    "/echo/../admin",
    "/echo/..",
    "/echo/./x",
    "/echo/.",
    "/echo/a/../../admin",
    "/echo/%2e%2e/admin",
    "/echo/%2E%2E/admin",
    "/echo/.%2e/admin",
    "/echo/%2e./admin",
    "/echo/%2e/admin",
    "/echo/%252e%252e/admin",
    "/echo/%25252e%25252e/admin",
    "/echo/..%2fadmin",
    "/echo/..%2Fadmin",
    "/echo/%2e%2e%2fadmin",
    "/echo/..%252fadmin",
    "/echo/..;/admin",
    "/echo/..;a=b/admin",
    "/echo/%2e%2e;/admin",
    "/echo/..%3b/admin",
    "/echo/..\\admin",
    "/echo\\..\\admin",
    "/echo/..%5cadmin",
    "/echo/..%255cadmin",
    "/echo/%5c../admin",
    "/echo/%c0%ae%c0%ae/admin",
    "/echo/%c0%afadmin",
    "/echo/%c1%9cadmin",
    "/echo/%00",
    "/echo/x%00.png",
    "/echo/%0d%0aX-Injected:1",
    "/echo/%0a",
    "/echo/%7f",
    "/echo/..%00/admin",
    "/echo/%2e%2e%20/admin",
    "/echo/.. /admin",
    "/echo/x%",
    "/echo/x%2",
    "/echo/x%zz",
    "/echo/a{b}",
    '/echo/a"b',
    "/echo/a<b>",
    "/echo/a|b",
    "/echo/a^b",
    "/echo/a`b",
    "/" + "a" * 9000,
    "/echo/" + "a" * 9000,
)


@pytest.mark.parametrize("target", TRAVERSALS, ids=lambda target: target[:40])
async def test_ambiguous_path_is_refused(bff: Bff, echo: Echo, target: str):
    """It is neither tidied nor passed on: 400, and no API hears of it (RFC 9110 §7.7, ASVS 4.2)."""
    async with Browser(bff) as browser:
        await browser.log_in()
    lines = ["X-CSRF: 1", f"Cookie: __Host-bff={browser.session_cookie}", "Connection: close"]
    heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), *lines))

    assert [] == [received.target for received in echo.requests]
    assert [400] == heard.statuses


NEIGHBOURS = ("/echox", "/echo-x/y", "/echo.json", "/ECHO/x", "/Echo/x", "//echo/x", "/%65cho/x", "/echo%2fx")


@pytest.mark.parametrize("target", NEIGHBOURS)
async def test_route_matches_whole_segments_as_they_are_spelled(bff: Bff, echo: Echo, target: str):
    """A neighbour with a like name is another path (OWASP ASVS 4.2)."""
    heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), "X-CSRF: 1"))

    assert [] == echo.requests
    assert b"echo" != heard.body


@pytest.mark.parametrize("query", ["a=\x01", "a=%\x00", "a=\x7f", "a=b c"], ids=["ctl", "nul", "del", "space"])
async def test_query_that_could_split_a_line_is_refused(bff: Bff, echo: Echo, query: str):
    """Before anybody reads it (RFC 9112 §2.2)."""
    lines = ["X-CSRF: 1", "Connection: close"]
    target = f"/anonymous/x?{query}"
    heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), *lines))

    assert [400] == heard.statuses
    assert [] == echo.requests


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://evil.example/anonymous/x",
        "https://evil.example:444/anonymous/x",
        "http://localhost@evil.example/anonymous/x",
        "http:/anonymous/x",
        "anonymous/x",
        "@evil.example/x",
        "*",
        "evil.example:80",
    ],
)
async def test_target_with_an_authority_of_its_own_leads_nowhere_else(bff: Bff, echo: Echo, target: str):
    """The API's address comes from the configuration alone (RFC 9112 §3.2.2, browser-based apps §6.1.3.6)."""
    lines = ["X-CSRF: 1", "Connection: close"]
    heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), *lines))

    assert heard.statuses in ([400], [404], [421], [200])
    # The server hands the path on and forgets the authority: what is matched is a route of ours, or the app's page.
    assert b"<title>App</title>" in heard.data or heard.statuses != [200] or b"echo" == heard.body
    for received in echo.requests:
        assert (b"/anonymous/x", [b"127.0.0.1:%d" % echo.port]) == (received.target, received.all("host"))


async def test_fragment_is_cut_off_before_anything_is_matched(bff: Bff, echo: Echo):
    """It never belongs in a request; what is matched is what is forwarded (RFC 9112 §3.2)."""
    for target in ("/anonymous/x#/../admin", "/anonymous/x?a=b#c", "/anonymous/x?#"):
        await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), "X-CSRF: 1"))

    assert not any(b"#" in received.target or b"admin" in received.target for received in echo.requests)


async def test_absolute_target_of_our_own_is_served(bff: Bff, echo: Echo):
    """As proxies may send it (RFC 9112 §3.2.2)."""
    lines = ["X-CSRF: 1", "Connection: close"]
    target = f"{bff.url}/anonymous/x?y=1"
    heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), *lines))

    assert [200] == heard.statuses
    assert [b"/anonymous/x?y=1"] == [received.target for received in echo.requests]


@pytest.mark.parametrize("path", ["/anonymous/x", "/bff/user", "/bff/login", "/", "/app.js"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost",
        "localhost:1",
        "LOCALHOST.evil.example:80",
        "127.0.0.1",
        "[::1]",
        "user@localhost",
        "localhost:80:80",
        "",
    ],
)
async def test_foreign_host_is_answered_with_421(bff: Bff, echo: Echo, host: str, path: str):
    """No other name is bound to our answers (RFC 9110 §7.4, DNS rebinding)."""
    heard = await say(bff.port, request("GET", path, host, "X-CSRF: 1", "Connection: close"))

    assert heard.statuses in ([421], [400]), heard.data[:300]
    assert [] == echo.requests
    assert b"set-cookie" not in heard.data.lower()


async def test_files_outside_the_app_cannot_be_had(bff: Bff):
    """The app's directory is all that is served."""
    for target in ("/../bff.toml", "/%2e%2e/bff.toml", "/..%2fbff.toml", "/assets/../../bff.keys", "//etc/passwd"):
        lines = ["Connection: close"]
        heard = await say(bff.port, request("GET", target, bff.url.removeprefix("http://"), *lines))
        assert heard.statuses in ([400], [404], [200]), heard.data[:300]
        assert heard.statuses != [200] or b"<title>App</title>" in heard.data
