"""The corners of a renewal: leases of the dead, slow issuers, other people's writes, an operator's own mistakes."""

import asyncio
from dataclasses import replace

import pytest

from bff.config.settings import KeysSettings, Secret
from bff.crypto.key_ring import KeyRing
from bff.errors import RenewalUnchecked
from bff.session import renewal, renewal_lease
from bff.session.vault import Vault
from tests.forging import rsa_key
from tests.internet import COOKIE, KEYS, PATIENCE, eventually, settle
from tests.neg_op import Reply, json_reply

EXPIRED, DUE = 296, 250


async def warm(world, browser, worker=0):
    """Have a worker hold the session; return it."""
    return await world.bffs[worker].sessions.load(browser.cookies[COOKIE].encode(), world.clock())


async def test_lease_of_a_worker_that_died_is_taken_over_when_it_runs_out(world, monkeypatch):
    """Nobody gives it back and nobody pushes: the waiting ends a little after the lease."""
    monkeypatch.setattr(renewal_lease, "_STRAGGLER", 0.02)
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    await world.store.inner.acquire(live.key, b"dead", world.clock(), 6.0)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await settle()
    assert not waiting.done()

    world.clock.advance(7)

    assert 200 == (await asyncio.wait_for(waiting, PATIENCE)).status
    assert 1 == world.refreshes()


async def test_lease_that_is_never_free_is_a_503_after_a_while(world, monkeypatch):
    """A request does not wait for ever, and asks nobody behind the owner's back."""
    monkeypatch.setattr(renewal_lease, "_STRAGGLER", 0.01)
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    await world.store.inner.acquire(live.key, b"other", world.clock(), 1000.0)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await settle()

    world.clock.advance(16)
    answer = await asyncio.wait_for(waiting, PATIENCE)

    assert (503, "issuer_unavailable", 0) == (answer.status, answer.code, world.refreshes())


async def test_session_that_ends_while_its_renewal_waits_for_the_lease(world):
    """The end is pushed, and whoever waited is told of it."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    await world.store.inner.acquire(live.key, b"other", world.clock(), 1000.0)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await settle()

    await world.back_channel_logout()
    answer = await asyncio.wait_for(waiting, PATIENCE)

    assert ("session_expired", "backchannel_logout") == (answer.code, answer.document["reason"])


async def test_request_waits_only_so_long_for_a_slow_issuer(world, monkeypatch):
    """503 for the request; the renewal goes on, and the next request profits from it."""
    monkeypatch.setattr(renewal, "PATIENCE", 0.02)
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)

    answer = await browser.get("/api/x")
    held.set()
    await eventually(lambda: world.told("renewal.done"))

    assert (503, "issuer_unavailable", "2") == (answer.status, answer.code, answer.header("retry-after"))
    assert (200, 1) == ((await browser.get("/api/x")).status, world.refreshes())


async def test_lease_is_prolonged_while_the_issuer_takes_its_time(world, monkeypatch):
    """A slow answer does not hand the session to another worker, who would spend the same token again."""
    monkeypatch.setattr(renewal_lease, "_PROLONG", 0.001)
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await eventually(lambda: 1 == world.refreshes())
    for _ in range(5):
        world.store.fail("acquire")
        taken = world.store.times("acquire")
        await eventually(lambda taken=taken: world.store.times("acquire") > taken + 1)
        world.clock.advance(4)
        await eventually(
            lambda: world.store.inner._leases.rows[live.key].until >= world.clock() + renewal_lease.LEASE
        )

    assert None is await world.store.inner.acquire(live.key, b"other", world.clock(), 6.0)
    held.set()
    assert 200 == (await waiting).status


async def test_write_is_recognised_though_nobody_pushed_it(world):
    """The answer to the write and the push of it are both lost: the second look finds our own tokens."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)
    world.store.lose_pushes()
    await settle()
    world.store.fail("replace", done=True)

    assert 200 == (await browser.get("/api/x")).status

    (record,) = await world.store.inner.find(now=world.clock())
    assert (2, 1) == (record.version, len(world.told("renewal.done")))


@pytest.mark.parametrize("readable", [True, False])
async def test_write_of_somebody_else_in_between_does_not_lose_our_newer_tokens(world, readable):
    """Whether or not this worker has the key with which the other one wrote."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await eventually(lambda: 1 == world.refreshes())
    world.store.lose_pushes()
    await settle()
    vault = Vault(KeyRing([KEYS[0] if readable else KEYS[1]]), "spa")
    other = vault.seal(live.session, live.ticket, version=2, idle_expires_at=live.idle_expires_at)
    assert await world.store.inner.replace(other, 1)
    held.set()

    assert 200 == (await waiting).status

    (record,) = await world.store.inner.find(now=world.clock())
    ring = KeyRing([KEYS[0]])
    stored = Vault(ring, "spa").open(record.key, record.sealed, live.ticket)
    assert (3, live.tokens) == (record.version, stored.tokens)
    world.store.restore_pushes()


async def test_refusal_after_somebody_else_has_renewed_ends_nothing(world):
    """invalid_grant for a token that another worker has spent: its result is used instead."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.op.script("token", json_reply({"error": "invalid_grant"}, 400))
    world.clock.advance(EXPIRED)
    live = await warm(world, browser)
    waiting = asyncio.ensure_future(browser.get("/api/x"))
    await eventually(lambda: 1 == world.refreshes())
    vault = Vault(KeyRing([KEYS[0]]), "spa")
    fresh = replace(live.session.tokens, access_token="by-another", expires_at=world.clock() + 300)
    written = vault.seal(replace(live.session, tokens=fresh), live.ticket, version=2, idle_expires_at=9e9)
    assert await world.store.inner.replace(written, 1)
    held.set()

    assert 200 == (await waiting).status
    assert ["Bearer by-another"] == world.upstream.seen[-1].header("authorization")
    assert [] == world.told("renewal.refused")


async def test_mistake_in_an_operator_s_mapping_costs_no_refresh_token(world):
    """The roles stay as they were, the mistake is told, and the session goes on."""
    world.op.id_token["roles"] = ["reader"]
    browser = world.browser()
    await browser.log_in()

    def broken(_grant):
        raise ZeroDivisionError("secret")

    world.bffs[0].renewer._principal_of = broken
    world.clock.advance(EXPIRED)

    assert 200 == (await browser.get("/api/x")).status
    assert ["reader"] == (await browser.user())["roles"]
    assert ["ZeroDivisionError"] == [event["error"] for event in world.told("principal.failed")]


async def test_unchecked_renewal_keeps_the_new_refresh_token_alone(world):
    """Nothing of an answer that cannot be checked is used, but the token that replaces the spent one is kept."""
    browser = world.browser()
    await browser.log_in()
    live = await warm(world, browser)
    before = live.tokens

    async def unchecked(_tokens, _claims):
        raise RenewalUnchecked("kept")

    world.bffs[0].renewer._refresh, honest = unchecked, world.bffs[0].renewer._refresh
    world.clock.advance(EXPIRED)
    answer = await browser.get("/api/x")

    assert (503, replace(before, refresh_token="kept")) == (answer.status, live.tokens)
    (record,) = await world.store.inner.find(now=world.clock())
    assert 2 == record.version
    world.bffs[0].renewer._refresh = honest


async def test_keys_that_are_replaced_during_an_outage_cost_nothing(world):
    """The issuer signs with a key that we cannot fetch: 503 until we can, and then the session goes on."""
    browser = world.browser()
    await browser.log_in()
    world.op.rotate_keys(rsa_key(1))
    world.op.always("jwks", Reply(503))
    world.clock.advance(EXPIRED)
    await browser.get("/api/x")
    world.op.always("jwks", None)
    keys = world.bffs[0].relying_party._keys
    keys._retry_at = 0.0
    for gate in keys._gates.values():
        gate.opens_at = 0.0
    world.clock.advance(40)

    assert 200 == (await browser.get("/api/x")).status
    used = [seen.form["refresh_token"] for seen in world.op.requests("token", grant_type="refresh_token")]
    assert len(used) == len(set(used))


async def test_leftover_of_another_key_is_left_alone(world):
    """A tombstone that this worker cannot open is for one that can: no crash, and no revocation."""
    browser = world.browser()
    await browser.log_in()
    await world.start_worker(keys=KeysSettings((Secret(KEYS[1]), Secret(KEYS[0]))))
    live = await warm(world, browser)
    junk = replace((await world.store.inner.find(now=world.clock()))[0], sealed=b"\x01" + b"x" * 60)
    world.store.inner._sessions.rows[live.key] = junk
    await world.store.inner.end(live.key, "admin", world.clock(), keep_sealed=True)

    assert "session_expired" == (await browser.at(1).get("/api/x")).code
    await settle()

    assert ([], 0) == (world.told("background.crashed"), world.op.count("revoke"))


async def test_store_that_fails_while_a_push_is_followed_makes_the_next_request_look(two_workers):
    """A renewal was pushed and could not be read: what this worker has is not believed any more."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    one, two = await warm(world, browser, 0), await warm(world, browser, 1)
    await browser.at(1).get("/api/x")
    world.clock.advance(DUE - 5)
    await warm(world, browser, 1)
    held = world.store.hold("replace", done=True)
    await browser.get("/api/x")
    await asyncio.wait_for(held.reached.wait(), PATIENCE)
    world.store.fail("load", times=3)
    held.open()
    await eventually(lambda: world.told("renewal.done"))
    await settle()
    world.store._steps["load"].clear()

    assert 200 == (await browser.at(1).get("/api/x")).status
    assert one.tokens == two.tokens
