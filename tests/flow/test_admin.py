"""The admin API from end to end: what it shows, what it ends, and what the audit log hears of it."""

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest

from bff.config.settings import AtRest
from bff.session.ending import REVOKED_BEFORE
from tests.administered import ADDRESS, administered, handle_of, managed, signed_in
from tests.internet import World, eventually


@pytest.fixture
async def world():
    """Two workers of a product that is administered."""
    async with World(settings=administered(), workers=2) as world:
        yield world


async def revoke(world, **order):
    """Have the operator end sessions; return the counts."""
    answer = await managed(world, "POST", "/admin/revocations", order)
    assert 200 == answer.status, answer
    return answer.document


async def test_operator_learns_who_asks_and_what_is_administered(world):
    """`/me` answers the token's holder and a session with a role, each by what they are."""
    browser = await signed_in(world)

    by_token = (await managed(world, "GET", "/admin/me")).document
    by_session = (await browser.get("/bff/admin/me")).document

    assert ("token", "token", {}) == (by_token["operator"], by_token["kind"], by_token["claims"])
    assert ("alice", "session") == (by_session["operator"], by_session["kind"])
    assert {"public_url": "https://app.test", "store": "memory", "client_id": "spa"} == {
        name: by_session[name] for name in ("public_url", "store", "client_id")
    }


async def test_sessions_are_listed_page_by_page_and_filtered(world):
    """Every session comes once, whatever the size of the pages; filters are by user, role, client and issuer."""
    for subject in ("alice", "bob", "bob", "carol"):
        await signed_in(world, subject)
    subjects, after, pages = [], "", 0
    while True:
        page = (await managed(world, "GET", f"/admin/sessions?limit=3&after={after}")).document
        subjects += [item["subject"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        after = page["next"]

    async def found(query):
        return sorted(
            item["subject"] for item in (await managed(world, "GET", f"/admin/sessions?{query}")).document["items"]
        )

    assert (["alice", "bob", "bob", "carol"], 2) == (sorted(subjects), pages)
    assert ["bob", "bob"] == await found("subject=bob")
    assert ["alice"] == await found("role=admin")
    assert ["bob", "bob"] == await found("role=reader&subject=bob")
    assert [] == await found("role=admin&subject=bob")
    assert 4 == len(await found("client=spa&issuer=" + quote("https://op.test", safe="")))
    assert [] == await found("client=other")


async def test_session_is_shown_with_where_its_roles_come_from_and_what_they_open(world):
    """An operator sees in one answer why somebody may do something."""
    bob = await signed_in(world, "bob")
    handle = await handle_of(bob)

    shown = (await managed(world, "GET", f"/admin/sessions/{handle}")).document

    assert (handle, "bob", ["reader"]) == (shown["session"], shown["subject"], shown["roles"])
    assert [{"role": "reader", "kind": "subject", "source": "bob", "text": "given to the subject bob"}] == shown[
        "origins"
    ]
    assert [("/api", ["GET", "HEAD"], 1)] == [
        (opens["route"], opens["methods"], opens["rule"]) for opens in shown["opens"]
    ]
    assert "not_found" == (await managed(world, "GET", "/admin/sessions/nobody")).code


@pytest.mark.parametrize(
    ("order", "ended"),
    [
        ({"subject": "bob"}, {"bob"}),
        ({"role": "admin"}, {"alice"}),
        ({"client": "spa"}, {"alice", "bob", "carol"}),
        ({"issuer": "https://op.test"}, {"alice", "bob", "carol"}),
        ({"all": True}, {"alice", "bob", "carol"}),
        ({"role": "nobody's"}, set()),
    ],
    ids=["subject", "role", "client", "issuer", "all", "nobody"],
)
async def test_revocation_bites_at_once_on_every_worker(world, order, ended):
    """Whoever is named is refused by the worker that knows the session as by the other one; nobody else is."""
    browsers = {subject: await signed_in(world, subject) for subject in ("alice", "bob", "carol")}
    for browser in browsers.values():
        for worker in (0, 1):
            assert await browser.at(worker).user() is not None

    counts = await revoke(world, **order)
    await asyncio.sleep(0)

    assert {"matched": len(ended), "ended": len(ended), "partial": False} == counts
    for worker in (0, 1):
        signed_out = set()
        for subject, browser in browsers.items():
            answer = await browser.at(worker).get("/bff/user")
            if answer.status == 401:
                assert "revoked" == answer.document["reason"]
                signed_out.add(subject)
        assert ended == signed_out


async def test_one_session_of_a_user_can_be_ended_alone(world):
    """A handle names one browser; the user's other one goes on."""
    one, other = await signed_in(world, "bob"), await signed_in(world, "bob")

    assert 1 == (await revoke(world, session=await handle_of(one)))["ended"]
    assert await one.user() is None
    assert await other.user() is not None


async def test_revocation_before_a_moment_spares_what_began_later(world):
    """After a leak, whatever began before it ends; logins since then stand."""
    early = await signed_in(world, "alice")
    world.clock.advance(100)
    moment = world.clock()
    world.clock.advance(100)
    late = await signed_in(world, "bob")

    assert {"matched": 1, "ended": 1, "partial": False} == await revoke(world, before=moment)
    assert await early.user() is None
    assert await late.user() is not None


async def test_dry_run_counts_and_ends_nothing(world):
    """Before a large revocation, an operator can see how large it is."""
    browser = await signed_in(world)

    assert {"matched": 1, "ended": 0, "partial": False} == await revoke(world, all=True, dry_run=True)
    assert await browser.user() is not None
    assert await world.store.recall(REVOKED_BEFORE, world.clock()) is None


@pytest.mark.parametrize(
    "order",
    [{"all": True}, {"subject": "alice"}, {"role": "admin"}, {"client": "spa"}, {"issuer": "https://op.test"}],
    ids=lambda order: next(iter(order)),
)
async def test_login_under_way_does_not_slip_through(world, order):
    """Whoever signed in at the issuer before the revocation and comes back after it has to sign in again."""
    browser = world.browser()
    url = await browser.begin_login()
    callback = world.op.login(url).removeprefix("https://app.test")
    gate = world.store.hold("create")  # the session is about to be written
    finishing = asyncio.ensure_future(browser.get(callback, csrf=False, cross_site=True))
    await gate.reached.wait()
    world.clock.advance(1)

    assert 0 == (await revoke(world, **order))["matched"]
    gate.opened.set()
    answer = await finishing

    assert 400 == answer.status
    assert await browser.user() is None
    assert "logged_out_meanwhile" == world.told("login.failed")[0]["reason"]
    world.clock.advance(1)
    await browser.log_in()
    assert await browser.user() is not None


async def test_worker_that_holds_a_revoked_session_revokes_its_tokens(world):
    """A session that was ended without its cookie leaves no refresh token at the issuer (RFC 7009)."""
    browser = await signed_in(world)
    await browser.at(1).user()

    await revoke(world, subject="alice")

    await eventually(lambda: 1 == len(world.told("tokens.revoked")))


async def test_tokens_of_sessions_that_nobody_holds_are_revoked_at_once_when_the_servers_key_opens_them():
    """With `at_rest = "server"` an operator's revocation reaches the issuer though the browser never comes back."""
    async with World(settings=administered(at_rest=AtRest.SERVER)) as world:
        for subject in ("alice", "bob"):
            await signed_in(world, subject)
        fresh = await world.start_worker()  # knows none of the sessions
        world.bffs[0].sessions._by_key.clear()
        world.bffs[0].sessions._by_cookie.clear()

        assert 2 == (await managed(world, "POST", "/admin/revocations", {"all": True}, worker=1)).document["ended"]

        assert fresh is world.bffs[1]
        await eventually(lambda: 2 == len(world.told("tokens.revoked")))
        left = {token for token in world.op._desk._refresh_tokens if not world.op.is_revoked(token)}
        assert set() == left


async def test_store_that_fails_on_the_way_is_told_and_the_next_run_does_the_rest(world):
    """A revocation that broke off says so, and repeating it ends what it left."""
    for subject in ("alice", "bob"):
        await signed_in(world, subject)
    world.store.fail("end_many")

    answer = await managed(world, "POST", "/admin/revocations", {"all": True})
    assert (503, "session_store_unavailable") == (answer.status, answer.code)
    assert "failed" == world.told("admin.act")[-1]["outcome"]

    await revoke(world, all=True)
    assert [] == (await managed(world, "GET", "/admin/sessions")).document["items"]


async def test_every_act_and_every_look_at_somebody_is_audited(world):
    """The audit log names who did what to whom, from where and in which call; sessions that ended name by whom."""
    bob = await signed_in(world, "bob")
    handle = await handle_of(bob)
    alice = await signed_in(world, "alice")

    await alice.get("/bff/admin/sessions?role=reader")
    await managed(world, "GET", f"/admin/sessions/{handle}")
    await alice.post(
        "/bff/admin/revocations",
        body=b'{"subject": "bob", "note": "left"}',
        headers={"content-type": "application/json"},
    )

    acts = world.told("admin.act")
    assert [
        ("alice", "session", "sessions.list", "role:reader", "ok", "192.0.2.7"),
        ("token", "token", "sessions.show", f"session:{handle}", "ok", ADDRESS),
        ("alice", "session", "revocation", "subject:bob", "ok", "192.0.2.7"),
    ] == [tuple(act[name] for name in ("operator", "kind", "act", "target", "outcome", "address")) for act in acts]
    assert ("left", 1) == (acts[-1]["note"], acts[-1]["ended"])
    assert all(act["request_id"] for act in acts)
    assert [{"session": handle, "subject": "bob", "by": "alice"}] == world.told("session.revoked")


async def test_decisions_are_explained_in_the_words_of_the_command_line(world):
    """The console and `bff access explain` give the same text."""
    bob = await signed_in(world, "bob")
    question = {"method": "delete", "path": "/api/orders?x=1", "session": await handle_of(bob)}

    answer = (await managed(world, "POST", "/admin/decisions", question)).document

    assert ("deny", "/api", None, "role_missing", ["reader"], ["the role admin"]) == tuple(
        answer[name] for name in ("outcome", "route", "rule", "reason", "roles", "needed")
    )
    assert [(1, False), (2, False)] == [(step["position"], step["fits"]) for step in answer["steps"]]
    assert answer["text"].startswith("DELETE /api/orders\n  route   /api\n  roles   reader\n")

    allowed = {"method": "GET", "path": "/api/orders", "roles": ["reader"]}
    granted = (await managed(world, "POST", "/admin/decisions", allowed)).document
    assert ("allow", 1) == (granted["outcome"], granted["rule"])
    nowhere = (await managed(world, "POST", "/admin/decisions", {"method": "GET", "path": "/nowhere"})).document
    assert ("no_route", None) == (nowhere["outcome"], nowhere["route"])


async def test_routes_come_with_their_rules_in_words_and_what_is_to_be_said_of_them(world):
    """A manager reads who may do what without the file."""
    (route,) = (await managed(world, "GET", "/admin/routes")).document["items"]

    assert ("/api", "user", "header", False) == tuple(
        route[name] for name in ("path", "token", "csrf", "websocket")
    )
    assert [1, 2] == [rule["position"] for rule in route["rules"]]
    assert "allow GET, HEAD for reader or admin" == route["rules"][0]["text"]
    assert {"upstream_in_clear"} <= {finding["rule"] for finding in route["findings"]}
    levels = [item["level"] for item in (await managed(world, "GET", "/admin/findings")).document["items"]]
    assert sorted(levels, key=["error", "warning", "info"].index) == levels
    assert levels


async def test_page_that_refreshes_itself_keeps_no_session_open(world):
    """An unattended console logs its operator out as any page does (OWASP ASVS 7.3.1)."""
    alice = await signed_in(world)
    before = (await alice.get("/bff/user?slide=false")).document["session"]["idle_expires_in"]
    world.clock.advance(120)

    await alice.get("/bff/admin/overview?slide=false")
    assert before - 120 == (await alice.get("/bff/user?slide=false")).document["session"]["idle_expires_in"]
    await alice.get("/bff/admin/overview")
    assert before == (await alice.get("/bff/user?slide=false")).document["session"]["idle_expires_in"]


async def test_what_is_found_in_tokens_at_one_worker_is_shown_by_the_other_one(world):
    """Findings name the claim and never its value, and which worker answers makes no difference."""
    world.op.access_token = {"ssn": "123-45-6789"}
    await signed_in(world, worker=0)
    await eventually(lambda: not world.bffs[0]._background._tasks)

    (found,) = [
        item
        for item in (await managed(world, "GET", "/admin/findings", worker=1)).document["items"]
        if item["where"] == "access_token ssn"
    ]

    assert "123-45-6789" not in repr(found)
    assert b"ssn" not in repr(world.store.inner.documents.__dict__).encode()  # what lies in the store is sealed


async def test_revocation_that_takes_long_answers_and_goes_on(monkeypatch):
    """A large run does not hold the call open; it is finished behind the answer, which says so."""
    monkeypatch.setattr("bff.assembly.administration._PATIENCE", 0.05)
    async with World(settings=administered()) as world:
        browser = await signed_in(world)
        gate = world.store.hold("end_many")

        counts = await revoke(world, all=True)

        assert {"matched": 1, "ended": 0, "partial": True} == counts
        assert True is world.told("admin.act")[-1]["partial"]
        gate.opened.set()
        await eventually(lambda: 1 == len(world.told("session.revoked")))
        assert await browser.user() is None


async def test_role_that_is_assigned_for_a_time_counts_as_held(tmp_path):
    """Operators see, filter by and revoke by the roles of the moment, wherever they come from."""
    path = tmp_path / "assignments.toml"
    path.write_text(
        '[[assignment]]\nsubject = "carol"\nrole = "contractor"\nuntil = 2027-01-15T09:00:00Z\n', "utf-8"
    )
    settings = administered()
    settings = replace(settings, roles=replace(settings.roles, assignments=str(path)))
    async with World(settings=settings) as world:
        carol = await signed_in(world, "carol")
        handle = await handle_of(carol)

        shown = (await managed(world, "GET", f"/admin/sessions/{handle}")).document
        assert ["contractor"] == shown["roles"]
        assert ["assignment"] == [origin["kind"] for origin in shown["origins"]]
        assert 1 == (await revoke(world, role="contractor", dry_run=True))["matched"]
        world.clock.advance(3601)
        await carol.log_in()
        assert 0 == (await revoke(world, role="contractor"))["matched"]
        assert await carol.user() is not None


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/admin/sessions", None),
        ("GET", "/admin/sessions/x", None),
        ("GET", "/admin/overview", None),
        ("GET", "/admin/subjects", None),
        ("POST", "/admin/decisions", {"method": "GET", "path": "/api", "session": "x"}),
        ("POST", "/admin/revocations", {"all": True}),
    ],
)
async def test_store_that_is_away_is_told_as_such_and_nobody_is_logged_out(world, method, target, body):
    """An operator learns that the store does not answer, not that there are no sessions."""
    browser = await signed_in(world)
    world.store.down = True

    answer = await managed(world, method, target, body)

    world.store.down = False
    assert (503, "session_store_unavailable", "2") == (answer.status, answer.code, answer.header("retry-after"))
    assert await browser.user() is not None
