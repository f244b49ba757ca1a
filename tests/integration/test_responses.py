"""What all answers of our own have in common."""

import httpx
import pytest

from tests.product import Bff, Browser
from tests.world import World

pytestmark = [pytest.mark.integration, pytest.mark.security]


async def every_answer(browser: Browser) -> list[tuple[str, httpx.Response]]:
    """An answer of every endpoint, and of everything that refuses."""
    found = [
        ("GET login", await browser.navigate("/bff/login")),
        ("GET login refused", await browser.navigate("/bff/login?return_to=//evil")),
        ("GET login by script", await browser.get("/bff/login", headers={"Sec-Fetch-Mode": "cors"})),
        ("GET callback page", await browser.navigate("/bff/callback?state=x&code=y")),
        ("GET callback json", await browser.get("/bff/callback?state=x&code=y")),
        ("GET user 401", await browser.get("/bff/user")),
        ("GET user 403", await browser.request("GET", "/bff/user", csrf=False)),
        ("POST user", await browser.post("/bff/user")),
        ("GET logout", await browser.navigate("/bff/logout")),
        ("POST logout", await browser.post("/bff/logout")),
        ("POST logout 403", await browser.request("POST", "/bff/logout", csrf=False)),
        ("GET backchannel", await browser.get("/bff/backchannel-logout")),
        ("POST backchannel", await browser.post("/bff/backchannel-logout", data={"logout_token": "x"})),
        ("GET nothing", await browser.get("/bff/nothing")),
        ("GET api 401", await browser.get("/echo/x")),
        ("GET api 403", await browser.request("GET", "/echo/x", csrf=False)),
        ("GET api 400", await browser.get("/echo/%2e%2e/x")),
        ("TRACE api", await browser.request("TRACE", "/echo/x")),
        ("GET 404", await browser.get("/missing.txt")),
        ("POST app", await browser.post("/")),
    ]
    await browser.log_in()
    return [
        *found,
        ("GET user", await browser.get("/bff/user")),
        ("GET logout 400", await browser.navigate("/bff/logout?sid=x")),
        ("GET api 502", await browser.get("/down/x")),
        ("POST api 413", await browser.post("/small/x", content=b"x" * 2000)),
        ("POST guarded", await browser.post("/guarded/x")),
    ]


async def test_every_answer_of_ours_is_guarded_and_never_stored(bff: Bff):
    """Errors included: no sniffing, framing, caching or referrer, and HSTS (OWASP ASVS 3.4, RFC 9111 §5.2.2.5)."""
    async with Browser(bff) as browser:
        for name, answer in await every_answer(browser):
            headers = answer.headers
            assert "no-store" == headers["cache-control"], name
            assert "nosniff" == headers["x-content-type-options"], name
            assert "no-referrer" == headers["referrer-policy"], name
            assert int(headers["strict-transport-security"].removeprefix("max-age=").split(";")[0]) >= 31536000, (
                name
            )
            assert "same-origin" == headers["cross-origin-opener-policy"], name
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy, name
            assert "frame-ancestors 'none'" in policy, name
            assert answer.status_code < 500 or name == "GET api 502", name


async def test_every_error_is_a_problem_document_or_a_page(bff: Bff):
    """With type, title, status, detail and a stable code, or a page that names the code (RFC 9457 §3)."""
    async with Browser(bff) as browser:
        errors = [(name, found) for name, found in await every_answer(browser) if found.status_code >= 400]

    assert len(errors) > 15
    for name, error in errors:
        kind = error.headers["content-type"]
        if kind.startswith("text/html"):
            assert "utf-8" in kind, name
            assert "<code>" in error.text, name
            continue
        assert "application/problem+json" == kind, name
        problem = error.json()
        assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem), name
        assert (error.status_code, f"urn:bff:problem:{problem['code']}") == (problem["status"], problem["type"]), (
            name
        )
        assert problem["request_id"] == error.headers["x-request-id"], name


async def test_documented_codes_are_what_comes(bff: Bff):
    """The codes are the contract with the page's script."""
    async with Browser(bff) as browser:
        answers = dict(await every_answer(browser))

    assert {
        "GET user 401": "session_required",
        "GET user 403": "csrf_header_required",
        "POST user": "method_not_allowed",
        "GET nothing": "route_not_found",
        "GET api 401": "session_required",
        "GET api 403": "csrf_header_required",
        "GET api 400": "bad_request_target",
        "TRACE api": "method_not_allowed",
        "GET 404": "route_not_found",
        "GET api 502": "upstream_unreachable",
        "POST api 413": "body_too_large",
        "POST guarded": "access_denied",
        "POST backchannel": "logout_token_rejected",
    } == {
        name: answers[name].json()["code"]
        for name in (
            "GET user 401",
            "GET user 403",
            "POST user",
            "GET nothing",
            "GET api 401",
            "GET api 403",
            "GET api 400",
            "TRACE api",
            "GET 404",
            "GET api 502",
            "POST api 413",
            "POST guarded",
            "POST backchannel",
        )
    }


async def test_refused_methods_name_the_allowed_ones(bff: Bff):
    """RFC 9110 §15.5.6."""
    async with Browser(bff) as browser:
        answers = {
            path: await browser.request("PUT", path)
            for path in ("/bff/user", "/bff/login", "/bff/logout", "/bff/backchannel-logout", "/")
        }

    for path, answer in answers.items():
        assert 405 == answer.status_code, path
        assert {"GET", "POST"} & {method.strip() for method in answer.headers["allow"].split(",")}, path


async def test_app_is_served_with_its_policy_and_its_own_paths(bff: Bff):
    """Files by name, every other path of the app as its page, missing files as 404."""
    async with Browser(bff) as browser:
        page, deep, script, missing = [
            await browser.navigate(path) for path in ("/", "/orders/7", "/app.js", "/missing.js")
        ]

    assert [200, 200, 200, 404] == [answer.status_code for answer in (page, deep, script, missing)]
    assert page.content == deep.content
    assert "javascript" in script.headers["content-type"]
    for answer in (page, script):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "object-src 'none'" in answer.headers["content-security-policy"] or (
            "default-src 'none'" in answer.headers["content-security-policy"]
        )
        assert "nosniff" == answer.headers["x-content-type-options"]


async def test_unchanged_file_is_a_304(bff: Bff):
    """RFC 9110 §15.4.5."""
    async with Browser(bff) as browser:
        first = await browser.navigate("/app.js")
        second = await browser.request(
            "GET", "/app.js", csrf=False, headers={"If-None-Match": first.headers["etag"]}
        )

    assert (304, b"") == (second.status_code, second.content)


async def test_answer_of_the_user_endpoint_differs_by_cookie(bff: Bff):
    """A cache that ignores no-store must at least not mix people up (RFC 9111 §4.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        answer = await browser.get("/bff/user")

    assert "cookie" in answer.headers["vary"].lower()


async def test_server_says_whom_it_serves_and_what_is_wrong_with_its_port(world: World, bff: Bff):
    """A second server on the same port ends at once, with what to do."""
    assert bff.url in bff.output()
    second = world.build(world.issuer, api=world.api, port=bff.port, wait=False)
    try:
        assert 0 != second.process.wait_for_exit(10)
        assert "cannot listen" in second.output()
        assert str(bff.port) in second.output()
    finally:
        second.close()
