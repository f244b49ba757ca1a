"""The access review over the admin API: seen, filtered, downloaded, recorded."""

import csv
import io
from dataclasses import replace

from bff.config.settings import AdminSettings, AllowSettings, ApiSettings, ReviewSettings, Secret
from tests.administered import TOKEN, managed
from tests.internet import World, make_settings

DAY = 86_400.0


def settings():
    """Two rules, a yearly review, and an operator."""
    return replace(
        make_settings(),
        api=(
            ApiSettings(
                "/api",
                "http://upstream.test/v1",
                allow=(
                    AllowSettings(methods=("GET",), roles=("reader",)),
                    AllowSettings(methods=("DELETE",), roles=("admin",)),
                ),
            ),
            ApiSettings("/vault", "http://upstream.test/v", allow=(AllowSettings(roles=("keeper",)),)),
        ),
        admin=AdminSettings(token=Secret(TOKEN)),
        review=ReviewSettings(interval=90 * DAY),
    )


class Operator:
    """Somebody with the token, at one worker's management listener."""

    def __init__(self, world: World, worker: int = 0) -> None:
        self._world = world
        self._app = world.bffs[worker].management()

    async def request(self, method: str, target: str, document: object = None):
        return await managed(self._world, method, target, document, app=self._app)

    async def get(self, target: str):
        response = await self.request("GET", target)
        assert 200 == response.status, response
        return response.document


async def sign_in(world: World, sub: str, *roles: str, name: str = ""):
    """Somebody logs in, with these roles."""
    world.op.sub = sub
    world.op.id_token["roles"] = list(roles)
    world.op.id_token["name"] = name
    browser = world.browser()
    await browser.log_in()
    return browser


async def seen(world: World) -> Operator:
    """What was noted is written; an operator comes."""
    for bff in world.bffs:
        assert await bff.reviewing.usage.flush()
    return Operator(world)


async def test_who_has_just_signed_in_is_on_the_list():
    """Notes are written once a minute, and before anybody looks at the worker that has them."""
    async with World(settings()) as world:
        await sign_in(world, "alice", "reader", name="Alice")

        listed = await Operator(world).get("/admin/review")

    assert ["alice"] == [item["subject"] for item in listed["items"]]


async def test_a_subject_is_shown_with_roles_openings_and_uses():
    """One item of the list, whole; and the same by its id."""
    async with World(settings()) as world:
        browser = await sign_in(world, "alice", "reader", name="Alice")
        login_at = world.clock.now
        world.clock.advance(7)
        await browser.get("/api/x")
        operator = await seen(world)

        listed = await operator.get("/admin/subjects")
        shown = await operator.get(f"/admin/subjects/{listed['items'][0]['id']}")

    assert [shown] == listed["items"]
    assert listed["next"] is None
    assert {
        "id": shown["id"],
        "subject": "alice",
        "name": "Alice",
        "issuer": "https://op.test",
        "roles": ["reader"],
        "origins": [{"role": "reader", "kind": "claim", "source": "roles", "text": "claim roles in the ID token"}],
        "opens": [{"route": "/api", "methods": ["GET"], "rule": 1, "text": "allow GET for reader"}],
        "first_seen_at": login_at,
        "last_login_at": login_at,
        "last_use_at": login_at + 7,
        "live_sessions": 1,
        "findings": [],
        "review": None,
    } == shown


async def test_filters_find_by_name_role_finding_and_disuse():
    """Each alone, and pages by the cursor that the page before gave."""
    async with World(settings()) as world:
        await sign_in(world, "bob", "reader", name="Bob the Builder")
        world.clock.advance(100 * DAY)
        await sign_in(world, "alice", "admin", "idle")
        operator = await seen(world)

        async def found(query: str) -> list[str]:
            return sorted(item["subject"] for item in (await operator.get(f"/admin/subjects?{query}"))["items"])

        assert ["alice", "bob"] == await found("limit=200")
        assert ["bob"] == await found("q=BUILD")
        assert ["alice"] == await found("role=admin")
        assert ["bob"] == await found("finding=unused")
        assert ["bob"] == await found("finding=unused_90_days")
        assert ["alice"] == await found("finding=role_opens_nothing:idle")
        assert ["alice"] == await found("finding=role_opens_nothing")
        assert ["bob"] == await found("unused_days=100")
        assert [] == await found("unused_days=101")
        first = await operator.get("/admin/subjects?limit=1")
        second = await operator.get(f"/admin/subjects?limit=1&after={first['next']}")
        assert {"alice", "bob"} == {item["subject"] for page in (first, second) for item in page["items"]}
        other = await operator.request("GET", f"/admin/subjects?limit=1&role=admin&after={first['next']}")

    assert (422, "invalid_request") == (other.status, other.code)


async def test_a_recorded_review_ends_sessions_and_stays():
    """Kept and revoked; told to the audit log; shown in the worksheet and in the history; never written over."""
    async with World(settings()) as world:
        alice = await sign_in(world, "alice", "admin")
        bob = await sign_in(world, "bob", "reader")
        operator = await seen(world)
        recorded = await operator.request(
            "POST",
            "/admin/reviews",
            {
                "note": "autumn",
                "decisions": [
                    {"subject": "alice", "decision": "keep"},
                    {"subject": "bob", "decision": "revoke", "note": "has left"},
                ],
            },
        )
        worksheet = {item["subject"]: item for item in (await operator.get("/admin/review"))["items"]}
        history = await operator.get("/admin/reviews")
        now = world.clock.now

        assert 201 == recorded.status, recorded
        assert {"items": [recorded.document], "next": None} == history
        assert (1, 1, now, now + 90 * DAY) == tuple(
            recorded.document[key] for key in ("kept", "revoked", "at", "due_at")
        )
        assert ["keep", "revoke"] == [worksheet[name]["decision"] for name in ("alice", "bob")]
        assert {"decision": "revoke", "at": now, "by": "token", "note": "has left"} == worksheet["bob"]["review"]
        assert 0 == worksheet["bob"]["live_sessions"]
        assert [200, 401] == [(await browser.get("/bff/user")).status for browser in (alice, bob)]
        told = [fields for name, fields in world.events if name == "review.recorded"]
        assert [("token", 1, 1)] == [(each["operator"], each["kept"], each["revoked"]) for each in told]

        world.clock.advance(91 * DAY)
        later = await operator.get("/admin/review")
        assert [None, None] == [item["decision"] for item in later["items"]]
        assert ["review_overdue"] == [
            item["rule"]
            for item in (await operator.get("/admin/findings"))["items"]
            if item["rule"] == "review_overdue"
        ]


async def test_a_review_of_somebody_unknown_or_twice_does_nothing():
    """The answer names the field; nobody's session has ended."""
    async with World(settings()) as world:
        alice = await sign_in(world, "alice", "admin")
        operator = await seen(world)
        revoke = {"subject": "alice", "decision": "revoke"}
        for decisions, said in (
            ([revoke, {"subject": "mallory", "decision": "keep"}], "decisions[1].subject: nobody"),
            ([revoke, revoke], "decisions[1].subject: it was decided before"),
            ([], "decisions"),
            ([{**revoke, "decision": "perhaps"}], "decision"),
        ):
            response = await operator.request("POST", "/admin/reviews", {"decisions": decisions})
            assert (422, "invalid_request") == (response.status, response.code)
            assert said in response.document["detail"]

        assert 200 == (await alice.get("/bff/user")).status
        assert [] == (await operator.get("/admin/reviews"))["items"]


async def test_a_store_that_is_away_is_a_503_and_nothing_is_recorded():
    """And the same order can be given again."""
    async with World(settings()) as world:
        await sign_in(world, "alice", "admin")
        operator = await seen(world)
        order = {"decisions": [{"subject": "alice", "decision": "revoke"}]}
        world.store.down = True
        for method, target in (
            ("GET", "/admin/subjects"),
            ("GET", "/admin/review.csv"),
            ("POST", "/admin/reviews"),
        ):
            response = await operator.request(method, target, order if method == "POST" else None)
            assert (503, "session_store_unavailable") == (response.status, response.code)
        world.store.down = False

        assert 201 == (await operator.request("POST", "/admin/reviews", order)).status


async def test_the_download_holds_everybody_and_no_formula():
    """One line a subject; a name that a spreadsheet would calculate is text (OWASP, CSV Injection)."""
    async with World(settings()) as world:
        await sign_in(world, "alice", "reader", name='=HYPERLINK("https://evil.test","x")')
        await sign_in(world, "bob", "+1+1", name="@SUM(A1)")
        operator = await seen(world)
        response = await operator.request("GET", "/admin/review.csv")
    header, *lines = csv.reader(io.StringIO(response.body.decode()))
    by_subject = {line[0]: dict(zip(header, line, strict=True)) for line in lines}

    assert "text/csv; header=present; charset=utf-8" == response.header("content-type")
    assert 'attachment; filename="access-review.csv"' == response.header("content-disposition")
    assert "no-store" == response.header("cache-control")
    assert {"alice", "bob"} == set(by_subject)
    assert '\'=HYPERLINK("https://evil.test","x")' == by_subject["alice"]["name"]
    assert ("'+1+1", "'@SUM(A1)") == (by_subject["bob"]["roles"], by_subject["bob"]["name"])
    assert "GET /api (rule 1)" == by_subject["alice"]["opens"]


async def test_a_route_that_nobody_who_was_seen_can_reach_is_a_finding():
    """/vault asks for a role that no token ever brought."""
    async with World(settings()) as world:
        await sign_in(world, "alice", "reader")
        operator = await seen(world)
        found = (await operator.get("/admin/findings"))["items"]
        unreachable = [item for item in found if item["rule"] == "route_unreachable"]

    assert ["api.1.allow"] == [item["where"] for item in unreachable]


async def test_filters_that_mean_nothing_are_refused():
    """A filter that is misspelt must not show everybody."""
    async with World(settings()) as world:
        operator = await seen(world)
        for query in (
            "unused_days=nan",
            "unused_days=-1",
            "unused_days=x",
            "limit=0",
            "limit=201",
            "name=x",
            "after=x",
        ):
            response = await operator.request("GET", f"/admin/subjects?{query}")
            assert (422, "invalid_request", query) == (response.status, response.code, query)


async def test_an_id_of_nobody_is_not_found():
    """Whatever it looks like."""
    async with World(settings()) as world:
        operator = await seen(world)
        for entry_id in ("ff", "0" * 64, "zz", "%2e%2e"):
            response = await operator.request("GET", f"/admin/subjects/{entry_id}")
            assert (404, "not_found") == (response.status, response.code)
