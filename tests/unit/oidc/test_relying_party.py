"""The flows over an honest provider, and over one that has its moods."""

import asyncio
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from bff.errors import CallbackRejected, GrantRejected, IssuerUnavailable, RenewalUnchecked, TokenRejected
from bff.oidc.rules import TokenRules
from bff.oidc.token_set import TokenSet
from tests.forging import REMOVED, ec_key, read_claims, rsa_key
from tests.neg_op import NegOp, Reply, json_reply
from tests.neg_op_server import serve
from tests.oidc_world import API, NOW, World, make_world

# ── logging in ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_login_ends_with_tokens_and_what_was_checked_in_them(world: World):
    """OIDC Core §3.1: code, tokens, claims of the ID token and of the access token."""
    grant = await world.login()

    assert ("alice", "Alice", "sid-1") == tuple(grant.claims[name] for name in ("sub", "name", "sid"))
    assert ("alice", API) == tuple(grant.access_claims[name] for name in ("sub", "aud"))
    assert (NOW, NOW + 300) == (grant.tokens.issued_at, grant.tokens.expires_at)
    assert "openid profile offline_access" == grant.tokens.scope
    assert grant.claims == read_claims(grant.tokens.id_token)


async def test_the_code_is_redeemed_with_verifier_client_authentication_and_the_same_redirect_uri(world: World):
    """RFC 6749 §4.1.3, RFC 7636 §4.5: POST, each parameter once, one method of authentication."""
    attempt, query = await world.begin()
    await world.rp.redeem(world.code(query, attempt), attempt)
    (request,) = world.op.requests("token")

    assert "POST" == request.method
    assert request.headers["authorization"].startswith("Basic ")
    assert len(request.form) == len(request.form_pairs)
    assert request.form == {
        "grant_type": "authorization_code",
        "code": dict(parse_qsl(query))["code"],
        "redirect_uri": "https://app.test/bff/callback",
        "code_verifier": attempt.code_verifier,
    }


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_every_call_is_authenticated_by_the_configured_method(method):
    """OAuth for Browser-Based Applications §6.1.3.1; OIDC Core §9, §12.1: code, refresh and revocation alike."""
    key = ec_key()
    op = NegOp(client_public_key=key)
    fields = {"private_key": key.pem(), "client_secret": None} if method == "private_key_jwt" else {}
    world = make_world(op, client={"auth_method": method, **fields})

    grant = await world.login()
    await world.rp.revoke((await world.rp.renew(grant.tokens, grant.claims)).tokens)

    calls = [seen for seen in op.seen if seen.endpoint in {"token", "revoke"}]
    assert 4 == len(calls)
    used = [
        (
            "authorization" in seen.headers,
            "client_secret" in seen.form,
            "client_assertion" in seen.form,
        )
        for seen in calls
    ]
    expected = tuple(method == name for name in ("client_secret_basic", "client_secret_post", "private_key_jwt"))
    assert [expected] * 4 == used
    assert len(op.assertions) == len({claims["jti"] for claims in op.assertions})
    await world.close()


async def test_a_wrong_secret_ends_the_login_and_tells_the_operator():
    """OAuth for Browser-Based Applications §6.1.3.1: fails closed; it is our fault, not the person's."""
    world = make_world(client={"client_secret": "wrong"})

    with pytest.raises(IssuerUnavailable, match="refuses this application"):
        await world.login()
    assert [{"status": 401, "error": "invalid_client"}] == world.told("client_refused")
    await world.close()


async def test_resources_are_named_at_every_grant():
    """RFC 8707 §2: consistently, and repeated."""
    world = make_world(client={"resource": ("https://a.test", "https://b.test")})
    grant = await world.login()
    await world.rp.renew(grant.tokens, grant.claims)

    for request in world.op.requests("token"):
        assert ["https://a.test", "https://b.test"] == [v for n, v in request.form_pairs if n == "resource"]
    await world.close()


async def test_a_code_is_not_redeemed_for_another_issuers_attempt(world: World):
    """RFC 9700 §4.4.2: the attempt remembers where it was begun."""
    attempt, query = await world.begin()
    code = world.code(query, attempt)

    with pytest.raises(CallbackRejected) as caught:
        await world.rp.redeem(code, replace(attempt, issuer="https://other.test"))
    assert ("issuer_mismatch", 0) == (caught.value.reason, world.op.count("token"))


async def test_a_refused_code_is_a_rejected_grant(world: World):
    """RFC 6749 §5.2: a code is used once."""
    attempt, query = await world.begin()
    code = world.code(query, attempt)
    await world.rp.redeem(code, attempt)

    with pytest.raises(GrantRejected) as caught:
        await world.rp.redeem(code, attempt)
    assert "invalid_grant" == caught.value.error


@pytest.mark.parametrize(
    "requested", [{"max_age": 0}, {"acr_values": "gold"}, {"max_age": 60, "acr_values": "gold"}]
)
async def test_what_was_asked_of_the_login_is_held_against_the_answer(world: World, requested):
    """OIDC Core §3.1.3.7 rules 12 and 13."""
    assert "alice" == (await world.login(**requested)).claims["sub"]

    world.op.id_token.update({"auth_time": NOW - 1000, "acr": "bronze"})
    with pytest.raises(TokenRejected):
        await world.login(**requested)


async def test_no_metadata_no_login_and_the_answer_is_quick(world: World):
    """OIDC Discovery §4: 503 at once while the issuer is known to be down."""
    world.op.down = True
    for _ in range(5):
        with pytest.raises(IssuerUnavailable):
            await world.begin()
    assert 1 == world.op.count("discovery")
    with pytest.raises(IssuerUnavailable):
        _ = world.rp.iss_required

    world.op.down = False
    world.clock.advance(1)
    await world.rp.ensure_ready()
    assert world.rp.iss_required
    assert "alice" == (await world.login()).claims["sub"]


async def test_keys_are_there_before_a_code_is_spent(world: World):
    """A code can be used only once: it is not given away before its tokens can be checked."""
    world.op.always("jwks", Reply(503))
    attempt, query = await world.begin()
    with pytest.raises(IssuerUnavailable):
        await world.rp.redeem(world.code(query, attempt), attempt)
    assert 0 == world.op.count("token")

    world.op.always("jwks", None)
    world.clock.advance(1)
    assert "alice" == (await world.rp.redeem(world.code(query, attempt), attempt)).claims["sub"]


async def test_pkce_state_and_nonce_are_sent_though_pkce_is_not_announced(world: World):
    """RFC 9700 §4.7.1: and the operator is told."""
    world.op.metadata["code_challenge_methods_supported"] = REMOVED
    await world.login()

    assert [{"reason": "pkce_not_advertised"}] == world.told("issuer_metadata_weak")
    assert "code_verifier" in world.op.requests("token")[0].form


# ── access tokens ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"aud": "https://other.test"}, "aud_mismatch"),
        ({"iss": "https://evil.test"}, "iss_mismatch"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": REMOVED}, "exp_missing"),
        ({"exp": NOW + 7200}, "lifetime_exceeded"),
    ],
)
async def test_a_jwt_access_token_is_held_to_the_rules(world: World, bend, reason):
    """RFC 9068 §4, and the operator's own limits."""
    world.op.access_token.update(bend)

    with pytest.raises(TokenRejected) as caught:
        await world.login()
    assert {"token": "access_token", "reason": reason} == caught.value.members


@pytest.mark.parametrize(
    ("bend", "rule", "reason", "believed"),
    [
        ({"aud": "https://other.test"}, "access_token_audience", "aud_mismatch", False),
        ({"exp": NOW + 7200}, "max_access_token_lifetime", "lifetime_exceeded", True),
    ],
)
async def test_a_rule_that_only_warns_is_told_and_its_claims_are_not_believed(bend, rule, reason, believed):
    """What did not pass is no source of roles; what merely lives long is."""
    world = make_world(rules=TokenRules(access_token_audience=(API,), warn_only=True))
    world.op.access_token.update(bend)
    grant = await world.login()

    told = {"rule": rule, "token": "access_token", "reason": reason, "outcome": "accepted"}
    assert [told] == world.told("token_rule_violated")
    assert believed == (grant.access_claims is not None)
    await world.close()


async def test_warning_does_not_soften_the_rules_for_id_tokens():
    """OIDC Core §3.1.3.7 is not the operator's to waive."""
    world = make_world(rules=TokenRules(access_token_audience=(API,), warn_only=True))
    world.op.id_token["aud"] = "other"

    with pytest.raises(TokenRejected):
        await world.login()
    await world.close()


async def test_an_opaque_access_token_is_passed_on_as_it_is(world: World):
    """RFC 6749 §1.4: opaque to us, whatever audience is configured."""
    world.op.jwt_access_tokens = False

    assert (await world.login()).access_claims is None


async def test_without_an_audience_access_tokens_are_opaque():
    """RFC 6749 §1.4: a JWT that nobody asked us to read is not read."""
    world = make_world(rules=TokenRules())
    world.op.access_token.update({"aud": "anything", "iss": "anyone", "exp": 1})

    grant = await world.login()

    assert (None, NOW + 300) == (grant.access_claims, grant.tokens.expires_at)
    await world.close()


async def test_the_lifetime_of_an_opaque_token_is_what_the_answer_says():
    """The operator's limit counts for every access token of which a lifetime is known."""
    world = make_world(rules=TokenRules(max_access_token_lifetime=299, clock_skew=0))
    with pytest.raises(TokenRejected, match="lives for 300 seconds"):
        await world.login()
    await world.close()


@pytest.mark.parametrize(
    ("expires_in", "exp", "lives"),
    [
        (REMOVED, NOW + 120, 120),
        (60, NOW + 120, 60),
        (300, NOW + 120, 120),
        (0, NOW + 120, 1),
        (-5, NOW + 120, 1),
        ("90", NOW + 120, 90),
        ("soon", NOW + 120, 120),
    ],
)
async def test_the_end_of_an_access_token(world: World, expires_in, exp, lives):
    """RFC 6749 §5.1: expires_in is optional; whatever it says causes no storm."""
    world.op.token_response["expires_in"] = expires_in
    world.op.access_token["exp"] = exp

    assert NOW + lives == (await world.login()).tokens.expires_at


async def test_an_opaque_token_of_unknown_life_is_taken_to_live_five_minutes(world: World):
    """RFC 6749 §5.1: the conformance suite sends no expires_in."""
    world.op.jwt_access_tokens = False
    world.op.token_response["expires_in"] = REMOVED

    assert NOW + 300 == (await world.login()).tokens.expires_at


# ── renewing ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_renewal_uses_the_newest_refresh_token_and_keeps_the_login(world: World):
    """RFC 6749 §6, OIDC Core §12: rotation over three renewals, and no wider scope is asked for."""
    grant = await world.login()
    for _ in range(3):
        world.clock.advance(100)
        renewed = await world.rp.renew(grant.tokens, grant.claims)
        request = world.op.requests("token")[-1]
        assert {"grant_type": "refresh_token", "refresh_token": grant.tokens.refresh_token} == request.form
        assert renewed.tokens.refresh_token != grant.tokens.refresh_token
        assert world.clock() + 300 == renewed.tokens.expires_at
        assert grant.claims["nonce"] == renewed.claims["nonce"]
        grant = renewed
    assert API == grant.access_claims["aud"]


async def test_what_a_renewal_leaves_out_stays(world: World):
    """RFC 6749 §6, OIDC Core §12.2: refresh token, ID token, scope."""
    world.op.rotate_refresh_tokens = world.op.id_token_on_refresh = False
    world.op.token_response["scope"] = REMOVED
    grant = await world.login()

    renewed = await world.rp.renew(grant.tokens, grant.claims)

    assert grant.claims is renewed.claims
    assert (grant.tokens.refresh_token, grant.tokens.id_token, grant.tokens.scope) == (
        renewed.tokens.refresh_token,
        renewed.tokens.id_token,
        renewed.tokens.scope,
    )
    assert grant.tokens.access_token != renewed.tokens.access_token


async def test_invalid_grant_ends_it(world: World):
    """RFC 6749 §5.2."""
    grant = await world.login()
    world.op.script("token", json_reply({"error": "invalid_grant"}, 400))

    with pytest.raises(GrantRejected) as caught:
        await world.rp.renew(grant.tokens, grant.claims)
    assert "invalid_grant" == caught.value.error


async def test_without_a_refresh_token_there_is_nothing_to_ask(world: World):
    """And the issuer is not asked."""
    with pytest.raises(GrantRejected):
        await world.rp.renew(TokenSet("at", NOW, NOW + 1), {"sub": "alice"})
    assert [] == world.op.seen


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(502, b"<html>bad gateway</html>", media_type="text/html"),
        Reply(503, headers={"retry-after": "17"}),
        Reply(429, headers={"retry-after": "17"}),
        Reply(408),
        Reply(200, b"<html>", media_type="text/html"),
        Reply(200, b"{"),
        Reply(200, b"x" * (1024 * 1024 + 1)),
        json_reply({"token_type": "Bearer"}),
        json_reply({"error": "temporarily_unavailable"}, 400),
        json_reply({"error": "server_error"}, 400),
        json_reply({"error": "invalid_client"}, 401),
        json_reply({"error": "invalid_scope"}, 400),
        json_reply({"error": "unsupported_grant_type"}, 400),
        Reply(403, b"<html>blocked</html>", media_type="text/html"),
        Reply(404),
        Reply(302, headers={"location": "https://evil.test/"}),
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
    ],
    ids=range(19),
)
async def test_no_transient_fault_ends_a_session(world: World, reply):
    """What may be otherwise the next time is never the end; the same refresh token works afterwards."""
    grant = await world.login()
    world.op.script("token", reply)

    with pytest.raises(IssuerUnavailable) as caught:
        await world.rp.renew(grant.tokens, grant.claims)
    retry_after = reply.headers.get("retry-after") if isinstance(reply, Reply) else None
    assert int(retry_after or 5) == caught.value.retry_after
    assert [] == world.op.strangers
    assert "alice" == (await world.rp.renew(grant.tokens, grant.claims)).claims["sub"]


async def test_a_slow_issuer_ends_no_session():
    """A timeout is a fault of the moment."""
    world = make_world(timeout=1.0)
    grant = await world.login()
    world.op.hold("token")

    with pytest.raises(IssuerUnavailable, match="1 seconds"):
        await world.rp.renew(grant.tokens, grant.claims)
    await world.close()


async def test_keys_are_there_before_a_refresh_token_is_spent():
    """A rotated refresh token that is lost is a session lost: first the keys, then the grant."""
    world = make_world()
    grant = await world.login()
    fresh = make_world(world.op)  # another worker, just started
    world.op.always("jwks", Reply(503))

    with pytest.raises(IssuerUnavailable):
        await fresh.rp.renew(grant.tokens, grant.claims)
    assert 0 == world.op.count("token", grant_type="refresh_token")

    world.op.always("jwks", None)
    fresh.clock.advance(1)
    assert "alice" == (await fresh.rp.renew(grant.tokens, grant.claims)).claims["sub"]
    await world.close()
    await fresh.close()


@pytest.mark.parametrize("outage", [True, False])
async def test_new_keys_that_cannot_be_had_lose_no_rotated_refresh_token(world: World, outage):
    """OIDC Core §12.2: what cannot be checked is not used, and its refresh token is handed on to be kept."""
    grant = await world.login()
    world.op.signing_key = rsa_key(7)  # not published, or the key set is down just now
    if outage:
        world.op.always("jwks", Reply(503))
    world.clock.advance(60)

    with pytest.raises(RenewalUnchecked) as caught:
        await world.rp.renew(grant.tokens, grant.claims)

    assert caught.value.refresh_token not in {None, grant.tokens.refresh_token}
    reason = "keys_unavailable" if outage else "unknown_key"
    assert [{"token": "id_token", "reason": reason}] == world.told("renewal_unchecked")


async def test_rotated_keys_are_followed_at_renewal(world: World):
    """OIDC Core §10.1.1."""
    grant = await world.login()
    world.op.rotate_keys(ec_key(3), rsa_key(0))

    renewed = await world.rp.renew(grant.tokens, grant.claims)

    assert renewed.claims["iat"] == NOW
    assert renewed.access_claims is not None
    assert [] == world.told("renewal_unchecked")


# ── logging out ──────────────────────────────────────────────────────────────────────────────────────────


async def test_the_refresh_token_is_revoked_first_then_the_access_token(world: World):
    """RFC 7009 §2.1."""
    grant = await world.login()
    await world.rp.revoke(grant.tokens)

    assert [
        (grant.tokens.refresh_token, "refresh_token"),
        (grant.tokens.access_token, "access_token"),
    ] == [(seen.form["token"], seen.form["token_type_hint"]) for seen in world.op.requests("revoke")]
    with pytest.raises(GrantRejected):
        await world.rp.renew(grant.tokens, grant.claims)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200),
        Reply(204),
        json_reply({"error": "unsupported_token_type"}, 400),
        json_reply({"error": "invalid_token"}, 400),
    ],
)
async def test_a_token_that_cannot_be_revoked_any_more_is_done_with(world: World, reply):
    """RFC 7009 §2.2, §2.2.1."""
    grant = await world.login()
    world.op.always("revoke", reply)
    await world.rp.revoke(grant.tokens)

    assert 2 == world.op.count("revoke")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, headers={"retry-after": "9"}),
        Reply(500),
        httpx.ConnectError("x"),
        json_reply({"error": "x"}, 400),
    ],
)
async def test_a_revocation_that_failed_says_so(world: World, reply):
    """RFC 7009 §2.2.1: to be tried again by whoever can wait."""
    grant = await world.login()
    world.op.script("revoke", reply)

    with pytest.raises(IssuerUnavailable):
        await world.rp.revoke(grant.tokens)
    assert 1 == world.op.count("revoke")


async def test_an_issuer_without_revocation_has_nothing_to_revoke(world: World):
    """RFC 8414 §2: revocation_endpoint is optional."""
    world.op.metadata["revocation_endpoint"] = REMOVED
    grant = await world.login()
    await world.rp.revoke(grant.tokens)

    assert 0 == world.op.count("revoke")


async def test_only_the_tokens_that_there_are_get_revoked(world: World):
    """A grant without a refresh token."""
    await world.rp.revoke(TokenSet("at", NOW, NOW + 1))

    assert ["access_token"] == [seen.form["token_type_hint"] for seen in world.op.requests("revoke")]


async def test_the_browser_is_sent_to_the_issuer_to_log_out(world: World):
    """OIDC RP-Initiated Logout §2: with the ID token, our id and the place to come back to."""
    grant = await world.login()
    before = len(world.op.seen)

    url = await world.rp.end_session_url(grant.tokens.id_token)

    parts = urlsplit(url)
    assert "https://op.test/logout" == f"{parts.scheme}://{parts.netloc}{parts.path}"
    assert {
        "client_id": "spa",
        "post_logout_redirect_uri": "https://app.test/",
        "id_token_hint": grant.tokens.id_token,
    } == dict(parse_qsl(parts.query))
    assert before == len(world.op.seen)


async def test_without_the_issuer_the_logout_is_local(world: World):
    """OIDC RP-Initiated Logout §2: the session here ends in any case."""
    world.op.down = True

    assert await world.rp.end_session_url("a.b.c") is None


async def test_a_logout_token_names_who_is_to_be_logged_out(world: World):
    """OIDC Back-Channel Logout §2.4."""
    notice = await world.rp.check_logout_token(world.op.logout_token(sid="s1", jti="j1"))

    assert ("https://op.test", "alice", "s1", "j1", NOW, NOW + 120) == (
        notice.issuer,
        notice.sub,
        notice.sid,
        notice.jti,
        notice.iat,
        notice.exp,
    )


# ── life ─────────────────────────────────────────────────────────────────────────────────────────────────


class Sleeper:
    """A sleep that ends when told to, and remembers for how long it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._wake = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._wake.acquire()

    async def wake(self, world: World) -> None:
        """End one sleep and let things run until the next one begins."""
        before = len(self.asked)
        world.clock.advance(self.asked[-1])
        self._wake.release()
        for _ in range(100):
            await asyncio.sleep(0)
            if len(self.asked) > before:
                return
        raise AssertionError("it does not sleep")


async def begun(world: World, sleeper: Sleeper) -> None:
    await world.rp.start()
    for _ in range(100):
        await asyncio.sleep(0)
        if sleeper.asked:
            return


async def test_an_issuer_that_is_down_at_start_is_asked_until_it_answers():
    """The server starts, says so, and recovers by itself."""
    sleeper = Sleeper()
    world = make_world(sleep=sleeper)
    world.op.down = True
    await begun(world, sleeper)
    for _ in range(3):
        await sleeper.wake(world)
    assert (False, [1, 2, 4, 8]) == (world.rp.ready, sleeper.asked)
    assert "cannot be reached" in (world.rp.last_error or "")

    world.op.down = False
    await sleeper.wake(world)
    assert (True, None, 3600) == (world.rp.ready, world.rp.last_error, sleeper.asked[-1])
    await world.close()


async def test_metadata_and_keys_are_there_before_anybody_asks():
    """The first login waits for nothing."""
    sleeper = Sleeper()
    world = make_world(sleep=sleeper)
    await begun(world, sleeper)
    await world.rp.start()  # a second time changes nothing

    assert (1, 1) == (world.op.count("discovery"), world.op.count("jwks"))
    await world.begin()
    assert (1, 1) == (world.op.count("discovery"), world.op.count("jwks"))
    await world.close()


async def test_metadata_are_read_again_about_once_an_hour_and_survive_an_outage():
    """OIDC Discovery §4: sessions go on while the issuer's documents cannot be had."""
    sleeper = Sleeper()
    world = make_world(sleep=sleeper)
    await begun(world, sleeper)
    world.op.always("discovery", Reply(503))
    await sleeper.wake(world)

    assert (2, True) == (world.op.count("discovery"), world.rp.ready)
    assert world.rp.last_error is not None
    assert "alice" == (await world.login()).claims["sub"]
    await world.close()


async def test_closing_leaves_nothing_behind():
    """No task, no connection."""
    world = make_world()
    world.op.hold("discovery")
    await world.rp.start()
    await asyncio.sleep(0)
    await world.rp.close()

    assert {asyncio.current_task()} == asyncio.all_tasks()
    with pytest.raises(IssuerUnavailable):
        await world.rp.ensure_ready()


async def test_the_whole_way_over_a_real_socket():
    """Nothing of it depends on the in-process transport."""
    from bff.oidc.relying_party import RelyingParty
    from bff.oidc.transport import IssuerTransport
    from tests.oidc_world import Clock, make_client

    async with serve() as op:
        op.clock = clock = Clock()
        transport = IssuerTransport()
        rp = RelyingParty(make_client(op), TokenRules(access_token_audience=(API,)), transport, clock=clock)
        world = World(op, rp, clock, transport)
        grant = await world.login()
        renewed = await rp.renew(grant.tokens, grant.claims)
        assert {"sub": "alice", "email": "alice@example.test"} == await rp.userinfo(
            renewed.tokens.access_token, "alice"
        )
        assert "alice" == (await rp.check_logout_token(op.logout_token())).sub
        await rp.revoke(renewed.tokens)
        await world.close()


async def test_no_secret_shows_in_what_is_printed_or_told(world: World):
    """No token, code, verifier or secret in repr, events or errors."""
    attempt, query = await world.begin()
    grant = await world.rp.redeem(world.code(query, attempt), attempt)
    world.op.script("token", json_reply({"error": "invalid_client", "error_description": "x"}, 401))
    with pytest.raises(IssuerUnavailable) as caught:
        await world.rp.renew(grant.tokens, grant.claims)

    printed = repr([grant, grant.tokens, attempt, world.events, caught.value, caught.value.detail, world.rp.client])
    secrets = [
        grant.tokens.access_token,
        grant.tokens.refresh_token,
        grant.tokens.id_token,
        attempt.state,
        attempt.nonce,
        attempt.code_verifier,
        world.op.client_secret,
    ]
    assert [] == [secret for secret in secrets if secret in printed]
