"""The real OpenID provider that tests and demo use does what they count on."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest

from tests.relying_party import CALLBACK, RelyingParty
from tests.servers import Issuer, start_issuer
from tests.sign_in import SignInRefused, sign_in, sign_out
from tests.world import eventually

pytestmark = pytest.mark.integration

AFTER_LOGOUT = "http://127.0.0.1:9/"
SETTINGS = {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [AFTER_LOGOUT], "signing_alg": "ES256"}


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with start_issuer(**SETTINGS) as running:
        yield running


@pytest.fixture
async def issuer(running: Issuer) -> Issuer:
    """One for all of them, as new: no counts, no faults, no grants."""
    await running.reset()
    await running.revoke_grants()
    return running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
        yield client


@pytest.fixture
def party(issuer: Issuer, http: httpx.AsyncClient) -> RelyingParty:
    return RelyingParty(issuer, http)


async def verified(party: RelyingParty, token: str, audience: str, algorithm: str = "ES256") -> dict[str, Any]:
    """The token's claims, after its signature is checked with the published keys."""
    metadata = (await party.http.get(f"{party.issuer.url}/.well-known/openid-configuration")).json()
    keys = jwt.PyJWKSet.from_dict((await party.http.get(metadata["jwks_uri"])).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[algorithm], audience=audience, issuer=party.issuer.url
    )
    return claims


async def test_lifetime_of_the_next_access_tokens_can_be_set(party):
    """Until the next reset; a lifetime that is none is refused."""
    await party.issuer.set_lifetime(77)
    one = await party.log_in("alice")
    with pytest.raises(ValueError, match="whole number"):
        await party.issuer.set_lifetime(0)
    await party.issuer.reset()
    other = await party.log_in("alice")

    assert (77, 30) == (one["expires_in"], other["expires_in"])


async def test_login_over_plain_http_gives_an_access_token_for_the_api(party):
    """Code flow with PKCE ends in an RFC 9068 access token with audience, roles and name."""
    tokens = await party.log_in("alice")

    claims = await verified(party, tokens["access_token"], "https://api.demo.example")
    assert "at+jwt" == jwt.get_unverified_header(tokens["access_token"])["typ"]
    assert ["admin", "reader"] == claims["roles"]
    assert ("alice", "Alice Arden", party.issuer.client_id) == (claims["sub"], claims["name"], claims["client_id"])
    assert 30 == claims["exp"] - claims["iat"] == tokens["expires_in"]


async def test_id_token_says_who_signed_in(party):
    """OIDC Core §3.1.3.7: the ID token is for the client, repeats the nonce, and carries name, email and roles."""
    claims = await verified(party, (await party.log_in("bob"))["id_token"], party.issuer.client_id)

    assert party.nonce == claims["nonce"]
    assert ("bob", "Bob Birch", "bob@demo.example", ["reader"]) == (
        claims["sub"], claims["name"], claims["email"], claims["roles"],
    )  # fmt: skip


async def test_callback_names_the_issuer_and_repeats_the_state(party):
    """RFC 9207 §2: `iss` comes with the code."""
    callback = await sign_in(party.http, party.authorization_url(), "alice")

    query = parse_qs(urlsplit(callback).query)
    assert ([party.issuer.url], [party.state]) == (query["iss"], query["state"])


async def test_request_without_pkce_is_refused(party):
    """RFC 9700 §2.1.1: no code without a challenge."""
    callback = await sign_in(party.http, party.authorization_url(code_challenge="", code_challenge_method=""))

    assert ["invalid_request"] == parse_qs(urlsplit(callback).query)["error"]


async def test_wrong_password_shows_an_error_and_does_not_sign_in(party):
    """The page says so, and there is no session."""
    before = await party.issuer.sessions()
    with pytest.raises(SignInRefused, match="password is wrong"):
        await sign_in(party.http, party.authorization_url(), "alice", "guess")

    assert before == await party.issuer.sessions()


async def test_cancelled_sign_in_comes_back_as_access_denied(party):
    """OIDC Core §3.1.2.6: the user's refusal reaches the client as an error."""
    page = await party.http.get(party.authorization_url(), follow_redirects=True)
    answer = await party.http.post(page.url, data={"cancel": "yes"}, follow_redirects=False)

    callback = await party.http.get(page.url.join(answer.headers["location"]), follow_redirects=False)
    assert ["access_denied"] == parse_qs(urlsplit(callback.headers["location"]).query)["error"]


async def test_login_page_cannot_be_framed_or_run_foreign_script(party):
    """The content security policy is strict, and the hint of who signs in is filled in, escaped."""
    page = await party.http.get(party.authorization_url(login_hint='"><script>'), follow_redirects=True)

    policy = page.headers["content-security-policy"]
    assert ["default-src 'none'", "frame-ancestors 'none'"] == [
        part for part in policy.split("; ") if part.startswith(("default-src", "frame-ancestors"))
    ]
    assert 'value="&quot;&gt;&lt;script&gt;"' in page.text


async def test_used_refresh_token_is_replaced_and_its_reuse_revokes_the_grant(party):
    """RFC 9700 §4.14.2: the second use of a refresh token ends the newest one as well."""
    first = (await party.log_in())["refresh_token"]
    second = (await party.refresh(first)).json()["refresh_token"]
    replay = await party.refresh(first)
    after = await party.refresh(second)

    assert first != second
    assert [(400, "invalid_grant")] * 2 == [
        (answer.status_code, answer.json()["error"]) for answer in (replay, after)
    ]
    counters = await party.issuer.counters()
    assert (1, 2, 1) == tuple(
        counters[name] for name in ("refresh_token", "refresh_token_errors", "reuse_detected")
    )


async def test_revoked_refresh_token_is_dead_and_other_logins_live_on(party):
    """RFC 7009 §2.1: revocation ends one authorization, not the user's others in the same browser."""
    revoked, other = await party.log_in(), await party.log_in()
    await party.revoke(revoked["refresh_token"])

    statuses = [(await party.refresh(tokens["refresh_token"])).status_code for tokens in (revoked, other)]
    assert [400, 200] == statuses
    assert 1 == await party.issuer.count("revocations")


async def test_sign_out_at_the_provider_ends_every_grant_of_the_session(party):
    """OIDC RP-Initiated Logout §2: back at the client with the state, and no refresh token works on."""
    older, newer = await party.log_in(), await party.log_in()
    query = {"id_token_hint": newer["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT, "state": "s1"}
    target = await sign_out(party.http, f"{party.issuer.url}/session/end?{urlencode(query)}")

    assert f"{AFTER_LOGOUT}?state=s1" == target
    assert [400, 400] == [(await party.refresh(tokens["refresh_token"])).status_code for tokens in (older, newer)]


async def test_userinfo_takes_the_access_token(party):
    """OIDC Core §5.3: the claims of the granted scopes; a foreign token is refused."""
    token = (await party.log_in("bob"))["access_token"]
    url = f"{party.issuer.url}/me"
    answer = await party.http.get(url, headers={"authorization": f"Bearer {token}"})
    refused = await party.http.get(url, headers={"authorization": f"Bearer {token[:-8]}AAAAAAAA"})

    assert ("bob", ["reader"]) == (answer.json()["sub"], answer.json()["roles"])
    assert 401 == refused.status_code


async def test_changed_roles_are_in_the_next_tokens(party):
    """A role taken away at the provider is gone after the next refresh."""
    tokens = await party.log_in("alice")
    await party.issuer.set_roles("alice", ["reader"])
    renewed = (await party.refresh(tokens["refresh_token"])).json()

    assert ["reader"] == (await verified(party, renewed["access_token"], party.issuer.audience))["roles"]


async def test_new_signing_key_leaves_sessions_alone(party):
    """Old tokens verify while the old key is published, new ones are signed with the new key."""
    tokens = await party.log_in()
    kids = await party.issuer.rotate_keys()
    renewed = (await party.refresh(tokens["refresh_token"])).json()

    used = [jwt.get_unverified_header(answer["access_token"])["kid"] for answer in (renewed, tokens)]
    assert kids == used
    await verified(party, tokens["access_token"], party.issuer.audience)
    assert kids[:1] == await party.issuer.retire_keys()


async def test_planned_fault_meets_as_many_requests_as_told(party):
    """One 503 with Retry-After, then everything as before, and the grant was not used up."""
    token = (await party.log_in())["refresh_token"]
    await party.issuer.fault("token", "status:503", retry_after=7)
    answers = [await party.refresh(token), await party.refresh(token)]

    assert [503, 200] == [answer.status_code for answer in answers]
    assert "7" == answers[0].headers["retry-after"]


async def test_lost_answer_has_used_the_refresh_token(party):
    """The connection breaks after the work: the provider has rotated, the client knows nothing of it."""
    token = (await party.log_in())["refresh_token"]
    await party.issuer.fault("token", "lose")
    with pytest.raises(httpx.TransportError):
        await party.refresh(token)

    assert 1 == await party.issuer.count("refresh_token")
    assert "invalid_grant" == (await party.refresh(token)).json()["error"]


async def test_held_answer_comes_when_it_is_let_go(party):
    """The work is done at once, and the client learns of it when the test says so."""
    token = (await party.log_in())["refresh_token"]
    await party.issuer.fault("token", "hold")
    waiting = asyncio.create_task(party.refresh(token))

    async def done() -> bool:
        return 1 == await party.issuer.count("refresh_token")

    await eventually(done, "the work")
    held = not waiting.done()
    await party.issuer.fault("token", "off")

    assert (True, 200) == (held, (await waiting).status_code)


async def test_revoked_grants_answer_invalid_grant(party):
    """What an administrator does at a real provider."""
    token = (await party.log_in("bob"))["refresh_token"]

    assert 1 == await party.issuer.revoke_grants("bob")
    assert "invalid_grant" == (await party.refresh(token)).json()["error"]


@asynccontextmanager
async def logout_listener() -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """A client's back-channel logout endpoint: its URL and the logout tokens that arrive."""
    tokens: asyncio.Queue[str] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        form = parse_qs((await reader.readexactly(length)).decode())
        tokens.put_nowait(form["logout_token"][0])
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/backchannel", tokens


async def test_ended_session_reaches_the_client_by_back_channel(http):
    """OIDC Back-Channel Logout §2.4: a signed token with the sid of the ID token, the event, and no nonce."""
    async with logout_listener() as (url, arrived), start_issuer(**SETTINGS, backchannel_logout_uri=url) as issuer:
        party = RelyingParty(issuer, http)
        tokens = await party.log_in("alice")
        sid = (await verified(party, tokens["id_token"], issuer.client_id))["sid"]
        outcome = await issuer.backchannel_logout("alice")
        logout_token = await asyncio.wait_for(arrived.get(), 30)
        refused = await party.refresh(tokens["refresh_token"])
        claims = await verified(party, logout_token, issuer.client_id)

    assert {"sessions": 1, "notified": 1, "failed": 0} == outcome
    assert "logout+jwt" == jwt.get_unverified_header(logout_token)["typ"]
    assert ("alice", sid) == (claims["sub"], claims["sid"])
    assert {"http://schemas.openid.net/event/backchannel-logout": {}} == claims["events"]
    assert "nonce" not in claims
    assert "invalid_grant" == refused.json()["error"]


async def test_login_hint_signs_in_without_a_form_when_configured(http):
    """Load tests log thousands of subjects in; an unknown one is a reader."""
    async with start_issuer(**SETTINGS, auto_login=True) as issuer:
        party = RelyingParty(issuer, http)
        answer = await http.get(party.authorization_url(login_hint="user-7"), follow_redirects=False)
        while not answer.headers["location"].startswith(CALLBACK):
            answer = await http.get(answer.url.join(answer.headers["location"]), follow_redirects=False)
        claims = await verified(
            party, (await party.redeem(answer.headers["location"])).json()["access_token"], issuer.audience
        )

    assert ("user-7", ["reader"]) == (claims["sub"], claims["roles"])


async def test_test_hooks_are_absent_unless_configured(http):
    """Nothing answers on /_test/ in a demo."""
    async with start_issuer(test_hooks=False) as issuer:
        assert 404 == (await http.get(f"{issuer.url}/_test/counters")).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA"])
async def test_every_signing_algorithm_works(http, algorithm):
    """Each of the accepted algorithms signs ID token and access token."""
    async with start_issuer(**{**SETTINGS, "signing_alg": algorithm}) as issuer:
        party = RelyingParty(issuer, http)
        tokens = await party.log_in()
        await verified(party, tokens["id_token"], issuer.client_id, algorithm)
        await verified(party, tokens["access_token"], issuer.audience, algorithm)


async def test_terminated_issuer_ends_at_once(http):
    """SIGTERM needs no second signal, even with a connection kept open."""
    async with start_issuer(**SETTINGS) as issuer:
        await http.get(f"{issuer.url}/jwks")
        issuer.process.signal(signal.SIGTERM)

        assert 0 == issuer.process.wait_for_exit()


async def test_unknown_configuration_key_stops_the_start():
    """The message names the key."""
    with pytest.raises(RuntimeError, match='unknown key "ttls"'):
        start_issuer(ttls={})
