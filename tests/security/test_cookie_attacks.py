"""Cookies: what is set, and what an attacker may put in their place."""

import base64
import re

import httpx
import pytest

from tests.product import Bff, Browser
from tests.wire import request, say
from tests.world import World

pytestmark = [pytest.mark.integration, pytest.mark.security]

NAME = "__Host-bff"


def set_cookies(answer: httpx.Response) -> list[tuple[str, str, list[str]]]:
    """Name, value and attributes (in lower case) of every Set-Cookie."""
    found = []
    for line in answer.headers.get_list("set-cookie"):
        pair, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        found.append((name, value, [attribute.lower() for attribute in attributes]))
    return found


async def whole_life(browser: Browser) -> None:
    """Calls everything that there is, well and badly, and ends signed out."""
    await browser.user()
    await browser.log_in("alice")
    await browser.navigate("/")
    await browser.get("/api/whoami")
    await browser.get("/api/nothing")
    await browser.get("/guarded/x")
    await browser.get("/down")
    await browser.get("/nothing")
    await browser.request("GET", "/api/whoami", csrf=False)
    await browser.navigate("/bff/callback?code=x&state=y")
    await browser.navigate("/bff/login?return_to=//evil")
    await browser.navigate("/bff/logout?sid=wrong")
    user = await browser.user()
    await browser.navigate(user["logout_url"])
    browser.cookies[NAME] = "rubbish"
    await browser.get("/api/whoami")
    browser.cookies[NAME] = "rubbish"
    await browser.user()
    await browser.log_in("alice")
    await browser.post("/bff/logout")
    await browser.post("/bff/backchannel-logout", data={"logout_token": "x"})


async def test_every_cookie_of_every_endpoint_has_the_attributes_of_its_prefix(bff: Bff):
    """Secure, HttpOnly, Path=/, no Domain, the right SameSite, also where a cookie is deleted.

    Browser-based apps §6.1.3.2, RFC 6265bis §4.1.3.2, OWASP ASVS 3.3.
    """
    async with Browser(bff) as browser:
        await whole_life(browser)
        cookies = [cookie for answer in browser.answers for cookie in set_cookies(answer)]

    assert {"strict", "lax"} == {a.removeprefix("samesite=") for *_, c in cookies for a in c if "samesite" in a}
    assert len(cookies) > 8
    for name, value, attributes in cookies:
        assert re.fullmatch(r"__Host-bff(-login-[\w-]{12})?", name)
        assert {"secure", "httponly", "path=/"} <= set(attributes)
        assert not any(attribute.startswith("domain") for attribute in attributes)
        assert ("samesite=strict" if name == NAME else "samesite=lax") in attributes
        assert len(attributes) == len({attribute.partition("=")[0] for attribute in attributes})
        ages = [int(a.removeprefix("max-age=")) for a in attributes if a.startswith("max-age")]
        assert (value == "") == (ages == [0])
        assert all(age <= 600 for age in ages)


async def test_each_response_sets_a_cookie_once(bff: Bff):
    """No name appears twice in one answer (RFC 6265bis §4.1.1)."""
    async with Browser(bff) as browser:
        await whole_life(browser)

        for answer in browser.answers:
            names = [name for name, *_ in set_cookies(answer)]
            assert sorted(set(names)) == sorted(names)


async def test_session_cookie_is_short_and_tells_nothing(bff: Bff):
    """Under 300 bytes, and no token, subject or address in it, however it is decoded (RFC 6265bis §8.3)."""
    async with Browser(bff) as browser:
        await browser.log_in("alice")
        cookie = browser.session_cookie

    assert len(cookie) < 300
    assert re.fullmatch(r"[\w.-]+", cookie)
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in cookie.split(".")]
    for known in (b"alice", b"demo", b"eyJ", b"token", b"http"):
        assert not any(known in text for text in (cookie.encode(), *parts))


async def test_session_cookie_ends_with_the_browser(bff: Bff):
    """It bears no lifetime of its own: the server's record has it."""
    async with Browser(bff) as browser:
        landed = await browser.log_in()

    (attributes,) = [attributes for name, _, attributes in set_cookies(landed) if name == NAME]
    assert not any(attribute.startswith(("max-age", "expires")) for attribute in attributes)


async def test_plain_api_answers_set_no_cookie(bff: Bff):
    """So that no answer can bring a session back, or be cached with one (RFC 9111 §7.1)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        answers = [await browser.get(path) for path in ("/api/whoami", "/echo/x", "/optional", "/", "/bff/user")]

    assert [[]] * 5 == [set_cookies(answer) for answer in answers]


async def assert_signed_out(bff: Bff, cookie_lines: list[str], *, cleared: bool = True) -> None:
    """These Cookie headers are as good as none, on the API and on our own endpoint; never a crash."""
    for path in ("/api/whoami", "/bff/user"):
        lines = ["X-CSRF: 1", *(f"Cookie: {line}" for line in cookie_lines), "Connection: close"]
        heard = await say(bff.port, request("GET", path, bff.url.removeprefix("http://"), *lines))
        assert [401] == heard.statuses, heard.data
        assert b'"code":"session_required"' in heard.data
        deletion = b"set-cookie: __Host-bff=; max-age=0;" in heard.data.lower().replace(b"__host", b"__Host")
        assert cleared == deletion


@pytest.mark.parametrize("where", [0, 1, 5, 20, 60, 100, -60, -44, -43, -20, -1])
async def test_changed_cookie_is_no_cookie(bff: Bff, where: int):
    """One character, in the key's name, the nonce, the text, the time or the signature (RFC 6265bis §8.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
        value = list(browser.session_cookie)
    # The last character of a base64 text holds bits that mean nothing: change it by more than those.
    value[where] = "A" if value[where] not in "ABCD" else "z"

    await assert_signed_out(bff, [f"{NAME}={''.join(value)}"])


@pytest.mark.parametrize("length", [0, 1, 10, 86, 100, 150, -1])
async def test_truncated_cookie_is_no_cookie(bff: Bff, length: int):
    """Whatever is left of it."""
    async with Browser(bff) as browser:
        await browser.log_in()

    await assert_signed_out(bff, [f"{NAME}={browser.session_cookie[:length]}"])


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "null",
        "undefined",
        "a.b.c",
        "..",
        "%00%00",
        "=" * 50,
        "A" * 4096,
        "A" * 8000,
        "eyJhbGciOiJub25lIn0.e30.",
        "gASVCgAAAAAAAACMBm9zLg",
        "AQ" * 90 + ".awUROw." + "A" * 43,
        "{}",
        '"quoted"',
        "caf\xe9",
        "a b",
        "a,b",
        "a\\b",
        "-1.0....9999",
    ],
)
async def test_foreign_cookie_is_no_cookie(bff: Bff, value: str):
    """Rubbish signs nobody in, is cleared, and never crashes anything."""
    await assert_signed_out(bff, [f"{NAME}={value}"])


async def test_cookie_of_another_server_is_no_cookie(bff: Bff, world: World):
    """Another application's keys open nothing here (RFC 6265bis §8.6)."""
    with world.build(world.issuer, api=world.api, port=world.port()) as other:
        async with Browser(other) as browser:
            await browser.log_in()

    await assert_signed_out(bff, [f"{NAME}={browser.session_cookie}"])


async def test_attempt_cookie_is_no_session_cookie(bff: Bff):
    """Each purpose has keys of its own: one cookie's value is nothing in another's place."""
    async with Browser(bff) as browser:
        await browser.begin_login()
        (attempt,) = browser.cookies.values()

        await assert_signed_out(bff, [f"{NAME}={attempt}"])


async def test_session_cookie_is_no_login_attempt(bff: Bff):
    """Nor the other way round."""
    async with Browser(bff) as browser:
        await browser.log_in()
        session = browser.session_cookie
        callback = await browser.sign_in(await browser.begin_login())
        browser.cookies = {name: session for name in browser.cookies if name != NAME}
        refused = await browser.navigate(callback, cross_site=True)

        assert 400 == refused.status_code


@pytest.mark.parametrize("order", [0, 1])
async def test_two_cookies_of_the_name_are_none(bff: Bff, order: int):
    """A tossed cookie beside the real one is decided by no order: signed out (RFC 6265bis §4.2.2)."""
    async with Browser(bff) as one, Browser(bff) as other:
        await one.log_in("alice")
        await other.log_in("bob")
    pairs = [f"{NAME}={one.session_cookie}", f"{NAME}={other.session_cookie}"]
    pairs = pairs if order else pairs[::-1]

    await assert_signed_out(bff, ["; ".join(pairs)])
    await assert_signed_out(bff, pairs)


@pytest.mark.parametrize(
    "look_alike",
    [
        "__hOst-bff={}",
        "__HOST-BFF={}",
        "__Host-bff =x; __host-bff={}",
        "=__Host-bff={}",
        "__Host-bffx={}",
        "x__Host-bff={}",
        "__Secure-bff={}",
        "bff={}",
        "__Host-bff-login-={}",
        "__Host-bff%3d{}",
        "$Version=1; bff={}",
        "a=__Host-bff; b={}",
    ],
)
async def test_look_alikes_are_not_read(bff: Bff, look_alike: str):
    """Only the exact name is ours, letter for letter (RFC 6265bis §5.4)."""
    async with Browser(bff) as browser:
        await browser.log_in()

    line = look_alike.format(browser.session_cookie)
    await assert_signed_out(bff, [line], cleared=" =" in line)


async def test_cookie_header_may_come_in_several_lines(bff: Bff):
    """As HTTP/2 front proxies send it (RFC 6265bis §4.2.1, RFC 9113 §8.2.3)."""
    async with Browser(bff) as browser:
        await browser.log_in()
    lines = ["X-CSRF: 1", "Cookie: a=b; c=d", f"Cookie: {NAME}={browser.session_cookie}", "Cookie: e=f"]
    heard = await say(bff.port, request("GET", "/api/whoami", bff.url.removeprefix("http://"), *lines))

    assert [200] == heard.statuses


async def test_flood_of_cookies_is_refused_and_nothing_breaks(bff: Bff):
    """A jar that overflows meets a limit, not a crash (RFC 6265bis §4.2.1)."""
    jar = "; ".join(f"c{number}={'x' * 100}" for number in range(500))
    lines = ["X-CSRF: 1", f"Cookie: {jar}"]
    heard = await say(bff.port, request("GET", "/api/whoami", bff.url.removeprefix("http://"), *lines))

    assert [431] == heard.statuses
    assert b'"code":"headers_too_large"' in heard.data


async def test_sessions_survive_a_new_key_and_end_with_the_old_one(world: World):
    """A key put in front logs nobody out; one taken away signs people out cleanly, cookie cleared."""
    with world.build(world.issuer, api=world.api, port=world.port()) as bff:
        async with Browser(bff) as browser:
            await browser.log_in()
            old = browser.session_cookie
            bff.rotate_key()
            bff.restart()
            assert 200 == (await browser.get("/api/whoami")).status_code
            assert await browser.user() is not None
            assert old != browser.session_cookie  # sealed anew with the key in front
            assert 200 == (await browser.get("/api/whoami")).status_code

            bff.rotate_key(keep=False)
            bff.restart()
            assert 401 == (await browser.get("/api/whoami")).status_code
            assert browser.session_cookie is None
            await browser.log_in()
            assert 200 == (await browser.get("/api/whoami")).status_code
