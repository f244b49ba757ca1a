"""The issuer ends sessions over the back channel, and nobody else can."""

import base64
import json
import time

import httpx
import pytest

from tests.forging import REMOVED, rsa_key
from tests.product import Bff, Browser
from tests.servers import Issuer
from tests.world import NegIssuer, eventually, until

pytestmark = [pytest.mark.integration, pytest.mark.security]


async def post(bff: Bff, **request: object) -> httpx.Response:
    """As an issuer calls: no cookie, no header of ours."""
    async with httpx.AsyncClient(verify=False) as http:
        return await http.post(
            f"http://127.0.0.1:{bff.port}/bff/backchannel-logout",
            headers={"Host": bff.url.removeprefix("http://"), **request.pop("headers", {})},  # type: ignore[dict-item]
            **request,  # type: ignore[arg-type]
        )


async def notify(bff: Bff, token: str, **further: str) -> httpx.Response:
    return await post(bff, data={"logout_token": token, **further})


async def neg_log_in(bff: Bff, neg: NegIssuer, browser: Browser) -> str:
    """Logs in at the scripted issuer; returns the issuer's session id."""
    callback = neg.op.login(await browser.begin_login())
    assert 303 == (await browser.navigate(callback, cross_site=True)).status_code
    return f"sid-{neg.op._logins}"


async def test_issuer_that_signs_a_person_out_ends_their_sessions_here(bff: Bff, issuer: Issuer):
    """The real issuer's own logout token, from its own session management (OIDC Back-Channel Logout §2.5)."""
    async with Browser(bff) as browser, Browser(bff) as second, Browser(bff) as other:
        await browser.log_in("alice")
        await second.log_in("alice")
        await other.log_in("bob")
        outcome = await issuer.backchannel_logout("alice")

        assert (0, True) == (outcome["failed"], outcome["notified"] >= 2)
        refused = await browser.get("/api/whoami")
        assert (401, "session_expired", "backchannel_logout") == (
            refused.status_code,
            refused.json()["code"],
            refused.json()["reason"],
        )
        assert await second.user() is None
        assert 200 == (await other.get("/api/whoami")).status_code


async def test_logout_token_with_sid_ends_that_session_only(neg_bff: Bff, neg: NegIssuer):
    """sid names one session of the issuer's (OIDC Back-Channel Logout §2.7)."""
    async with Browser(neg_bff) as one, Browser(neg_bff) as other:
        sid = await neg_log_in(neg_bff, neg, one)
        await neg_log_in(neg_bff, neg, other)
        done = await notify(neg_bff, neg.op.logout_token(sid=sid), ignored_parameter="x")

        assert (200, "no-store") == (done.status_code, done.headers["cache-control"])
        assert (None, True) == (await one.user(), await other.user() is not None)


async def test_logout_token_with_sub_alone_ends_every_session_of_the_person(neg_bff: Bff, neg: NegIssuer):
    """Without sid all of them are meant, and nobody else's (OIDC Back-Channel Logout §2.7)."""
    async with Browser(neg_bff) as one, Browser(neg_bff) as two, Browser(neg_bff) as bob:
        await neg_log_in(neg_bff, neg, one)
        await neg_log_in(neg_bff, neg, two)
        alice, neg.op.sub = neg.op.sub, "bob"
        await neg_log_in(neg_bff, neg, bob)
        neg.op.sub = alice
        done = await notify(neg_bff, neg.op.logout_token(ignored_claim={"x": 1}))

        assert 200 == done.status_code
        assert [None, None] == [await one.user(), await two.user()]
        assert "bob" == (await bob.user())["sub"]


async def test_tokens_of_a_session_that_the_issuer_ended_are_revoked_when_it_is_seen_again(
    neg_bff: Bff, neg: NegIssuer
):
    """Whoever can open the record revokes what is in it (OIDC Back-Channel Logout §2.7)."""
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg_bff, neg, browser)
        await notify(neg_bff, neg.op.logout_token())
        await browser.user()

        await eventually(lambda: neg.op.count("revoke", token_type_hint="refresh_token"), "the revocation")


NOW = time.time()
# OIDC Back-Channel Logout §2.6, each rule broken once.
BROKEN = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "other"},
    "no audience": {"aud": REMOVED},
    "no issue time": {"iat": REMOVED},
    "no expiry": {"exp": REMOVED},
    "expired": {"exp": int(NOW) - 3600, "iat": int(NOW) - 3700},
    "from the future": {"iat": int(NOW) + 3600, "exp": int(NOW) + 3700},
    "no jti": {"jti": REMOVED},
    "no events": {"events": REMOVED},
    "events as a list": {"events": ["http://schemas.openid.net/event/backchannel-logout"]},
    "events as text": {"events": "http://schemas.openid.net/event/backchannel-logout"},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "event that is no object": {"events": {"http://schemas.openid.net/event/backchannel-logout": True}},
    "a nonce": {"nonce": "x"},
    "neither sub nor sid": {"sub": REMOVED},
    "sub of another kind": {"sub": 5},
    "exp of another kind": {"exp": "soon"},
    "exp out of range": {"exp": 1e300},
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_invalid_logout_token_ends_nothing(neg_bff: Bff, neg: NegIssuer, fault: str):
    """400, not stored, and the session lives (OIDC Back-Channel Logout §2.6, §2.8)."""
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg_bff, neg, browser)
        refused = await notify(neg_bff, neg.op.logout_token(**BROKEN[fault]))

        assert (400, "no-store") == (refused.status_code, refused.headers["cache-control"])
        assert await browser.user() is not None


def unsigned(alg: str, issuer: str, sub: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    claims = {"iss": issuer, "aud": "spa", "iat": int(time.time()), "exp": int(time.time()) + 100}
    head = part({"alg": alg, "typ": "logout+jwt"})
    return f"{head}.{part({**claims, 'jti': 'x', 'sub': sub, 'events': event})}."


FORGERIES = ("foreign key", "none", "nOnE", "cut", "empty", "rubbish", "huge", "id token", "at+jwt")


@pytest.mark.parametrize("kind", FORGERIES)
async def test_forged_logout_token_ends_nothing(neg_bff: Bff, neg: NegIssuer, kind: str):
    """Only the issuer's own signature counts (OIDC Back-Channel Logout §2.6, RFC 8725 §3.1)."""
    op = neg.op
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg_bff, neg, browser)
        forged = {
            "foreign key": lambda: op.logout_token(key=rsa_key(1)),
            "none": lambda: unsigned("none", op.issuer, op.sub),
            "nOnE": lambda: unsigned("nOnE", op.issuer, op.sub),
            "cut": lambda: op.logout_token().rpartition(".")[0] + ".",
            "empty": lambda: "",
            "rubbish": lambda: "a.b.c",
            "huge": lambda: "x" * 20_000,
            "id token": lambda: op.logout_token(header={"typ": "JWT"}, events=REMOVED, nonce="x"),
            "at+jwt": lambda: op.logout_token(header={"typ": "at+jwt"}),
        }[kind]()
        refused = await notify(neg_bff, forged)

        assert 400 == refused.status_code
        assert await browser.user() is not None


async def test_replayed_logout_token_does_not_end_a_later_session(neg_bff: Bff, neg: NegIssuer):
    """The same token again is harmless (OIDC Back-Channel Logout §2.6)."""
    token = neg.op.logout_token()
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg_bff, neg, browser)
        first = await notify(neg_bff, token)
        assert await browser.user() is None
        await until(time.time() + 1.1)  # times in tokens are whole seconds
        await neg_log_in(neg_bff, neg, browser)
        second = await notify(neg_bff, token)

        assert (200, True) == (first.status_code, second.status_code in {200, 400})
        assert await browser.user() is not None


async def test_only_a_form_post_with_one_token_is_taken(neg_bff: Bff, neg: NegIssuer):
    """OIDC Back-Channel Logout §2.5."""
    token = neg.op.logout_token()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with Browser(neg_bff) as browser:
        await neg_log_in(neg_bff, neg, browser)
        answers = [
            await post(neg_bff, json={"logout_token": token}),
            await post(neg_bff, content=f"logout_token={token}&logout_token={token}", headers=form),
            await post(neg_bff, content="", headers=form),
            await post(neg_bff, content=f"logout_token={token}", headers={"Content-Type": "text/plain"}),
            await post(neg_bff, content=b"\xff\xfe", headers=form),
            await browser.get(f"/bff/backchannel-logout?logout_token={token}"),
        ]

        assert [400, 400, 400, 400, 400, 405] == [answer.status_code for answer in answers]
        assert "POST" in answers[-1].headers["allow"]
        assert await browser.user() is not None


async def test_flood_of_forged_key_ids_does_not_reach_the_issuer(neg_bff: Bff, neg: NegIssuer):
    """An unauthenticated endpoint must not be a lever against the issuer's keys (RFC 8725 §3.10)."""
    before = neg.op.count("jwks")
    for number in range(30):
        await notify(neg_bff, neg.op.logout_token(key=rsa_key(1), header={"kid": f"unknown-{number}"}))

    assert neg.op.count("jwks") - before <= 1
