"""One call to the API: what goes up, what comes down, and what is refused on the way."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from bff.config.settings import AllowSettings, ApiSettings, Csrf, TokenKind
from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy import body as body_module
from tests.fake_upstream import Given
from tests.internet import COOKIE, ORIGIN, PATIENCE, World, eventually, make_settings, settle

UPSTREAM = "http://upstream.test"


@pytest.fixture
async def world():
    """Routes of every kind."""
    from dataclasses import replace

    routes = (
        ApiSettings("/api", f"{UPSTREAM}/v1"),
        ApiSettings("/public", f"{UPSTREAM}/public", token=TokenKind.NONE),
        ApiSettings("/either", f"{UPSTREAM}/either", token=TokenKind.USER_OPTIONAL),
        ApiSettings("/download", f"{UPSTREAM}/files", csrf=Csrf.ORIGIN),
        ApiSettings("/strict", f"{UPSTREAM}/strict", double_slashes=False),
        ApiSettings("/small", f"{UPSTREAM}/small", max_body_size=100_000),
        ApiSettings("/cookies", f"{UPSTREAM}/c", forward_cookies=("theme",), allow_set_cookie=True),
        ApiSettings("/admin", f"{UPSTREAM}/admin", allow=(AllowSettings(roles=("admin",)),)),
    )
    async with World(settings=replace(make_settings(), api=routes)) as world:
        yield world


@pytest.fixture
async def browser(world):
    """A signed-in one."""
    browser = world.browser()
    await browser.log_in()
    return browser


# ── up ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_call_goes_up_with_our_headers_alone(world, browser):
    """Bearer token, address, trace and request id are set by us; what the browser made up of them is gone."""
    answer = await browser.get(
        "/api/a%2Fb//c?x=%20&x=2",
        headers={
            "accept": "application/json",
            "authorization": "Bearer evil",
            "x-forwarded-for": "6.6.6.6",
            "x_forwarded_for": "6.6.6.6",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    )

    (sent,) = world.upstream.seen
    assert ("GET", f"{UPSTREAM}/v1/a%2Fb//c?x=%20&x=2", b"") == (sent.method, sent.url, sent.body)
    (bearer,) = sent.header("authorization")
    assert bearer.startswith("Bearer eyJ")
    assert [("accept", "application/json")] == [pair for pair in sent.headers if pair[0] == "accept"]
    assert (["192.0.2.7"], [answer.header("x-request-id")]) == (
        sent.header("x-forwarded-for"),
        sent.header("x-request-id"),
    )
    assert ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] == sent.header("traceparent")
    assert [[], [], []] == [sent.header(name) for name in ("cookie", "x-csrf", "x_forwarded_for")]


@pytest.mark.parametrize(
    ("target", "signed_in", "status", "bearer"),
    [
        ("/api/x", True, 200, 1),
        ("/api/x", False, 401, None),
        ("/public/x", True, 200, 0),
        ("/public/x", False, 200, 0),
        ("/either/x", True, 200, 1),
        ("/either/x", False, 200, 0),
    ],
)
async def test_token_goes_where_the_route_says(world, browser, target, signed_in, status, bearer):
    """`user` needs a session, `user_optional` uses one, `none` never does."""
    answer = await (browser if signed_in else world.browser()).get(target)

    assert status == answer.status
    assert ([bearer] if bearer is not None else []) == [
        len(sent.header("authorization")) for sent in world.upstream.seen
    ]


async def test_route_without_tokens_does_not_care_for_a_dead_session(world, browser):
    """A public route serves whoever has a stale or damaged cookie as well."""
    await world.store.inner.end(next(iter(world.store.inner._sessions.rows)), "x", world.clock(), keep_sealed=False)
    damaged = world.browser()
    damaged.cookies[COOKIE] = '"damaged"'

    assert [200, 200, 200, 200] == [
        (await person.get(target)).status for person in (browser, damaged) for target in ("/public", "/either")
    ]


async def test_only_named_cookies_go_up(world, browser):
    """A route forwards the cookies that it names; ours is never among them."""
    browser.cookies.update(theme="dark", other="1")

    await browser.get("/cookies")
    del browser.cookies["theme"]
    await browser.get("/cookies")

    assert [["theme=dark"], []] == [sent.header("cookie") for sent in world.upstream.seen]


async def test_small_body_goes_up_whole(world, browser):
    """Its length is the client's to write."""
    await browser.post("/api/orders", body=b'{"a":1}')
    await browser.post("/api/empty", headers={"content-length": "0"})

    assert [b'{"a":1}', b""] == [sent.body for sent in world.upstream.seen]


async def post_in_pieces(world, browser, target, pieces, headers=(), *, leaves=False):
    """Send a body piece by piece; return the messages of the answer."""
    to_send = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    to_send.append(
        {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False}
    )
    answered = []

    async def receive():
        if to_send:
            return to_send.pop(0)
        return await asyncio.Event().wait()

    async def send(message):
        answered.append(message)

    cookie = f"{COOKIE}={browser.cookies[COOKIE]}".encode()
    scope = {
        "type": "http", "method": "POST", "raw_path": target.encode(), "path": target, "query_string": b"",
        "client": ("192.0.2.7", 1), "scheme": "https",
        "headers": [(b"host", b"app.test"), (b"x-csrf", b"1"), (b"cookie", cookie), *headers],
    }  # fmt: skip
    await world.apps[0](scope, receive, send)
    return answered


CHUNKED = [(b"transfer-encoding", b"chunked")]


async def test_large_and_chunked_bodies_are_streamed(world, browser):
    """A known length is passed on; an unknown one is not made up."""
    piece = b"x" * 40_000

    await post_in_pieces(world, browser, "/small", [piece, piece], [(b"content-length", b"80000")])
    await post_in_pieces(world, browser, "/small", [b"a", b"", b"b"], CHUNKED)

    assert [(80_000, ["80000"]), (2, [])] == [
        (len(sent.body), sent.header("content-length")) for sent in world.upstream.seen
    ]


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [([b"x"], [(b"content-length", b"100001")]), ([b"x" * 60_000, b"x" * 60_000], CHUNKED)],
    ids=["announced", "found out"],
)
async def test_body_over_the_limit_is_refused(world, browser, pieces, headers):
    """Announced, it is refused before anything is asked; otherwise as soon as it is too large."""
    start, end = await post_in_pieces(world, browser, "/small", pieces, headers)

    document = json.loads(end["body"])
    assert (413, "body_too_large", 100_000) == (start["status"], document["code"], document["limit"])


@pytest.mark.parametrize("headers", [[(b"content-length", b"10")], CHUNKED], ids=["small", "streamed"])
async def test_body_that_breaks_off_is_refused(world, browser, headers):
    """RFC 9112 §8: whatever the reason, a part of a body is not passed on as if it were the whole."""
    start, end = await post_in_pieces(world, browser, "/api", [b"x"], headers, leaves=True)

    assert (400, "bad_request") == (start["status"], json.loads(end["body"])["code"])
    assert [] == world.upstream.seen


async def test_body_shorter_than_announced_is_refused(world, browser):
    """RFC 9112 §8: an incomplete message is not passed on as if it were whole."""
    start, end = await post_in_pieces(world, browser, "/api", [b"x"], [(b"content-length", b"10")])

    assert (400, "bad_request") == (start["status"], json.loads(end["body"])["code"])
    assert [] == world.upstream.seen


@pytest.mark.parametrize("headers", [[(b"content-length", b"10")], CHUNKED], ids=["small", "streamed"])
async def test_body_that_stops_coming_is_given_up(world, browser, monkeypatch, headers):
    """A browser that sends nothing for half a minute holds no connection of ours."""
    monkeypatch.setattr(body_module, "_SLOW", 0.01)

    async def send(message):
        answered.append(message)

    answered = []
    first = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive():
        if first:
            return first.pop()
        return await asyncio.Event().wait()

    scope = {
        "type": "http", "method": "POST", "raw_path": b"/public", "path": "/public", "query_string": b"",
        "client": ("192.0.2.7", 1), "headers": [(b"host", b"app.test"), (b"x-csrf", b"1"), *headers],
    }  # fmt: skip
    await world.apps[0](scope, receive, send)

    assert (400, "bad_request") == (answered[0]["status"], json.loads(answered[1]["body"])["code"])


async def test_upload_that_the_upstream_does_not_answer_times_out(world, browser, monkeypatch):
    """The route's timeout counts from the last byte that the browser sent."""
    route = world.bffs[0].routes._routes[b"/small"]
    object.__setattr__(route, "timeout", 0.02)
    world.upstream.gate = asyncio.Event()

    start, end = await post_in_pieces(world, browser, "/small", [b"x"], CHUNKED)

    assert (504, "upstream_timeout") == (start["status"], json.loads(end["body"])["code"])


@pytest.mark.parametrize(("error", "code"), [(UpstreamUnreachable(), 502), (UpstreamTimeout(), 504)])
async def test_upload_to_an_upstream_that_is_away(world, browser, error, code):
    """The upstream's fault is told as such."""
    world.upstream.script(error)

    assert code == (await post_in_pieces(world, browser, "/small", [b"x"], CHUNKED))[0]["status"]


# ── down ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_answer_comes_down_in_the_pieces_in_which_it_came(world, browser):
    """Nothing is collected: each chunk is one write, and the last one of a known length ends the answer."""
    for headers in ([], [(b"content-length", b"6")]):
        world.upstream.script(Given(201, headers, [b"abc", b"def"]))

        messages = await post_in_pieces(world, browser, "/api", [], [])

        assert 201 == messages[0]["status"]
        bodies = [(message["body"], message["more_body"]) for message in messages[1:]]
        end = [(b"def", False)] if headers else [(b"def", True), (b"", False)]
        assert [(b"abc", True), *end] == bodies


async def test_length_with_thousands_of_zeros_is_a_length(world, browser):
    """Python reads no number of more than 4300 digits; what it says of that is nobody's answer."""
    world.upstream.script(Given(200, [(b"content-length", b"0" * 5000 + b"6")], [b"abc", b"def"]))

    messages = await post_in_pieces(world, browser, "/api", [], [])

    assert [200, (b"abc", True), (b"def", False)] == [
        messages[0]["status"],
        *((message["body"], message["more_body"]) for message in messages[1:]),
    ]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_answers_without_a_body_have_none(world, browser, method, status):
    """RFC 9110 §6.4.1: whatever length they name."""
    world.upstream.script(Given(status, [(b"content-length", b"10")], [b"not read"]))

    answer = await browser.request(method, "/api")

    assert (status, b"") == (answer.status, answer.body)


@pytest.mark.parametrize("error", [UpstreamUnreachable(), UpstreamTimeout()])
async def test_answer_that_breaks_is_cut_and_never_looks_complete(world, browser, error):
    """RFC 9112 §8: without the last message the server closes the connection in the middle."""
    world.upstream.script(Given(200, [], [b"abc", error]))

    messages = await post_in_pieces(world, browser, "/api", [], [])

    assert [True] == [message["more_body"] for message in messages[1:]]
    (cut,) = world.told("upstream.cut")
    assert ("/api", error.code) == (cut["route"], cut["code"])


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"9")], [(b"content-length", b"900000")]])
@pytest.mark.parametrize("error", [UpstreamUnreachable(), UpstreamTimeout()])
async def test_answer_that_breaks_before_its_body_is_an_error_of_ours(world, browser, error, headers):
    """The server holds the head back until there is a body, and would make a 500 of its own out of it."""
    for pieces, framing in [([], []), ([b"x"], CHUNKED)]:
        world.upstream.script(Given(200, headers, [error]))

        start, end = await post_in_pieces(world, browser, "/api", pieces, framing)

        assert (error.status, error.code) == (start["status"], json.loads(end["body"])["code"])
    assert [] == world.told("upstream.cut")


@pytest.mark.parametrize(
    ("error", "status"),
    [(UpstreamUnreachable(), 502), (UpstreamTimeout(), 504), (UpstreamUnreachable(retry_after=1), 502)],
)
async def test_upstream_that_is_away_ends_no_session(world, browser, error, status):
    """The API's absence is the API's."""
    world.upstream.script(error)

    assert [status, 200] == [(await browser.get("/api")).status, (await browser.get("/api")).status]


async def test_api_s_own_errors_pass_as_they_are(world, browser):
    """A 401 of the API is not ours, and ends nothing."""
    world.upstream.script(Given(401, [(b"content-type", b"text/plain")], [b"no"]))

    answer = await browser.get("/api")

    assert (401, b"no", "text/plain") == (answer.status, answer.body, answer.header("content-type"))
    assert 200 == (await browser.get("/api")).status


async def test_set_cookie_passes_where_the_route_allows_it(world, browser):
    """Never for our own name."""
    cookies = [(b"set-cookie", b"theme=dark"), (b"set-cookie", b"__Host-bff=stolen")]
    world.upstream.script(Given(200, cookies), Given(200, cookies))

    kept = [(await browser.get(target)).set_cookies for target in ("/cookies", "/api")]

    assert [["theme=dark"], []] == kept


async def test_browser_that_leaves_takes_its_upstream_call_along(world, browser):
    """Nobody waits for an answer that nobody reads."""
    world.upstream.gate = asyncio.Event()
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("there is nobody to answer")

    scope = {
        "type": "http", "method": "GET", "raw_path": b"/public", "path": "/public", "query_string": b"",
        "client": None, "headers": [(b"host", b"app.test"), (b"x-csrf", b"1")],
    }  # fmt: skip
    call = asyncio.ensure_future(world.apps[0](scope, receive, send))
    await eventually(lambda: 1 == len(world.upstream.seen))
    gone.set()
    await asyncio.wait_for(call, PATIENCE)

    assert 1 == world.upstream.left


async def test_call_that_is_cancelled_from_outside_stays_cancelled(world, browser):
    """A server that stops cancels its handlers, and must see that they were."""
    world.upstream.gate = asyncio.Event()
    call = asyncio.ensure_future(browser.get("/public"))
    await eventually(lambda: 1 == len(world.upstream.seen))
    call.cancel()
    await asyncio.wait([call])

    assert (True, 1) == (call.cancelled(), world.upstream.left)


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "options", "status", "code"),
    [
        ("/api", {"csrf": False}, 403, "csrf_header_required"),
        ("/api", {"headers": {"origin": "https://evil.test"}}, 403, "cross_site_request"),
        ("/api", {"headers": {"sec-fetch-site": "cross-site"}}, 403, "cross_site_request"),
        ("/download", {"csrf": False}, 403, "cross_site_request"),
        ("/api/../x", {}, 400, "bad_request_target"),
        ("/api/%2e%2e/x", {}, 400, "bad_request_target"),
        ("/api?a b", {}, 400, "bad_request_target"),
        ("/api", {"headers": {"content-length": "x"}}, 400, "bad_request"),
        ("/api", {"headers": {"x-large": "x" * 40_000}}, 431, "headers_too_large"),
        ("/api", {"headers": {"x-forwarded-host": "evil"}}, 200, None),
        ("/admin", {}, 403, "access_denied"),
        ("/nowhere", {}, 404, "route_not_found"),
    ],
)
async def test_refusals_come_before_the_upstream_is_asked(world, browser, target, options, status, code):
    """Each has its code; none of them reaches the API."""
    answer = await browser.get(target, **options)

    assert status == answer.status
    if code is not None:
        assert (code, []) == (answer.code, world.upstream.seen)


async def test_other_host_is_misdirected(world):
    """RFC 9110 §7.4."""

    async def receive():
        return await asyncio.Event().wait()

    for path in (b"/api", b"/bff/user", b"/x"):
        answered = []

        async def send(message, answered=answered):
            answered.append(message)

        scope = {
            "type": "http", "method": "GET", "raw_path": path, "path": path.decode(), "query_string": b"",
            "root_path": "", "scheme": "https", "http_version": "1.1", "server": None,
            "client": ("192.0.2.7", 1), "headers": [(b"host", b"evil.test"), (b"x-csrf", b"1")],
        }  # fmt: skip
        await world.apps[0](scope, receive, send)
        assert 421 == answered[0]["status"]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "get", "Post"])
async def test_methods_that_show_or_tunnel_our_token_are_never_forwarded(world, browser, method):
    """RFC 9110 §9.3.6 and §9.3.8; and a method in small letters is another one to our rules."""
    answer = await browser.request(method, "/api")

    assert ("method_not_allowed", []) == (answer.code, world.upstream.seen)


async def test_download_is_vouched_for_by_the_browser(world, browser):
    """A route for links and images takes the browser's own word instead of the header."""
    same = {"headers": {"sec-fetch-site": "same-origin"}, "csrf": False}
    origin = {"headers": {"origin": ORIGIN}, "csrf": False}

    assert [200, 200] == [(await browser.get("/download", **options)).status for options in (same, origin)]


async def test_denial_is_audited_with_what_was_tried(world, browser):
    """Who, what and why; never the token."""
    await browser.get("/admin/users")

    (denied,) = world.told("access.denied")
    assert ("/admin", "GET", "role_missing", "alice") == (
        denied["route"],
        denied["method"],
        denied["reason"],
        denied["subject"],
    )


async def test_mistake_of_ours_is_a_500_with_a_request_id_and_no_trace(world, browser):
    """An exception that nobody foresaw is told by its type and answered by a problem document."""

    def broken(*_):
        raise KeyError("secret")

    world.bffs[0].api._sessions.peek, kept = broken, world.bffs[0].api._sessions.peek
    answer = await browser.get("/api")
    world.bffs[0].api._sessions.peek = kept

    assert (500, "internal_error") == (answer.status, answer.code)
    assert b"secret" not in answer.body
    assert "KeyError" == world.told("request.crashed")[0]["error"]


async def test_mistake_after_the_decision_ends_the_connection(world, browser):
    """Once an answer may have begun, nothing is written into it: the server cuts the connection."""
    world.upstream.script(ZeroDivisionError("secret"))

    with pytest.raises(ZeroDivisionError):
        await browser.get("/api")

    assert ["ZeroDivisionError"] == [event["error"] for event in world.told("request.crashed")]


async def test_socket_to_where_there_is_none_is_closed(world):
    """It is turned away, not left hanging."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await world.apps[0]({"type": "websocket", "raw_path": b"/nowhere", "headers": []}, receive, send)

    assert [("websocket.close", 1008)] == [(message["type"], message["code"]) for message in sent]
    await settle()


@pytest.mark.parametrize("path", ["/strict//a", "/strict/a//", "/strict//", "/strict/a/%2Fb", "/strict/a%2f%2Fb"])
async def test_double_slashes_are_refused_where_the_route_says_so(world, browser, path):
    """An upstream that folds them away would see another path than our rules did."""
    answer = await browser.get(path)

    assert (400, "bad_request_target", []) == (answer.status, answer.code, world.upstream.seen)


async def test_single_slashes_pass_everywhere_and_double_ones_elsewhere(world, browser):
    """Also one at the end, and one that is encoded."""
    answers = [await browser.get(path) for path in ("/strict/a/", "/strict/", "/strict/a%2Fb", "/api//a")]

    assert [200] * 4 == [answer.status for answer in answers]
    seen = [sent.url.removeprefix(UPSTREAM) for sent in world.upstream.seen]
    assert ["/strict/a/", "/strict/", "/strict/a%2Fb", "/v1//a"] == seen


async def test_call_without_an_answer_is_told_with_the_name_of_its_upstream(world, browser):
    """Whoever is asked why sees the request's id in the answer, and finds it in the log."""
    world.upstream.script(UpstreamUnreachable())
    answer = await browser.get("/api/x")

    assert (502, "upstream_unreachable") == (answer.status, answer.code)
    assert [("/api", UPSTREAM, "upstream_unreachable", answer.document["request_id"])] == [
        (told["route"], told["upstream"], told["code"], told["request_id"])
        for told in world.told("upstream.failed")
    ]


async def test_body_that_ends_after_its_call_has_nobody_watched(world, browser, monkeypatch):
    """An upstream may answer without having read it, and the client read on for a moment."""
    kept = []

    @asynccontextmanager
    async def open_unread(route, method, target, headers, body):
        kept.append(body)
        yield Given(413)

    monkeypatch.setattr(world.upstream, "open", open_unread)
    answer = await browser.request("POST", "/api/x", body=b"x" * 200_000)
    async for _ in kept[0]:
        pass

    assert 413 == answer.status
    assert {} == world.bffs[0].api._forward._hangups._young
