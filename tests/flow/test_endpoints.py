"""Our own endpoints: who is signed in, logging out, news for pages, health, the app's files, the plugin."""

import asyncio
import json
from dataclasses import replace

import pytest
from litestar import Litestar, get

from bff.app import Parts
from bff.config.settings import ApiSettings, ServerSettings, SpaSettings
from bff.oidc.transport import IssuerTransport
from bff.plugin import BFFPlugin
from tests.internet import COOKIE, PATIENCE, World, call_asgi, eventually, make_settings, settle
from tests.neg_op import REMOVED, Reply

# ── who is signed in ─────────────────────────────────────────────────────────────────────────────────────


async def test_user_is_told_what_a_page_may_know(world):
    """Allowed claims, roles and times; no token, no cookie, and a handle that opens nothing."""
    world.op.id_token.update(name="Alice", email="a@x.test", secret_claim="x", roles=["reader"], session="fake")
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(100)

    answer = await browser.get("/bff/user?slide=false")

    user = answer.document
    handle = user["session"]["id"]
    assert {
        "sub": "alice",
        "name": "Alice",
        "email": "a@x.test",
        "roles": ["reader"],
        "session": {"id": handle, "expires_in": 43100, "idle_expires_in": 3500},
        "logout_url": f"/bff/logout?sid={handle}",
    } == user
    assert "no-store" == answer.header("cache-control")
    for secret in (browser.cookies[COOKIE].encode(), b"eyJ"):
        assert secret not in answer.body


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"csrf": False}, 403, "csrf_header_required"),
        ({"headers": {"origin": "https://evil.test"}}, 403, "cross_site_request"),
        ({"headers": {"sec-fetch-site": "same-site"}}, 403, "cross_site_request"),
        ({}, 401, "session_required"),
    ],
)
async def test_stranger_is_told_nothing(world, options, status, code):
    """Not who is signed in, and not whether anybody is."""
    answer = await world.browser().get("/bff/user", **options)

    assert (status, code) == (answer.status, answer.code)


async def test_user_stays_signed_in_while_the_issuer_is_away(world):
    """An expired token that cannot be renewed now is the API's trouble, not the user's."""
    browser = world.browser()
    await browser.log_in()
    world.op.down = True
    world.clock.advance(296)

    assert "alice" == (await browser.user())["sub"]


# ── logging out ──────────────────────────────────────────────────────────────────────────────────────────


async def test_logout_by_navigation_ends_at_the_issuer(world):
    """RP-Initiated Logout §2: with the ID token as a hint, and back to a registered address."""
    browser = world.browser()
    await browser.log_in()

    done = await browser.get((await browser.user())["logout_url"] + "&return_to=/bye", csrf=False)

    location = done.header("location")
    assert location.startswith("https://op.test/logout?")
    assert "id_token_hint=eyJ" in location
    assert {} == browser.cookies
    await eventually(lambda: world.told("tokens.revoked"))


@pytest.mark.parametrize("sid", ["", "?sid=", "?sid=0011", "?sid=0011&sid=0011"])
async def test_logout_by_navigation_needs_the_session_s_own_handle(world, sid):
    """An image tag on another site knows no handle, and logs nobody out."""
    browser = world.browser()
    await browser.log_in()

    answer = await browser.get(f"/bff/logout{sid}", csrf=False)

    assert (400, "bad_request") == (answer.status, answer.code)
    assert "alice" == (await browser.user())["sub"]


async def test_logout_of_nobody_leads_where_it_was_to_lead(world):
    """Signed out already: there is nothing to protect, and a place to go."""
    done = await world.browser().get("/bff/logout?sid=x&return_to=/bye", csrf=False)
    script = await world.browser().post("/bff/logout")

    assert (303, "/bye", 200, {"logout_url": "/"}) == (
        done.status,
        done.header("location"),
        script.status,
        script.document,
    )


async def test_logout_never_leads_elsewhere(world):
    """RFC 9700 §4.11.1: the check comes before anything is ended."""
    browser = world.browser()
    await browser.log_in()

    answer = await browser.get((await browser.user())["logout_url"] + "&return_to=//evil.test", csrf=False)

    assert "bad_return_to" == answer.code
    assert "alice" == (await browser.user())["sub"]


async def test_logout_at_an_issuer_without_an_end_leads_home(world):
    """No end_session_endpoint: the session here has ended all the same."""
    world.op.metadata["end_session_endpoint"] = REMOVED
    await world.bffs[0].relying_party._discovery.refresh()
    browser = world.browser()
    await browser.log_in()

    done = await browser.get((await browser.user())["logout_url"], csrf=False)

    assert (303, "/") == (done.status, done.header("location"))
    assert None is await browser.user()


async def test_logout_by_script_hands_out_a_way_on_that_is_good_for_a_minute(world):
    """The page navigates there; script can read no token from it, and after a minute it leads home."""
    browser = world.browser()
    await browser.log_in()
    url = (await browser.post("/bff/logout")).document["logout_url"]

    first = await browser.get(url, csrf=False)
    world.clock.advance(61)
    late = await browser.get(url, csrf=False)

    assert "eyJ" not in url
    assert first.header("location").startswith("https://op.test/logout?")
    assert "id_token_hint=eyJ" in first.header("location")
    assert "/" == late.header("location")


async def test_way_on_of_a_logout_that_never_was_leads_home(world):
    """Junk, and one whose session is alive or unknown, open nothing."""
    browser = world.browser()
    await browser.log_in()
    live, _ = await _live(world, browser)
    continuation = world.bffs[0]._endpoints.logout._continuation
    alive = continuation.seal(live.ticket.build(), world.clock()).decode()
    unknown = continuation.seal(b"x" * 64, world.clock()).decode()
    short = continuation.seal(b"x", world.clock()).decode()

    for sealed in ("junk", "", alive, unknown, short, browser.cookies[COOKIE]):
        assert "/" == (await browser.get(f"/bff/logout?continue={sealed}", csrf=False)).header("location")


async def _live(world, browser):
    live = await world.bffs[0].sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    return live, world.bffs[0]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"logout_token=x", "application/json"),
        (b"", "application/x-www-form-urlencoded"),
        (b"logout_token=x&logout_token=y", "application/x-www-form-urlencoded"),
        (b"logout_token=\xff", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=1"] * 30), "application/x-www-form-urlencoded"),
        (b"logout_token=" + b"x" * 17_000, "application/x-www-form-urlencoded"),
    ],
)
async def test_back_channel_junk_is_refused_before_anything_is_checked(world, body, kind):
    """OIDC Back-Channel Logout §2.5: one form field, of a bounded size."""
    answer = await world.browser().post(
        "/bff/backchannel-logout", body=body, headers={"content-type": kind}, csrf=False
    )

    assert (400, "bad_request") == (answer.status, answer.code)


async def test_back_channel_token_that_is_not_valid_ends_nothing(world):
    """OIDC Back-Channel Logout §2.6: 400, and the session goes on."""
    browser = world.browser()
    await browser.log_in()

    answer = await world.back_channel_logout(aud="somebody-else")

    assert (400, "logout_token_rejected") == (answer.status, answer.code)
    assert "alice" == (await browser.user())["sub"]


async def test_back_channel_logout_by_sid_ends_that_session_alone(world):
    """OIDC Back-Channel Logout §2.7: a `sid` names one session of the person's."""
    one, two = world.browser(), world.browser()
    await one.log_in()
    await two.log_in()

    await world.back_channel_logout(sid="sid-1")

    assert [None, "alice"] == [await one.user(), (await two.user())["sub"]]


async def test_replayed_logout_token_does_not_end_a_newer_session(world):
    """A session that began after the logout is not meant by it."""
    await world.browser().log_in()
    world.clock.advance(6)
    now = int(world.clock())
    browser = world.browser()
    await browser.log_in()

    await world.back_channel_logout(iat=now - 6, exp=now + 100)

    assert "alice" == (await browser.user())["sub"]
    assert 1 == len(world.told("logout.backchannel"))


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/bff/login?return_to=//evil.test", "bad_return_to"),
        ("/bff/login?return_to=/a&return_to=/b", "bad_request"),
        ("/bff/login?prompt=weird", "bad_request"),
        ("/bff/login?" + "&".join(f"p{number}=1" for number in range(60)), "bad_request"),
        ("/bff/callback?state=a&state=b", "login_failed"),
        ("/bff/callback", "login_failed"),
        ("/bff/nothing", "route_not_found"),
        ("/bff", "route_not_found"),
    ],
)
async def test_junk_is_a_problem_and_never_a_crash(world, target, code):
    """Whatever comes, each refusal has its code."""
    answer = await world.browser().get(target, csrf=False)

    assert (code, []) == (answer.code, world.told("request.crashed"))


@pytest.mark.parametrize("path", ["/bff/login", "/bff/callback", "/bff/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-mode": "cors"},
        {"sec-purpose": "prefetch"},
    ],
)
async def test_pages_are_navigated_to_and_not_fetched(world, path, headers):
    """OWASP ASVS 3.5.8: an image, a fetch or a prefetch starts no login and ends no session."""
    answer = await world.browser().get(path, csrf=False, headers=headers)

    assert (403, "cross_site_request", []) == (answer.status, answer.code, answer.set_cookies)


async def test_login_while_the_issuer_is_away_is_a_page_that_says_so(world):
    """A person sees a calm page with a way to try again, and 503 with Retry-After."""
    world.op.down = True
    world.bffs[0].relying_party._discovery.metadata = None

    answer = await world.browser().get("/bff/login", csrf=False, headers={"sec-fetch-mode": "navigate"})

    assert (503, "text/html; charset=utf-8") == (answer.status, answer.header("content-type"))
    assert b"issuer_unavailable" in answer.body
    assert int(answer.header("retry-after")) >= 1


async def test_issuer_that_is_unwell_makes_the_status_of_page_and_document_agree(world):
    """RFC 9457 §3.1.2: the document names the status that it comes with."""
    world.op.callback.update(error="temporarily_unavailable", code=REMOVED)
    browser = world.browser()

    answer = await browser.finish_login(await browser.begin_login())

    assert (503, 503, "login_failed") == (answer.status, answer.document["status"], answer.code)


async def test_wrong_method_is_told_the_right_ones(world):
    """RFC 9110 §15.5.6: 405 comes with Allow."""
    answer = await world.browser().request("DELETE", "/bff/user")

    assert (405, "method_not_allowed") == (answer.status, answer.code)
    assert "GET" in answer.header("allow")


# ── news for pages ───────────────────────────────────────────────────────────────────────────────────────


class Stream:
    """`GET /bff/events`, read as it comes."""

    def __init__(self, world, browser, headers=((b"sec-fetch-site", b"same-origin"),)):
        self.text, self.status, self.ended = "", 0, False
        self._gone = asyncio.Event()
        cookie = f"{COOKIE}={browser.cookies.get(COOKIE, '')}"
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
            "path": "/bff/events", "raw_path": b"/bff/events", "query_string": b"", "root_path": "",
            "client": ("192.0.2.7", 1), "server": ("app.test", 443),
            "headers": [(b"host", b"app.test"), (b"cookie", cookie.encode()), *headers],
        }  # fmt: skip
        self.task = asyncio.ensure_future(world.apps[browser.worker](scope, self._receive, self._send))

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)

    def leave(self):
        self._gone.set()

    async def hear(self, name):
        await eventually(lambda: f"event: {name}\n" in self.text)
        return json.loads(self.text.split(f"event: {name}\ndata: ")[1].split("\n")[0])


async def test_page_hears_of_its_session_until_it_ends(world):
    """Extended by a use, changed by a renewal, and ended by a logout elsewhere, with the reason."""
    browser = world.browser()
    await browser.log_in()
    stream = Stream(world, browser)
    await eventually(lambda: stream.text)
    assert (200, "retry: 2000\n\n") == (stream.status, stream.text)

    world.clock.advance(100)
    await browser.get("/api/x")
    assert {"expires_in": 3600} == await stream.hear("session-extended")
    world.op.id_token["roles"] = ["admin"]
    world.clock.advance(200)
    await browser.get("/api/x")
    assert {} == await stream.hear("claims-changed")
    await browser.post("/bff/logout")
    assert {"reason": "logout"} == await stream.hear("session-ended")
    await asyncio.wait_for(stream.task, PATIENCE)

    assert stream.ended


async def test_page_at_another_worker_hears_as_well(two_workers):
    """Whatever worker a page's stream is at."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    stream = Stream(world, browser.at(1))
    await eventually(lambda: stream.text)

    await world.back_channel_logout(worker=0)

    assert {"reason": "backchannel_logout"} == await stream.hear("session-ended")
    await asyncio.wait_for(stream.task, PATIENCE)


async def test_page_is_warned_before_the_session_ends():
    """A minute before the end, by idleness or by age."""
    async with World(settings=make_settings(idle_timeout=60.0)) as world:
        browser = world.browser()
        await browser.log_in()
        stream = Stream(world, browser)

        assert {"expires_in": 60} == await stream.hear("expiring")
        stream.leave()
        await asyncio.wait_for(stream.task, PATIENCE)


@pytest.mark.parametrize(
    ("signed_in", "headers", "code"),
    [
        (True, [(b"sec-fetch-site", b"cross-site")], "cross_site_request"),
        (True, [], "cross_site_request"),
        (False, [(b"sec-fetch-site", b"same-origin")], "session_required"),
    ],
)
async def test_stream_is_for_our_own_pages_of_somebody_signed_in(world, signed_in, headers, code):
    """EventSource sends no header of ours; the browser's own word is asked for instead."""
    browser = world.browser()
    if signed_in:
        await browser.log_in()
    stream = Stream(world, browser, headers)
    await asyncio.wait_for(stream.task, PATIENCE)

    assert code == json.loads(stream.text)["code"]


async def test_streams_of_one_session_are_bounded(world):
    """Twenty tabs listen; the next one is asked to come again, and those that left make room."""
    browser = world.browser()
    await browser.log_in()
    streams = [Stream(world, browser) for _ in range(20)]
    await eventually(lambda: all(stream.text for stream in streams))
    refused = Stream(world, browser)
    await asyncio.wait_for(refused.task, PATIENCE)

    for stream in streams:
        stream.leave()
    await asyncio.wait([stream.task for stream in streams])
    live, _ = await _live(world, browser)

    assert (429, "too_many_requests", set()) == (refused.status, json.loads(refused.text)["code"], live.watchers)


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_health_tells_operators_what_is_wrong():
    """The store's absence makes a worker unready; the issuer's does not, for whoever is signed in can go on."""
    shared = replace(make_settings(), server=ServerSettings(management_listen="same", shutdown_timeout=1.0))
    async with World(settings=shared) as world:
        browser, bff = world.browser(), world.bffs[0]

        async def ready():
            answer = await browser.get("/health/ready", csrf=False)
            return answer.status, answer.document["status"]

        assert (200, "alive") == (
            (await browser.get("/health/live")).status,
            (await browser.get("/health/live")).document["status"],
        )
        assert (200, "ready") == await ready()
        world.store.lose_pushes()
        await settle()
        assert (200, "degraded") == await ready()
        world.store.restore_pushes()
        world.store.fail("ping")
        await settle()
        assert (503, "unready") == await ready()
        bff.relying_party._discovery.metadata = None
        assert (200, "degraded") == await ready()
        bff._draining = True
        assert (503, "unready") == await ready()


async def test_health_is_not_for_the_public_unless_it_was_asked_for(world):
    """On the public listener there is no such path."""
    assert 404 == (await world.browser().get("/health/live")).status


# ── the app's files ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def site(tmp_path):
    """An app of two files, served."""
    (tmp_path / "index.html").write_text("<h1>app</h1>")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "main-B4dC0ffe.js").write_text("x" * 300_000)
    (tmp_path / "data.bin").write_bytes(b"")
    async with World(settings=replace(make_settings(), spa=SpaSettings(directory=str(tmp_path)))) as world:
        yield world, tmp_path


@pytest.mark.parametrize(
    ("target", "status", "kind", "caching"),
    [
        ("/", 200, "text/html; charset=utf-8", "no-cache"),
        ("/index.html", 200, "text/html; charset=utf-8", "no-cache"),
        ("/orders/7?x=1", 200, "text/html; charset=utf-8", "no-cache"),
        ("/assets/main-B4dC0ffe.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/data.bin", 200, "application/octet-stream", "no-cache"),
        ("/missing.js", 404, "application/problem+json", "no-store"),
        ("/../secret", 400, "application/problem+json", "no-store"),
    ],
)
async def test_files_and_paths_of_the_app(site, target, status, kind, caching):
    """A file by its name, the start page for the app's own paths, and nothing outside."""
    world, _ = site
    answer = await world.browser().get(target, csrf=False)

    assert (status, kind, caching) == (
        answer.status,
        answer.header("content-type").replace("application/javascript", "text/javascript"),
        answer.header("cache-control"),
    )
    assert "nosniff" == answer.header("x-content-type-options")
    assert 32 == len(answer.header("x-request-id"))


async def test_unchanged_file_is_not_sent_again(site):
    """RFC 9110 §13.1.2: the ETag is enough."""
    world, folder = site
    browser = world.browser()
    first = await browser.get("/", csrf=False)
    tag = {"if-none-match": f'"other", W/{first.header("etag")}'}
    again = await browser.get("/", csrf=False, headers=tag)
    head = await browser.request("HEAD", "/assets/main-B4dC0ffe.js", csrf=False)

    assert (304, b"", None) == (again.status, again.body, again.header("content-length"))
    assert (200, b"", "300000") == (head.status, head.body, head.header("content-length"))
    assert 300_000 == len((await browser.get("/assets/main-B4dC0ffe.js", csrf=False)).body)
    assert "method_not_allowed" == (await browser.post("/", csrf=False)).code
    (folder / "index.html").write_text("<h1>new</h1>")
    import os

    os.utime(folder / "index.html", ns=(1, 1))
    assert b"<h1>new</h1>" == (await browser.get("/", csrf=False, headers=tag)).body
    (folder / "data.bin").unlink()
    assert 404 == (await browser.get("/data.bin", csrf=False)).status
    assert 1 == len(world.told("spa.unreadable"))
    (folder / "index.html").unlink()
    assert 404 == (await browser.get("/", csrf=False)).status


def test_directory_without_a_start_page_is_refused(tmp_path):
    """At start-up, with what to do."""
    from bff.web.spa import SpaFiles

    with pytest.raises(ValueError, match=r"has no index\.html: build the app first"):
        SpaFiles(tmp_path)


async def test_development_server_behind_us_serves_the_pages():
    """Its answers keep their own caching; no token and no cookie of ours goes there."""
    from tests.fake_upstream import Given

    settings = replace(make_settings(), spa=SpaSettings(upstream="http://127.0.0.1:5173"))
    async with World(settings=settings) as world:
        browser = world.browser()
        await browser.log_in()
        world.upstream.script(Given(200, [(b"cache-control", b"no-cache")], [b"<h1>dev</h1>"]))

        answer = await browser.get("/src/main.tsx?t=1", csrf=False)

        (sent,) = world.upstream.seen
        assert (b"<h1>dev</h1>", "http://127.0.0.1:5173/src/main.tsx?t=1") == (answer.body, sent.url)
        assert [[], []] == [sent.header("authorization"), sent.header("cookie")]


# ── inside another application ───────────────────────────────────────────────────────────────────────────


async def test_plugin_adds_the_product_to_an_application(world):
    """Its own routes stay; ours are beside them, with the raw path kept."""

    @get("/own")
    async def own() -> str:
        return "own"

    settings = replace(make_settings(), api=(ApiSettings("/api", "http://upstream.test/v1"),))
    plugin = BFFPlugin(
        settings,
        Parts(
            store=world.store,
            transport=IssuerTransport(world.op.transport()),
            upstream=world.upstream,
            emit=lambda *_: None,
            clock=world.clock,
        ),
    )
    app = Litestar([own], plugins=[plugin], openapi_config=None, logging_config=None)
    async with app.lifespan():
        await plugin.bff.relying_party.ensure_ready()
        world.apps[0] = app
        browser = world.browser()
        await browser.log_in()

        assert "own" == (await browser.get("/own")).body.decode()
        assert 200 == (await browser.get("/api/a%2Fb//c")).status
        assert "http://upstream.test/v1/a%2Fb//c" == world.upstream.seen[-1].url
        assert "alice" == (await browser.user())["sub"]
        assert 404 == (await browser.get("/apix/y")).status
        assert "csrf_header_required" == (await browser.get("/api/x", csrf=False)).code


async def test_plugin_needs_the_raw_path(world):
    """A server that hands on only the decoded path cannot carry a proxy."""
    settings = replace(make_settings(), api=(ApiSettings("/api", "http://upstream.test/v1"),))
    plugin = BFFPlugin(settings, Parts(store=world.store, upstream=world.upstream, emit=lambda *_: None))
    app = Litestar(plugins=[plugin], openapi_config=None, logging_config=None)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
        "path": "/api/x", "query_string": b"", "root_path": "", "client": None, "server": None,
        "headers": [(b"host", b"app.test"), (b"x-csrf", b"1")],
    }  # fmt: skip

    answer = await call_asgi(app, scope)

    assert (400, "bad_request_target") == (answer.status, answer.code)


async def test_worker_starts_without_its_store_and_recovers():
    """A store that is away at the start is said, waited for, and used as soon as it is there."""
    async with World() as world:
        world.store.fail("open")
        await world.start_worker()

        assert 1 == len(world.told("store.unavailable"))
        browser = world.browser(1)
        await browser.log_in()
        assert 200 == (await browser.get("/api/x")).status


async def test_issuer_that_is_unwell_at_the_start_is_learnt_later():
    """The worker starts, and the first login after the issuer's return works."""
    async with World() as world:
        world.op.script("discovery", Reply(503))
        browser = world.browser()
        await browser.log_in()

        assert 200 == (await browser.get("/api/x")).status


async def test_plugin_decides_on_sockets_too(world):
    """A route without them, and another site's page, are refused in a way that every server can tell."""
    api = (ApiSettings("/api", "http://upstream.test"), ApiSettings("/ws", "http://upstream.test", websocket=True))
    settings = replace(make_settings(), api=api)
    plugin = BFFPlugin(settings, Parts(store=world.store, upstream=world.upstream, emit=lambda *_: None))
    app = Litestar(plugins=[plugin], openapi_config=None, logging_config=None)

    async def receive():
        return {"type": "websocket.connect"}

    for path, status in (("/api/x", 404), ("/ws/x", 403)):
        sent = []

        async def send(message, sent=sent):
            sent.append(message)

        scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "wss", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": None, "server": None,
            "headers": [(b"host", b"app.test"), (b"origin", b"https://evil.test")], "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }  # fmt: skip
        await app(scope, receive, send)

        assert status == sent[0]["status"]
