"""Notes beside the requests: cheap, bounded, kept while the store is away, and never in a request's way."""

import asyncio
from types import SimpleNamespace

import pytest

from bff.access import usage as module
from bff.access.openings import ReviewedRoute
from bff.access.review_records import parse_use
from bff.access.review_registry import Registry
from bff.access.roles import RoleOrigin
from bff.access.usage import Usage, name_rule
from bff.crypto.key_ring import KeyRing, new_key
from bff.errors import SessionStoreUnavailable
from bff.session.principal import Principal
from bff.session.stores.memory_documents import MemoryDocuments
from tests.unit.access.policies import NOW, policy

ROUTES = [ReviewedRoute("/api", policy('{ methods = ["GET"], roles = ["reader"], claims.dept = "sales" }'))]


class Away(MemoryDocuments):
    """A store that can be away, or hang."""

    fault: BaseException | None = None
    hangs = False

    async def read(self, collection, keys, now):
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return await super().read(collection, keys, now)


class Desk:
    """One worker's notes on a store, and what was told of them."""

    def __init__(self):
        self.documents = Away()
        self.registry = Registry(self.documents, KeyRing([new_key()]), 86_400.0 * 400)
        self.events = []
        self.now = NOW
        origins = [RoleOrigin("reader", "claim", "roles", "ID token"), RoleOrigin("x", "subject", "alice")]
        self.usage = Usage(
            self.registry,
            ROUTES,
            lambda _grant: origins,
            lambda: self.now,
            lambda name, fields: self.events.append((name, fields)),
        )

    async def everybody(self):
        entries, _ = await self.registry.page(self.now, b"", 100)
        return {entry.seen.subject: entry.seen for entry in entries}


def live(subject="alice", **claims):
    """A session, as far as notes look at it."""
    principal = Principal("i", subject, frozenset({"reader"}), {"sub": subject, **claims})
    return SimpleNamespace(uses={}, principal=principal, tokens=SimpleNamespace(scope="openid", issued_at=NOW - 60))


@pytest.fixture
def desk():
    return Desk()


async def test_a_use_tells_who_it_was_and_by_which_rule(desk):
    """Who began before there was a registry is known by their session."""
    session = live(dept="sales", email="alice@example.com")
    desk.usage.note(session, "/api", "GET", 0, NOW + 1)
    desk.usage.note(session, "/api", "GET", 0, NOW + 2)
    assert await desk.usage.flush()
    seen = (await desk.everybody())["alice"]

    assert [("/api", "GET", name_rule(ROUTES[0].policy.rules[0].text))] == [
        (use.route, use.method, use.rule) for use in map(parse_use, seen.uses)
    ]
    assert (NOW + 2, NOW - 60, ("reader",), "openid") == (
        seen.last_use_at,
        seen.told_at,
        seen.roles,
        seen.scope,
    )
    assert {"dept": "sales"} == seen.claims  # no more of the claims than rules ask for
    assert {} == session.uses


async def test_what_tokens_say_and_a_login_are_two_things(desk):
    """Origins that are configuration's are not kept: they may be others tomorrow."""
    grant = SimpleNamespace(tokens=SimpleNamespace(scope="openid"))
    desk.usage.told(grant, live(name="Alice").principal)
    assert await desk.usage.flush()
    told = (await desk.everybody())["alice"]
    desk.now += 5
    desk.usage.logged_in(live().principal, desk.now)
    assert await desk.usage.flush()
    logged_in = (await desk.everybody())["alice"]

    assert ("Alice", (("reader", "claim", "roles", "ID token"),), 0.0) == (
        told.name,
        told.origins,
        told.last_login_at,
    )
    assert ("Alice", NOW, NOW + 5) == (logged_in.name, logged_in.first_seen_at, logged_in.last_login_at)


async def test_what_could_not_be_written_waits(desk):
    """Told once for each time that the store is away."""
    desk.usage.logged_in(live().principal, NOW)
    desk.documents.fault = SessionStoreUnavailable()
    assert not await desk.usage.flush()
    desk.usage.note(live(), "/api", "GET", 0, NOW + 9)
    assert not await desk.usage.flush()
    desk.documents.fault = None
    assert await desk.usage.flush()
    seen = (await desk.everybody())["alice"]

    assert (NOW, NOW + 9) == (seen.last_login_at, seen.last_use_at)
    assert ["registry.unavailable"] == [name for name, _ in desk.events]


async def test_a_flush_that_is_cancelled_loses_nothing(desk):
    """As at the end of a worker."""
    desk.usage.logged_in(live().principal, NOW)
    desk.documents.hangs = True
    flushing = asyncio.create_task(desk.usage.flush())
    await asyncio.sleep(0.01)
    flushing.cancel()
    await asyncio.wait([flushing])
    desk.documents.hangs = False
    assert await desk.usage.flush()

    assert {"alice"} == (await desk.everybody()).keys()


async def test_a_worker_that_ends_says_what_it_could_not_write(desk, monkeypatch):
    """A store that hangs holds no stop up."""
    monkeypatch.setattr(module, "_AT_CLOSE", 0.01)
    desk.usage.logged_in(live().principal, NOW)
    desk.documents.hangs = True
    await desk.usage.close()

    assert [("registry.lost", {"subjects": 1})] == desk.events


async def test_a_worker_that_ends_with_nothing_to_write_lost_nothing(desk, monkeypatch):
    """Whatever the store does."""
    monkeypatch.setattr(module, "_AT_CLOSE", 0.01)
    desk.documents.hangs = True
    await desk.usage.close()

    assert [] == [event for event, _ in desk.events if event == "registry.lost"]


async def test_notes_are_bounded(desk, monkeypatch):
    """However many come while the store is away; it is told once, and requests go on."""
    monkeypatch.setattr(module, "MOST", 3)
    desk.documents.fault = SessionStoreUnavailable()
    for number in range(10):
        desk.usage.logged_in(live(f"s{number}").principal, NOW)
        desk.usage.note(live(f"u{number}"), "/api", "GET", 0, NOW)
    assert not await desk.usage.flush()
    desk.documents.fault = None
    assert await desk.usage.flush()

    assert 3 == len(await desk.everybody())
    assert ["registry.full", "registry.unavailable"] == [name for name, _ in desk.events]


async def test_uses_of_one_session_are_bounded(desk, monkeypatch):
    """Anybody who is signed in may send any method."""
    monkeypatch.setattr(module, "MOST_USES", 5)
    session = live()
    for number in range(20):
        desk.usage.note(session, "/api", f"M{number}", -1, NOW)

    assert 5 == len(session.uses)


async def test_roles_that_were_seen_are_told_now_and_then(desk):
    """Not with every flush."""
    for _ in range(3):
        desk.usage.told(SimpleNamespace(tokens=SimpleNamespace(scope="")), live().principal)
        assert await desk.usage.flush()
    (document,) = await desk.documents.page("roles", desk.now)

    assert 1 == document.version
    assert {"reader"} == await desk.registry.roles(desk.now)


async def test_what_cannot_be_written_stops_nobody_else(desk):
    """Half a surrogate pair in a name: JSON can hold it, UTF-8 cannot (RFC 8259 §8.2)."""
    grant = SimpleNamespace(tokens=SimpleNamespace(scope=""))
    for odd in (live("bob", name="\ud800"), live("b\udfffb"), live("carol", dept="\ud800")):
        desk.usage.told(grant, odd.principal)
        desk.usage.logged_in(odd.principal, NOW)
        desk.usage.note(odd, "/api", "GET", 0, NOW)
    desk.usage.told(grant, live().principal)
    assert await desk.usage.flush()
    seen = await desk.everybody()

    assert {"alice", "bob", "carol"} == seen.keys()
    assert seen["carol"].claims is None
    assert {("registry.failed", "cannot_be_written")} == {(name, fields["error"]) for name, fields in desk.events}


async def test_a_mistake_of_ours_does_not_end_the_writing(desk):
    """It is told, and tried again a minute later."""
    desk.usage.logged_in(live().principal, NOW)
    desk.documents.fault = ZeroDivisionError()
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        desk.documents.fault = None
        if len(slept) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await desk.usage.run(sleep)

    assert [60.0, 60.0] == slept
    assert [("background.crashed", {"task": "write-registry", "error": "ZeroDivisionError"})] == desk.events
    assert {"alice"} == (await desk.everybody()).keys()
