"""Sub-requests of a gateway: decided on like calls, answered to nobody but the gateway."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from litestar import Litestar

from bff.app import Parts
from bff.config.gateway_settings import GatewayKind, GatewaySettings
from bff.config.header_templates import parse_header_template
from bff.config.settings import (
    AllowSettings,
    ApiSettings,
    Csrf,
    LimitsSettings,
    LogSettings,
    RequestHeaderSettings,
    SameSite,
    Secret,
    TokenKind,
)
from bff.config.value_types import Rate
from bff.events import ignore
from bff.oidc.transport import IssuerTransport
from bff.plugin import BFFPlugin
from bff.proxy.upstreams import Upstreams
from tests.internet import COOKIE, ORIGIN, World, call_asgi, make_settings

SECRET = "gateway-secret-0123456789abcdefghijklm"
OTHER = "another-secret-0123456789abcdefghijklm"
EVIL = "https://evil.test"
TOLD = RequestHeaderSettings(
    {"X-User": parse_header_template("{sub}"), "X-Nick": parse_header_template("{nickname}")}
)
ROUTES = (
    ApiSettings("/api"),
    ApiSettings("/admin", allow=(AllowSettings(roles=("admin",)),)),
    ApiSettings("/api/told", request_headers=TOLD, forward_cookies=("theme",)),
    ApiSettings("/ws", websocket=True),
    ApiSettings("/anonymous", token=TokenKind.NONE),
    ApiSettings("/pages", csrf=Csrf.OFF, allow=(AllowSettings(methods=("GET", "HEAD")),)),
    ApiSettings("/single", double_slashes=False),
)


def gateway_settings(kind, **changes):
    gateway = GatewaySettings(GatewayKind(kind), (Secret(SECRET), Secret(OTHER)), **changes)
    return replace(make_settings(), api=ROUTES, gateway=gateway)


class Gateway:
    """One that asks, for a browser."""

    def __init__(self, world, kind):
        self.world = world
        self.kind = kind

    def build(self, browser, method, target, headers, *, secret=SECRET, csrf=True, host="app.test"):
        """The scope of a sub-request, as this kind of gateway sends it."""
        sent = {"user-agent": "a browser"}
        if browser is not None and browser.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        if csrf:
            sent["x-csrf"] = "1"
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        sent["x-forwarded-for"] = "192.0.2.7"
        if secret is not None:
            sent["x-bff-gateway"] = secret
        path, query, verb = "/bff/authorize", "", "GET"
        match self.kind:
            case "nginx":
                sent |= {"host": host, "x-original-method": method, "x-original-uri": target}
            case "caddy" | "traefik":
                sent |= {"host": "bff.internal", "x-forwarded-host": host}
                sent |= {"x-forwarded-method": method, "x-forwarded-uri": target}
            case "envoy":
                sent["host"] = host
                path, _, query = f"/bff/authorize{target}".partition("?")
                verb = method
        return {
            "type": "http", "method": verb, "path": path, "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"), "scheme": "http", "root_path": "", "http_version": "1.1",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
            "client": ("10.0.0.9", 40000), "server": ("bff.internal", 80),
        }  # fmt: skip

    async def ask(self, browser, method="GET", target="/api/tasks", headers=None, **options):
        """What is answered to a sub-request."""
        return await call_asgi(self.world.apps[0], self.build(browser, method, target, headers, **options))

    def status_of(self, answer):
        """The status that the browser is meant to see."""
        told = answer.header("x-bff-status")
        assert (told is None) is (self.kind != "nginx" or answer.status == 200)
        return int(told) if told is not None else answer.status

    def refusal(self, answer):
        """Status and code of a refusal; it holds no token."""
        assert answer.header("authorization") is None
        assert 200 != answer.status
        if self.kind == "nginx":
            assert answer.status in {401, 403}
        return self.status_of(answer), answer.code


@pytest.fixture(params=["nginx", "caddy", "traefik", "envoy"])
async def gateway(request):
    async with World(settings=gateway_settings(request.param)) as world:
        yield Gateway(world, request.param)


@pytest.fixture
async def browser(gateway):
    """A signed-in one."""
    browser = gateway.world.browser()
    await browser.log_in()
    return browser


async def test_call_is_answered_with_the_token(gateway, browser):
    """200, the user's access token, a request id and a trace; nothing to be cached (RFC 9111 §5.2.2.5)."""
    answer = await gateway.ask(browser)
    await browser.get("/api/tasks")

    assert (200, b"") == (answer.status, answer.body)
    assert gateway.world.upstream.seen[-1].header("authorization") == [answer.header("authorization")]
    assert "no-store" == answer.header("cache-control")
    assert 32 == len(answer.header("x-request-id"))
    assert answer.header("x-request-id") in answer.header("traceparent")


async def test_call_without_a_session_is_refused(gateway):
    """401, with the problem document."""
    answer = await gateway.ask(None)

    assert (401, "session_required") == gateway.refusal(answer)
    assert 401 == answer.status


async def test_call_against_the_rules_is_refused_and_audited(gateway, browser):
    """403, with an event that says why."""
    answer = await gateway.ask(browser, target="/admin/users")
    (told,) = gateway.world.told("access.denied")

    assert (403, "access_denied") == gateway.refusal(answer)
    assert ("/admin", "GET", "alice", "192.0.2.7") == (
        told["route"],
        told["method"],
        told["subject"],
        told["address"],
    )


async def test_call_without_the_csrf_header_is_refused(gateway, browser):
    """The original request is held to the route's rule (browser-based apps §6.1.3.3)."""
    assert (403, "csrf_header_required") == gateway.refusal(await gateway.ask(browser, csrf=False))


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}], ids=["origin", "site"])
async def test_call_of_another_site_is_refused(gateway, browser, headers):
    """Even with the header."""
    assert (403, "cross_site_request") == gateway.refusal(await gateway.ask(browser, "POST", headers=headers))


async def test_method_of_the_original_request_is_decided_on(gateway, browser):
    """Not that of the sub-request."""
    answer = await gateway.ask(browser, "POST", "/pages/x")

    assert (403, "access_denied") == gateway.refusal(answer)
    assert 200 == (await gateway.ask(browser, "GET", "/pages/x")).status


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get"])
async def test_method_that_is_never_forwarded_is_refused(gateway, browser, method):
    """RFC 9110 §9.3.8: TRACE would answer with the token."""
    assert (405, "method_not_allowed") == gateway.refusal(await gateway.ask(browser, method))


@pytest.mark.parametrize(
    "target",
    [
        "/api/../admin", "/api/%2e%2e/admin", "/api/%2E./admin", "/api/..%2fadmin", "/api/a\\b", "/api/%5c..",
        "/api/%00", "/api/%252e%252e/admin", "/api/..;/admin", "/api/%zz", "/api/x#y", "/api/told%2f..%2f",
        "/api//told/x", "/api/%74old", "/api/Told", "/api/told;x",
    ],
)  # fmt: skip
async def test_ambiguous_path_is_refused(gateway, browser, target):
    """A gateway may read it otherwise than we do (OWASP ASVS 4.2)."""
    assert (400, "bad_request_target") == gateway.refusal(await gateway.ask(browser, target=target))


async def test_empty_segments_are_refused_where_the_route_says_so(gateway, browser):
    """As for a call that we carry."""
    assert (400, "bad_request_target") == gateway.refusal(await gateway.ask(browser, target="/single//x"))
    assert 200 == (await gateway.ask(browser, target="/single/x")).status


@pytest.mark.parametrize("target", ["/other", "/apix", "/", "//api/x", "/API/x"])
async def test_path_of_no_route_is_refused(gateway, browser, target):
    """What is not configured is not let through."""
    assert (404, "route_not_found") == gateway.refusal(await gateway.ask(browser, target=target))


async def test_query_passes(gateway, browser):
    """It is part of the target, and decides nothing."""
    assert 200 == (await gateway.ask(browser, target="/api/tasks?next=/../admin&q=%2e")).status


async def test_other_host_is_refused(gateway, browser):
    """RFC 9110 §7.4."""
    assert (421, "misdirected_request") == gateway.refusal(await gateway.ask(browser, host="evil.test"))


async def test_identity_headers_are_answered(gateway, browser):
    """Those of the route, and the cookies that it lets pass; a claim that is missing has no header."""
    browser.cookies["theme"] = "dark"
    answer = await gateway.ask(browser, target="/api/told/x", headers={"X-User": "root", "X-Nick": "boss"})

    assert ("alice", None, "theme=dark") == (
        answer.header("x-user"),
        answer.header("x-nick"),
        answer.header("cookie"),
    )


@pytest.mark.parametrize("name", ["X_User", "x_user", "X-Remote_User", "X_Csrf", "x_forwarded_for", "X_Nick"])
async def test_underscore_twin_is_refused(gateway, browser, name):
    """Many API servers read it as the header with hyphens, and the gateway would pass it on."""
    assert (400, "bad_request") == gateway.refusal(await gateway.ask(browser, headers={name: "root"}))


async def test_harmless_underscores_pass(gateway, browser):
    """They are the API's own affair."""
    assert 200 == (await gateway.ask(browser, headers={"my_header": "x"})).status


async def test_nothing_long_is_remembered_of_what_browsers_send(browser, gateway):
    """Thousands of names and chains of addresses, each as long as the headers may be, would fill our memory."""
    asked = gateway.world.bffs[0]._gateway
    before = gateway.build(browser, "GET", "/api/tasks", {"x-" + "n" * 5000: "1"})
    chain = b"192.0.2.1, " * 500 + b"192.0.2.7"
    before["headers"] = [
        (name, chain if name == b"x-forwarded-for" else value) for name, value in before["headers"]
    ]

    assert 200 == (await call_asgi(gateway.world.apps[0], before)).status

    assert [] == [name for name in asked._harmless if len(name) > 100]
    assert [] == [chain for chain in asked._addresses if len(chain) > 100]


async def test_route_without_a_token_answers_with_none(gateway, browser):
    """Whoever calls."""
    answer = await gateway.ask(browser, target="/anonymous/x")

    assert (200, None) == (answer.status, answer.header("authorization"))


async def test_websocket_needs_the_exact_origin(gateway, browser):
    """RFC 6455 §10.2; the page's script cannot send X-CSRF with it."""
    opening = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    ours = await gateway.ask(browser, target="/ws/x", csrf=False, headers={**opening, "Origin": ORIGIN})
    theirs = await gateway.ask(browser, target="/ws/x", csrf=False, headers={**opening, "Origin": EVIL})
    nobodys = await gateway.ask(browser, target="/ws/x", headers=opening)

    assert 200 == ours.status
    assert [(403, "cross_site_request")] * 2 == [gateway.refusal(answer) for answer in (theirs, nobodys)]


async def test_websocket_needs_a_route_that_carries_them(gateway, browser):
    """As for one that we carry."""
    opening = {"Sec-WebSocket-Version": "13", "Origin": ORIGIN}

    assert (404, "route_not_found") == gateway.refusal(await gateway.ask(browser, headers=opening))


async def test_logout_bites(gateway, browser):
    """The next sub-request is refused."""
    assert 200 == (await gateway.ask(browser)).status
    thief = gateway.world.browser()
    thief.cookies.update(browser.cookies)
    await browser.post("/bff/logout")

    assert (401, "session_expired") == gateway.refusal(await gateway.ask(thief))


async def test_unreadable_cookie_is_cleared(gateway):
    """Signed out, and the gateway is told to take the cookie away."""
    stranger = gateway.world.browser()
    stranger.cookies[COOKIE] = "nonsense"
    answer = await gateway.ask(stranger)

    assert (401, "session_required") == gateway.refusal(answer)
    assert answer.set_cookies[0].startswith(f"{COOKIE}=;")


async def test_expired_token_is_renewed_first(gateway, browser):
    """The sub-request waits for the one renewal, and answers with the new token."""
    first = await gateway.ask(browser)
    gateway.world.clock.advance(301)
    second = await gateway.ask(browser)

    assert 1 == gateway.world.refreshes()
    assert (200, 200) == (first.status, second.status)
    assert first.header("authorization") != second.header("authorization")


async def test_refusals_are_counted(gateway):
    """By their codes, like those of calls."""
    await gateway.ask(None)

    assert 1 == gateway.world.bffs[0].api.refused["session_required"]


@pytest.mark.parametrize("secret", [None, "", "x", SECRET[:-1], SECRET + "x", "\0"])
async def test_nobody_without_the_secret_is_answered(gateway, browser, secret):
    """A browser that asks directly learns nothing: the gateway passes its requests on from its own address."""
    answer = await gateway.ask(browser, secret=secret)

    assert (403, "not_the_gateway", None) == (answer.status, answer.code, answer.header("authorization"))
    assert [{"reason": "secret", "peer": "10.0.0.9"}] == gateway.world.told("gateway.refused")


async def test_second_secret_is_good_too(gateway, browser):
    """So that it can be changed without a gap."""
    assert 200 == (await gateway.ask(browser, secret=OTHER)).status


async def test_two_secrets_in_one_request_are_none(gateway, browser):
    """One of them would be the browser's."""
    scope = gateway.build(browser, "GET", "/api/x", None)
    scope["headers"].append((b"x-bff-gateway", SECRET.encode()))
    answer = await call_asgi(gateway.world.apps[0], scope)

    assert (403, "not_the_gateway") == (answer.status, answer.code)


@pytest.mark.parametrize("name", [b"host", b"x-csrf", b"origin", b"sec-fetch-site"])
async def test_what_is_decided_on_may_come_once(gateway, browser, name):
    """Of two, the gateway's API could read the other one."""
    scope = gateway.build(browser, "GET", "/api/x", {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"})
    scope["headers"].append((name, b"1"))

    assert (400, "bad_request") == gateway.refusal(await call_asgi(gateway.world.apps[0], scope))


async def test_headers_of_other_gateways_say_nothing(gateway, browser):
    """Only the configured gateway's own are read; the others are the browser's."""
    lies = {
        "X-Original-Method": "GET", "X-Original-URI": "/api/x", "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/api/x", "X-Forwarded-Host": "app.test", "X-Original-URL": "/api/x",
        "X-Rewrite-URL": "/api/x", "X-HTTP-Method-Override": "GET",
    }  # fmt: skip
    answer = await gateway.ask(browser, "DELETE", "/admin/x", headers=lies)

    assert (403, "access_denied") == gateway.refusal(answer)


async def test_route_of_the_gateway_is_not_carried_here(gateway, browser):
    """Called directly, there is nothing behind it; after the same decision."""
    gateway.world.bffs[0].api._forward._upstream = Upstreams(gateway.world.bffs[0].routes.each, ignore)
    answer = await browser.get("/api/tasks")
    stranger = await gateway.world.browser().get("/api/tasks")

    assert [(404, "route_not_found"), (401, "session_required")] == [
        (each.status, each.code) for each in (answer, stranger)
    ]


async def test_sub_request_that_names_nothing_is_refused(browser, gateway):
    """A gateway that is set up by half lets nothing through."""
    if gateway.kind == "envoy":
        scope = gateway.build(browser, "GET", "", None)
        expected = {(400, "bad_request_target")}
    else:
        scope = gateway.build(browser, "GET", "/api/x", None)
        names = {b"x-original-uri", b"x-forwarded-uri"}
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in names]
        expected = {(400, "bad_request")}

    assert gateway.refusal(await call_asgi(gateway.world.apps[0], scope)) in expected


async def test_address_has_to_be_told(gateway, browser):
    """Rules by network never go by the gateway's own address: a browser could have its own dropped on the way."""
    scope = gateway.build(browser, "GET", "/api/x", None)
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-for"]

    assert (400, "bad_request") == gateway.refusal(await call_asgi(gateway.world.apps[0], scope))


async def test_metrics_count_the_status_that_is_meant(gateway, browser):
    """Whatever the gateway is told instead: an outage is one in every kind."""
    other = await gateway.world.start_worker()
    gateway.world.store.fail("load", times=3)
    answer = await call_asgi(gateway.world.apps[1], gateway.build(browser, "GET", "/api/x", None))
    text, _ = await other.metrics.scrape("")

    assert (503, "session_store_unavailable") == gateway.refusal(answer)
    assert b'bff_http_requests_total{method="GET",route="/api",status="5xx"} 1.0' in text


async def test_question_has_its_line_in_the_access_log():
    """About the original request; one that is turned down as well."""
    settings = replace(gateway_settings("nginx"), log=LogSettings(access=True))
    async with World(settings=settings) as world:
        gateway = Gateway(world, "nginx")
        await gateway.ask(None, "POST", "/api/x?y")
        await gateway.ask(None, secret="guessed")
        lines = world.told("request.done")

    assert [("POST", "/api/x", "/api", 401, "192.0.2.7"), ("GET", "/bff/authorize", None, 403, "10.0.0.9")] == [
        (line["method"], line["path"], line.get("route"), line["status"], line["address"]) for line in lines
    ]


async def test_trace_goes_on_through_the_gateway(gateway, browser):
    """Where somebody traces, the API's spans belong to the question's (W3C Trace Context)."""
    ours = gateway.world.bffs[0]._gateway
    answer, trace = ours._answer, "00-" + "1" * 32 + "-" + "2" * 16 + "-01"

    async def traced(scope, receive, send, route, rest):
        kept = [pair for pair in scope["headers"] if pair[0] != b"traceparent"]
        await answer({**scope, "headers": [*kept, (b"traceparent", trace.encode())]}, receive, send, route, rest)

    ours._carry = traced

    assert trace == (await gateway.ask(browser, headers={"traceparent": "00-nonsense"})).header("traceparent")


async def test_only_named_networks_are_answered():
    """Beside the secret."""
    for network, expected in (("10.0.0.0/24", 200), ("10.0.1.0/24", 403)):
        settings = gateway_settings("caddy", networks=(ip_network(network),))
        async with World(settings=settings) as world:
            browser = world.browser()
            await browser.log_in()

            assert expected == (await Gateway(world, "caddy").ask(browser)).status


async def test_session_has_its_limit():
    """Sub-requests count as calls do."""
    settings = replace(gateway_settings("nginx"), limits=LimitsSettings(per_session=Rate(2, 60)))
    async with World(settings=settings) as world:
        gateway, browser = Gateway(world, "nginx"), world.browser()
        await browser.log_in()
        answers = [await gateway.ask(browser) for _ in range(3)]

    assert [200, 200, 403] == [answer.status for answer in answers]
    assert (429, "too_many_requests") == gateway.refusal(answers[-1])
    assert answers[-1].header("retry-after")


@pytest.mark.parametrize("kind", ["nginx", "envoy"])
async def test_plugin_answers_too(world, kind):
    """Inside somebody else's Litestar application."""
    parts = Parts(
        store=world.store,
        transport=IssuerTransport(world.op.transport()),
        upstream=world.upstream,
        emit=ignore,
        clock=world.clock,
    )
    plugin = BFFPlugin(gateway_settings(kind), parts)
    app = Litestar([], plugins=[plugin], openapi_config=None, logging_config=None)
    async with app.lifespan():
        await plugin.bff.relying_party.ensure_ready()
        world.apps[0] = app
        browser = world.browser()
        await browser.log_in()
        granted = await Gateway(world, kind).ask(browser)
        refused = await Gateway(world, kind).ask(browser, secret="guessed")

    assert (200, 403) == (granted.status, refused.status)
    assert granted.header("authorization")
    assert "not_the_gateway" == refused.code


async def test_no_endpoint_without_a_gateway(world):
    """What nobody asked for is not there."""
    browser = world.browser()
    await browser.log_in()
    gateway = Gateway(world, "caddy")

    assert 404 == (await gateway.ask(browser)).status


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_navigation_leads_to_the_login_where_that_is_wanted(kind):
    """To the login, and back to the page; a script's call is answered with 401 all the same."""
    settings = gateway_settings(kind, login_redirect=True)
    settings = replace(settings, session=replace(settings.session, same_site=SameSite.LAX))
    goes = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
    async with World(settings=settings) as world:
        gateway = Gateway(world, kind)
        page = await gateway.ask(None, target="/pages/a?b=c&d=/e", headers=goes, csrf=False)
        old = await gateway.ask(None, target="/pages/a", headers={"Accept": "text/html"}, csrf=False)
        call = await gateway.ask(None, target="/pages/a", headers={"Sec-Fetch-Mode": "cors"}, csrf=False)

    there = f"{ORIGIN}/bff/login?return_to=/pages/a"
    assert (302, f"{there}%3Fb%3Dc%26d%3D/e") == (gateway.status_of(page), page.header("location"))
    assert (302, there) == (gateway.status_of(old), old.header("location"))
    assert (401, None) == (gateway.status_of(call), call.header("location"))


async def test_envoy_is_told_what_to_remove():
    """Whatever an API could take for a word of ours, and is not set now."""
    async with World(settings=gateway_settings("envoy")) as world:
        gateway, browser = Gateway(world, "envoy"), world.browser()
        await browser.log_in()
        told = await gateway.ask(browser, target="/api/told/x")
        anonymous = await gateway.ask(browser, target="/anonymous/x")

    gone = set(told.header("x-envoy-auth-headers-to-remove").split(","))
    assert {"cookie", "x-csrf", "x-nick", "x-remote-user"} <= gone
    assert set() == gone & {"authorization", "x-user"}
    assert "authorization" in anonymous.header("x-envoy-auth-headers-to-remove").split(",")
