"""Workers of two versions on one store."""

from dataclasses import replace

from bff.session.record_form import build_record, parse_record
from bff.session.session import Unknown
from tests.internet import COOKIE, settle

RECORD = b"session-record"
EXPIRED = 296


async def rewritten(world, change):
    """Have a newer version write the one session there is; `change` is from what was sealed to what is sealed."""
    worker = world.bffs[0].sessions
    (live,) = worker.known()
    record = await world.store.inner.load(live.key, world.clock())
    bound = {"associated": record.key, "bound_to": live.ticket.secret}
    ring = worker._vault.ring
    sealed = ring.seal(RECORD, change(ring.open(RECORD, record.sealed, **bound)), **bound)
    assert await world.store.inner.replace(replace(record, sealed=sealed), record.version)
    await settle()
    return record


async def signed_in(world):
    """A browser whose session the worker knows."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    return browser


async def test_record_of_a_newer_form_is_left_alone(world):
    """503 with Retry-After and a code that says so; the cookie is kept, nothing is written, and nothing renewed."""
    browser = await signed_in(world)
    cookie = browser.cookies[COOKIE]
    record = await rewritten(world, lambda _: b"\x03what only a newer version can read")
    (stored,) = await world.store.inner.find(now=world.clock())

    for seconds in (0, EXPIRED):
        world.clock.advance(seconds)
        for target in ("/api/tasks", "/bff/user"):
            refused = await browser.get(target)
            assert (503, "session_from_newer_version", "5") == (
                refused.status,
                refused.code,
                refused.header("retry-after"),
            )
            assert [] == refused.set_cookies
    assert 0 == world.refreshes()
    assert [stored] == await world.store.inner.find(now=world.clock())

    assert await world.store.inner.replace(
        record, stored.version
    )  # a newer worker writes the form that all can read
    await settle()
    assert cookie == browser.cookies[COOKIE]
    assert 200 == (await browser.get("/api/tasks")).status


async def test_fields_of_a_newer_version_survive_a_renewal(world):
    """An older worker that renews the tokens writes back what it does not know."""
    browser = await signed_in(world)
    future = Unknown(text={"device": "phone"}, credentials={"dpop_key": b"k"})
    await rewritten(world, lambda sealed: build_record(replace(parse_record(sealed), unknown=future)))
    world.clock.advance(EXPIRED)

    assert 200 == (await browser.get("/api/tasks")).status

    assert 1 == world.refreshes()
    (live,) = world.bffs[0].sessions.known()
    record = await world.store.inner.load(live.key, world.clock())
    assert future == world.bffs[0].sessions._vault.open(record.key, record.sealed, live.ticket).unknown


async def test_workers_half_a_minute_off_renew_once_and_keep_the_session(world):
    """One clock is half a minute behind and one ahead: logins, idle ends and renewals go on through the day."""
    for skew in (-30, 30):
        await world.start_worker(skew=skew)
    browser = world.browser(1)
    await browser.log_in()
    for hour in range(1, 8):
        for worker in (1, 2, 0):
            world.clock.advance(1190)
            assert 200 == (await browser.at(worker).get("/api/tasks")).status
        assert 3 * hour == world.refreshes()
    assert 1 == world.op.count("token", grant_type="authorization_code")
