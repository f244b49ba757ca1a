"""An issuer that lies to the whole product. Whatever it says, nobody is signed in by it, and nothing breaks."""

import pytest

from tests.echo import Echo
from tests.forging import REMOVED, rsa_key
from tests.neg_op import Reply
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.security]

# OIDC Core §2 and §3.1.3.7, one lie each.
LIES = {
    "wrong issuer": {"iss": "https://evil.example"},
    "issuer with a slash": {"iss": "SLASH"},
    "wrong audience": {"aud": "other"},
    "one audience too many": {"aud": ["spa", "other"]},
    "wrong azp": {"azp": "other"},
    "wrong nonce": {"nonce": "x"},
    "no nonce": {"nonce": REMOVED},
    "no subject": {"sub": REMOVED},
    "subject as number": {"sub": 5},
    "subject too long": {"sub": "x" * 300},
    "no expiry": {"exp": REMOVED},
    "expired": {"exp": 1},
    "expiry out of range": {"exp": 1e300},
    "expiry as text": {"exp": "tomorrow"},
    "no issue time": {"iat": REMOVED},
    "issued in the future": {"iat": 99999999999},
    "wrong at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}
ANSWERS = {
    "error": Reply(400, b'{"error": "invalid_grant"}'),
    "no id token": None,
    "html": Reply(200, b"<html>", headers={"content-type": "text/html"}),
    "list": Reply(200, b"[]"),
    "null": Reply(200, b"null"),
    "deep": Reply(200, b"[" * 50_000),
    "huge": Reply(200, b'{"access_token": "' + b"x" * 3_000_000 + b'"}'),
    "bomb": Reply(200, b"\x1f\x8b" + b"x" * 1000, headers={"content-encoding": "gzip"}),
    "redirect": Reply(307, headers={"location": "http://127.0.0.1:9/token"}),
    "not utf-8": Reply(200, b'{"access_token": "\xff"}'),
    "twice": Reply(200, b'{"access_token": "a", "access_token": "b", "token_type": "Bearer", "id_token": "x"}'),
    "500": Reply(500),
    "cut": ConnectionError("cut"),
}


async def attempt(bff: Bff, neg: NegIssuer, browser: Browser) -> int:
    """A login at the lying issuer; the status of its end."""
    answer = await browser.navigate(neg.op.login(await browser.begin_login()), cross_site=True)
    assert answer.headers.get("content-type", "").startswith("text/html") or answer.status_code == 303
    return answer.status_code


async def assert_nothing_came_of_it(neg: NegIssuer, browser: Browser, echo: Echo) -> None:
    assert browser.session_cookie is None
    assert await browser.user() is None
    assert 0 == neg.op.count("userinfo")
    assert [] == echo.requests


@pytest.mark.parametrize("lie", LIES)
async def test_id_token_that_lies_signs_nobody_in(neg_bff: Bff, neg: NegIssuer, echo: Echo, lie: str):
    """A page, no cookie, no call with the tokens that came along (OIDC Core §3.1.3.7, RFC 9700 §4.5.3.2)."""
    neg.op.id_token = {name: neg.url + "/" if value == "SLASH" else value for name, value in LIES[lie].items()}
    async with Browser(neg_bff) as browser:
        status = await attempt(neg_bff, neg, browser)

        assert status in {400, 502}
        await assert_nothing_came_of_it(neg, browser, echo)
        neg.op.id_token = {}
        assert 303 == await attempt(neg_bff, neg, browser)


async def test_id_token_with_a_foreign_signature_signs_nobody_in(neg_bff: Bff, neg: NegIssuer, echo: Echo):
    """Also on the back channel (OIDC Core §3.1.3.7, ASVS 9.1.1)."""
    neg.op.signing_key = rsa_key(1)
    async with Browser(neg_bff) as browser:
        assert await attempt(neg_bff, neg, browser) in {400, 502, 503}
        await assert_nothing_came_of_it(neg, browser, echo)


@pytest.mark.parametrize("name", ANSWERS)
async def test_token_endpoint_that_talks_nonsense_signs_nobody_in(
    neg_bff: Bff, neg: NegIssuer, echo: Echo, name: str
):
    """A page and no session, quickly, whatever comes (OIDC Core §3.1.3.3)."""
    async with Browser(neg_bff) as browser:
        if ANSWERS[name] is None:
            neg.op.token_response = {"id_token": REMOVED}
        else:
            neg.op.script("token", ANSWERS[name])
        status = await attempt(neg_bff, neg, browser)

        assert status in {400, 502, 503}
        await assert_nothing_came_of_it(neg, browser, echo)


@pytest.mark.parametrize(
    "change",
    [
        {"token_type": "mac"},
        {"token_type": REMOVED},
        {"access_token": REMOVED},
        {"access_token": ""},
        {"access_token": "a\r\nX-Injected: 1"},
        {"access_token": "caf\xe9"},
        {"access_token": 5},
    ],
    ids=str,
)
async def test_token_that_cannot_be_sent_signs_nobody_in(
    neg_bff: Bff, neg: NegIssuer, echo: Echo, change: dict[str, object]
):
    """An unknown type or a value that is no token is never used (RFC 6749 §7.1, RFC 6750 §2.1)."""
    neg.op.token_response = {**change, "id_token": REMOVED} if "access_token" in change else dict(change)
    async with Browser(neg_bff) as browser:
        assert await attempt(neg_bff, neg, browser) in {400, 502, 503}
        await assert_nothing_came_of_it(neg, browser, echo)


@pytest.mark.parametrize("expires_in", [REMOVED, 0, -1, "300", 10**12, 1.5, None])
async def test_odd_lifetime_makes_no_storm_and_no_crash(
    neg_bff: Bff, neg: NegIssuer, echo: Echo, expires_in: object
):
    """`expires_in` is optional and sometimes nonsense (RFC 6749 §5.1)."""
    neg.op.token_response = {"expires_in": expires_in}
    async with Browser(neg_bff) as browser:
        status = await attempt(neg_bff, neg, browser)
        if status == 303:
            for _ in range(10):
                assert (await browser.get("/echo/x")).status_code in {200, 401, 502, 503}

        assert neg.op.count("token", grant_type="refresh_token") <= 10


@pytest.mark.parametrize(
    "change",
    [{"sub": "mallory"}, {"iss": "https://evil.example"}, {"aud": "other"}, {"nonce": "another"}, {"auth_time": 1}],
    ids=str,
)
async def test_renewed_id_token_about_somebody_else_ends_the_session(
    world: World, neg_bff: Bff, neg: NegIssuer, echo: Echo, change: dict[str, object]
):
    """Nothing of it is used, least of all the new access token (OIDC Core §12.2)."""
    neg.op.access_token_lifetime = 1
    async with Browser(neg_bff) as browser:
        assert 303 == await attempt(neg_bff, neg, browser)
        neg.op.access_token_lifetime = 300
        neg.op.id_token = change

        async def ended() -> bool:
            return 200 != (await browser.get("/echo/x")).status_code

        await eventually(ended, "the renewal")
        refused = await browser.get("/echo/x")
        assert (401, "session_expired") == (refused.status_code, refused.json()["code"])
        assert await browser.user() is None


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"issuer": REMOVED},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": "http://evil.example/jwks"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/authorize"},
    ],
    ids=str,
)
async def test_metadata_that_lie_start_no_login(world: World, neg: NegIssuer, echo: Echo, lie: dict[str, object]):
    """A document of another issuer, or with addresses that are none, is not used (OIDC Discovery §4.3)."""
    neg.op.metadata = lie
    with world.build(neg) as bff:
        await eventually(lambda: neg.op.count("discovery"), "the discovery")
        async with Browser(bff) as browser:
            page = await browser.navigate("/bff/login")

            assert 503 == page.status_code
            assert "location" not in page.headers
            assert "evil" not in page.text
            assert {} == browser.cookies
            assert "<title>" in page.text


async def test_issuer_without_pkce_enforcement_cannot_be_used_to_inject_a_code(
    neg_bff: Bff, neg: NegIssuer, echo: Echo
):
    """Where the issuer ignores the verifier, the nonce still tells whose code it is (RFC 9700 §4.5.3)."""
    neg.op.check_pkce = False
    async with Browser(neg_bff) as attacker, Browser(neg_bff) as victim:
        stolen = neg.op.login(await victim.begin_login()).partition("code=")[2].partition("&")[0]
        own = neg.op.login(await attacker.begin_login())
        mine = own.partition("code=")[2].partition("&")[0]
        refused = await attacker.navigate(own.replace(mine, stolen), cross_site=True)

        assert 400 == refused.status_code
        assert "nonce_mismatch" in refused.text
        await assert_nothing_came_of_it(neg, attacker, echo)
