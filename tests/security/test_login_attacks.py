"""What an attacker can do with a login: their link in your browser, your code in theirs, the same answer twice."""

import asyncio
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest

from tests.product import Bff, Browser
from tests.servers import Issuer

pytestmark = [pytest.mark.integration, pytest.mark.security]

# RFC 9700 §2.1 and §4.11.1, OWASP ASVS 3.7.2: what some browser or framework once took for another origin.
OPEN_REDIRECTS = (
    "https://evil.example",
    "http://evil.example/",
    "HTTPS://EVIL.EXAMPLE/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%255cevil.example",
    "/%2fevil.example",
    "/%2Fevil.example",
    "/%252fevil.example",
    "%2f%2fevil.example",
    "%68ttps://evil.example",
    "/\tevil.example",
    "/\t/evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/\r\nSet-Cookie: a=b",
    "\r\n//evil.example",
    "/ok\x00//evil.example",
    "/%00//evil.example",
    " //evil.example",
    " https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "evil.example",
    "evil.example/path",
    "@evil.example",
    "user@evil.example",
    "https://localhost@evil.example/",
    "https://evil.example#@localhost",
    "https://evil.example\\@localhost",
    "?next=//evil.example",
    "#//evil.example",
    "./evil",
    "../evil",
    "/.//evil.example",
    "/..//evil.example",
    "/%2e%2e//evil.example",
    "/a/..//evil.example",
    "/a/%2e%2e/%2e%2e//evil.example",
    "/;@evil.example/..",
    "/\u3000evil.example",
    "/\u2028/evil.example",
    "\uff0f\uff0fevil.example",
    "/\uff0fevil.example",
    "/\u0085/evil.example",
    "/\xa0/evil.example",
    "/\u202egpj.example",
    "/<script>alert(1)</script>",
    '/"onmouseover="alert(1)',
    "/" + "a" * 5000,
    "/bff/logout",
    "/bff/login",
    "/bff/callback?code=x",
    "/%62ff/login",
)


async def no_session(browser: Browser) -> None:
    """Nothing of a session has come into this browser."""
    assert browser.session_cookie is None
    assert await browser.user() is None


@pytest.mark.parametrize("target", OPEN_REDIRECTS)
async def test_return_to_leads_nowhere_else(bff: Bff, target: str):
    """A login link cannot send the person to another origin afterwards (RFC 9700 §4.11.1, OWASP ASVS 3.7.2)."""
    async with Browser(bff) as browser:
        refused = await browser.navigate("/bff/login?" + urlencode({"return_to": target}))

        assert 400 == refused.status_code
        assert "location" not in refused.headers
        assert "bad_return_to" in refused.text
        assert {} == browser.cookies


async def test_return_to_of_a_logout_leads_nowhere_else(bff: Bff):
    """The same validator guards logout (RFC 9700 §4.11.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        user = await browser.user()
        for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
            refused = await browser.navigate(f"{user['logout_url']}&" + urlencode({"return_to": target}))
            assert (400, None) == (refused.status_code, refused.headers.get("location"))

        assert await browser.user() is not None


async def test_repeated_return_to_is_refused(bff: Bff):
    """Two of them, of which a checker might read one and a redirector the other (RFC 6749 §3.1)."""
    async with Browser(bff) as browser:
        refused = await browser.navigate("/bff/login?return_to=/ok&return_to=//evil.example")

        assert 400 == refused.status_code


async def test_callback_replayed_after_signing_out_gives_nothing(bff: Bff, issuer: Issuer):
    """The complete URL from the history, opened again, makes no second token request (RFC 9700 §4.2.4)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        before = browser.twin()
        await browser.navigate(callback, cross_site=True)
        await browser.post("/bff/logout")
        with_nothing = await browser.navigate(callback)
        with_the_attempt = await before.navigate(callback)

        assert [400, 400] == [with_nothing.status_code, with_the_attempt.status_code]
        assert "already_used" in with_the_attempt.text
        assert 1 == await issuer.count("token_requests")
        await no_session(browser)
        await no_session(before)


async def test_twenty_callbacks_at_once_make_one_token_request(bff: Bff, issuer: Issuer):
    """The same answer on twenty connections at the same time is redeemed once, and that session lives.

    RFC 9700 §4.2.4, RFC 6749 §10.5.
    """
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        twins = [browser.twin() for _ in range(20)]
        answers = await asyncio.gather(*(twin.navigate(callback, cross_site=True) for twin in twins))

        assert [303] + [400] * 19 == sorted(answer.status_code for answer in answers)
        assert 1 == await issuer.count("token_requests")
        winner = next(twin for twin in twins if twin.session_cookie)
        assert 200 == (await winner.get("/api/whoami")).status_code


async def test_callback_url_of_an_attacker_logs_nobody_in(bff: Bff, issuer: Issuer):
    """Login CSRF: a victim who opens the attacker's own callback URL stays signed out (RFC 6749 §10.12)."""
    async with Browser(bff) as attacker, Browser(bff) as victim:
        callback = await attacker.sign_in(await attacker.begin_login(), "bob")
        opened = await victim.navigate(callback, cross_site=True)

        assert 400 == opened.status_code
        assert "no_attempt" in opened.text
        assert 0 == await issuer.count("token_requests")
        await no_session(victim)


async def test_callback_url_of_an_attacker_leaves_the_victims_session_alone(bff: Bff, issuer: Issuer):
    """Session swapping: who is signed in as alice is still alice afterwards (RFC 9700 §4.7)."""
    async with Browser(bff) as attacker, Browser(bff) as victim:
        await victim.log_in("alice")
        callback = await attacker.sign_in(await attacker.begin_login(), "bob")
        await victim.navigate(callback, cross_site=True)

        assert "alice" == (await victim.user())["sub"]
        assert 1 == await issuer.count("token_requests")


async def test_stolen_code_is_useless_in_another_browser(bff: Bff, issuer: Issuer):
    """Code injection: the victim's code in the attacker's own answer meets the wrong verifier (RFC 9700 §4.5)."""
    async with Browser(bff) as attacker, Browser(bff) as victim:
        stolen = parse_qs(urlsplit(await victim.sign_in(await victim.begin_login(), "alice")).query)["code"][0]
        own = await attacker.sign_in(await attacker.begin_login(), "bob")
        injected = await attacker.navigate(with_parameters(own, code=stolen), cross_site=True)

        assert injected.status_code in {400, 502}
        assert 1 == await issuer.count("authorization_code_errors")
        assert 0 == await issuer.count("authorization_code")
        await no_session(attacker)


async def test_planted_session_cookie_is_never_taken_over(bff: Bff):
    """Session fixation: what lay in the browser before login is not what is valid afterwards (RFC 6265bis §8.4)."""
    async with Browser(bff) as attacker, Browser(bff) as victim:
        await attacker.log_in("bob")
        planted = attacker.session_cookie
        victim.cookies["__Host-bff"] = planted
        await victim.log_in("alice")

        assert planted != victim.session_cookie
        assert "alice" == (await victim.user())["sub"]
        attacker.cookies["__Host-bff"] = planted
        user = await attacker.user()
        assert user is None or "alice" != user["sub"]


async def test_planted_attempt_does_not_log_the_victim_in_as_the_attacker(bff: Bff, issuer: Issuer):
    """A state of one attempt with the cookie of another is no attempt at all (RFC 9700 §4.7.1)."""
    async with Browser(bff) as attacker, Browser(bff) as victim:
        attackers = await attacker.sign_in(await attacker.begin_login(), "bob")
        await victim.begin_login()
        name, value = next(iter(victim.cookies.items()))
        victim.cookies = {next(iter(attacker.cookies)): value, name: value}
        opened = await victim.navigate(attackers, cross_site=True)

        assert 400 == opened.status_code
        assert 0 == await issuer.count("token_requests")
        await no_session(victim)


@pytest.mark.parametrize("position", [0, 10, 42])
async def test_changed_state_is_refused(bff: Bff, issuer: Issuer, position: int):
    """One character of state is enough (RFC 9700 §4.7.1)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        state = parse_qs(urlsplit(callback).query)["state"][0]
        changed = state[:position] + ("A" if state[position] != "A" else "B") + state[position + 1 :]
        refused = await browser.navigate(with_parameters(callback, state=changed), cross_site=True)

        assert 400 == refused.status_code
        assert 0 == await issuer.count("token_requests")
        await no_session(browser)


async def test_missing_state_is_refused(bff: Bff, issuer: Issuer):
    """An answer without state is nobody's (RFC 6749 §10.12)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        refused = await browser.navigate(with_parameters(callback, state=None), cross_site=True)

        assert 400 == refused.status_code
        assert 0 == await issuer.count("token_requests")


@pytest.mark.parametrize(
    "state",
    ["x" * 10_000, "%0d%0aX:1", "{}", "../../etc/passwd", "gASVCgAAAAAAAACMBm9zLg", "%ff%fe", "\u202e", "%00"],
)
async def test_stuffed_state_is_refused_without_a_crash(bff: Bff, issuer: Issuer, state: str):
    """State is compared, never interpreted (RFC 9700 §4.7.1)."""
    async with Browser(bff) as browser:
        await browser.begin_login()
        refused = await browser.navigate(f"/bff/callback?code=x&state={state}", cross_site=True)

        assert 400 == refused.status_code
        assert 0 == await issuer.count("token_requests")
        await no_session(browser)


@pytest.mark.parametrize("name", ["code", "state", "iss"])
async def test_repeated_response_parameter_is_refused(bff: Bff, issuer: Issuer, name: str):
    """A parameter that comes twice makes the answer invalid (RFC 6749 §3.1)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        value = parse_qs(urlsplit(callback).query)[name][0]
        refused = await browser.navigate(f"{callback}&{urlencode({name: value})}", cross_site=True)

        assert 400 == refused.status_code
        assert "repeated_parameter" in refused.text
        assert 0 == await issuer.count("token_requests")
        await no_session(browser)


async def test_code_in_brackets_is_no_code(bff: Bff, issuer: Issuer):
    """`code[]=` is another parameter's name (RFC 6749 §4.1.2)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        code = parse_qs(urlsplit(callback).query)["code"][0]
        changed = with_parameters(callback, code=None) + "&" + urlencode({"code[]": code})
        refused = await browser.navigate(changed, cross_site=True)

        assert 400 == refused.status_code
        assert 0 == await issuer.count("token_requests")


async def test_unknown_response_parameters_do_not_matter(bff: Bff):
    """They are ignored (RFC 6749 §4.1.2)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        landed = await browser.navigate(f"{callback}&foo=bar&session_state=x.y", cross_site=True)

        assert 303 == landed.status_code
        assert await browser.user() is not None


@pytest.mark.parametrize("change", ["https://evil.example", "", "slash", "upper"])
async def test_answer_of_another_issuer_is_never_redeemed(bff: Bff, issuer: Issuer, change: str):
    """Mix-up: `iss` is compared as a string with the issuer that was asked (RFC 9207 §2.4, RFC 9700 §4.4.2)."""
    wrong = {"slash": issuer.url + "/", "upper": issuer.url.upper()}.get(change, change)
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        refused = await browser.navigate(with_parameters(callback, iss=wrong), cross_site=True)

        assert 400 == refused.status_code
        assert 0 == await issuer.count("token_requests")
        await no_session(browser)


async def test_answer_without_iss_is_refused_when_the_issuer_always_sends_it(bff: Bff, issuer: Issuer):
    """Its metadata promise the parameter, so an answer without it is not its own (RFC 9207 §2.4)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        refused = await browser.navigate(with_parameters(callback, iss=None), cross_site=True)

        assert 400 == refused.status_code
        assert "issuer_missing" in refused.text
        assert 0 == await issuer.count("token_requests")


async def test_access_token_in_the_callback_is_ignored(bff: Bff, issuer: Issuer):
    """There is no implicit flow: a token in the address is not one (RFC 9700 §2.1.2)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        forged = with_parameters(callback, code=None) + "&access_token=abc&id_token=e30.e30.&token_type=bearer"
        refused = await browser.navigate(forged, cross_site=True)

        assert 400 == refused.status_code
        assert "no_code" in refused.text
        await no_session(browser)


async def test_error_of_the_issuer_is_shown_by_its_code_only(bff: Bff, issuer: Issuer):
    """What comes in error, error_description and error_uri is never reflected (RFC 6749 §4.1.2.1)."""
    async with Browser(bff) as browser:
        query = parse_qs(urlsplit(await browser.begin_login()).query)
        answer = {
            "error": "<script>alert(1)</script>",
            "error_description": "<img src=x onerror=alert(1)>",
            "error_uri": "javascript:alert(1)",
            "state": query["state"][0],
            "iss": issuer.url,
        }
        shown = await browser.navigate("/bff/callback?" + urlencode(answer), cross_site=True)

        assert 400 == shown.status_code
        assert shown.headers["content-type"].startswith("text/html")
        assert not any(word in shown.text for word in ("<script", "onerror", "javascript:", "alert"))
        policy = shown.headers["content-security-policy"]
        assert all(rule in policy for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"))
        assert "location" not in shown.headers
        assert "refresh" not in shown.headers
        await no_session(browser)


async def test_error_without_a_known_state_does_not_end_an_attempt(bff: Bff, issuer: Issuer):
    """A forged error cannot stop the login that is under way (RFC 9207 §2.4)."""
    async with Browser(bff) as browser:
        callback = await browser.sign_in(await browser.begin_login())
        await browser.navigate("/bff/callback?error=access_denied&state=guess", cross_site=True)
        landed = await browser.navigate(callback, cross_site=True)

        assert 303 == landed.status_code


async def test_callback_leaves_no_code_in_the_address(bff: Bff):
    """The browser goes on by 303, the answer is not stored, and no referrer is sent (RFC 9700 §4.2.4, §4.3.1)."""
    async with Browser(bff) as browser:
        landed = await browser.log_in()

        assert 303 == landed.status_code
        assert ("/", "no-store", "no-referrer") == (
            landed.headers["location"],
            landed.headers["cache-control"],
            landed.headers["referrer-policy"],
        )


async def test_secrets_of_a_hundred_logins_are_all_different(bff: Bff):
    """State, nonce and challenge are drawn anew for each attempt (RFC 9700 §2.1.1, RFC 7636 §7.1)."""
    async with Browser(bff) as browser:
        queries = [parse_qs(urlsplit(await browser.begin_login()).query) for _ in range(100)]

    assert 300 == len({query[name][0] for query in queries for name in ("state", "nonce", "code_challenge")})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "444"},
        {"X-Original-Host": "evil.example"},
    ],
)
async def test_redirect_uri_never_follows_the_request(bff: Bff, headers: dict[str, str]):
    """It comes from the configuration; a foreign host is refused or ignored (RFC 9700 §4.1.3)."""
    async with httpx.AsyncClient(verify=False) as http:
        sent = {"Host": bff.url.removeprefix("http://"), **headers}
        answer = await http.get(f"http://127.0.0.1:{bff.port}/bff/login", headers=sent)

    if "Host" in headers:
        assert 421 == answer.status_code
    else:
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert [f"{bff.url}/bff/callback"] == query["redirect_uri"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Purpose": "prefetch"},
    ],
)
async def test_login_starts_by_navigation_only(bff: Bff, headers: dict[str, str]):
    """Images, frames, fetches and prefetches start no login and leave no cookie (OWASP ASVS 3.5.8)."""
    async with Browser(bff) as browser:
        refused = await browser.request("GET", "/bff/login", csrf=False, headers=headers)

        assert 403 == refused.status_code
        assert {} == browser.cookies


def with_parameters(url: str, **changes: str | None) -> str:
    """The URL with these query parameters changed, or taken away (None)."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))
