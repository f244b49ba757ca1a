"""Which headers of an upstream's answer reach the browser."""

import pytest

from bff.proxy.answer import build_answer_headers
from bff.proxy.service import Service, Tls, build_addresses
from tests.values import make_route

OURS = [
    (b"x-request-id", b"rid"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
NO_STORE = (b"cache-control", b"no-store")


def build(headers, **route):
    return build_answer_headers(headers, make_route(**route), b"__Host-bff", b"rid")


def test_ordinary_headers_pass_in_their_order():
    """What an API says about its answer is passed on as it came, repetitions included."""
    headers = [(b"content-type", b"text/plain"), (b"link", b"<a>"), (b"link", b"<b>"), (b"etag", b'"1"')]

    assert [*headers, *OURS, NO_STORE] == build(headers)


@pytest.mark.parametrize(
    "name",
    [
        b"transfer-encoding", b"keep-alive", b"upgrade", b"server", b"via", b"alt-svc", b"clear-site-data",
        b"strict-transport-security", b"service-worker-allowed", b"refresh", b"content-security-policy",
        b"x-frame-options", b"access-control-allow-origin", b"access-control-allow-credentials", b"x-request-id",
        b"x-content-type-options", b"set-cookie2", b"report-to", b"proxy-authenticate", b"sourcemap", b"accept-ch",
        b"critical-ch", b"origin-agent-cluster", b"set-login", b"sec-session-registration",
        b"secure-session-registration", b"use-as-dictionary",
    ],
)  # fmt: skip
def test_headers_that_act_for_the_whole_origin_are_dropped(name):
    """An API behind a path does not decide over the origin that it shares."""
    assert [*OURS, NO_STORE] == build([(name, b"anything")])


def test_answer_says_itself_whether_it_may_be_cached():
    """RFC 9111 §3.5: only an answer that says nothing becomes no-store."""
    own = (b"cache-control", b"public, max-age=60")

    assert [own, *OURS] == build([own])


def test_headers_named_by_connection_are_dropped_but_never_ours():
    """RFC 9110 §7.6.1: an upstream cannot take our own headers away by naming them as hop-by-hop."""
    headers = [
        (b"x-hop", b"1"),
        (b"connection", b"x-hop, Content-Security-Policy ,x-request-id"),
        (b"connection", b"cache-control, x-content-type-options"),
        (b"cache-control", b"public"),
        (b"etag", b'"1"'),
    ]

    assert [(b"etag", b'"1"'), *OURS, NO_STORE] == build(headers)


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (b"theme=dark; Path=/", True),
        (b"__Host-bff=stolen; Path=/", False),
        (b"__HOST-BFF=stolen", False),
        (b" \t__Host-bff =stolen", False),
        (b"__Host-bff-login-x=stolen", False),
        (b"__Host-bff", False),
        (b"=__Host-bff=stolen", False),
        (b"= \t=__host-bff=stolen", False),
        (b"x__Host-bff=1", True),
        (b"__Host-other=1; Path=/", True),
    ],
)
def test_upstream_never_sets_our_cookie(value, passes):
    """Whatever the spelling: the names of the session cookie and of login attempts are ours alone."""
    allowed = build([(b"set-cookie", value)], allow_set_cookie=True)

    assert ([(b"set-cookie", value)] if passes else []) + [*OURS, NO_STORE] == allowed
    assert [*OURS, NO_STORE] == build([(b"set-cookie", value)])


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        (b"/v1/orders/7", b"/api/orders/7"),
        (b"/v1", b"/api"),
        (b"/v1?x=1", b"/api?x=1"),
        (b"/v1#f", b"/api#f"),
        (b"/v10/x", b"/v10/x"),
        (b"/other", b"/other"),
        (b"http://upstream.test/v1/orders/7", b"/api/orders/7"),
        (b"http://upstream.test/v1", b"/api"),
        (b"http://upstream.test/v1x", b"http://upstream.test/v1x"),
        (b"http://upstream.test.evil.example/v1", b"http://upstream.test.evil.example/v1"),
        (b"https://elsewhere.example/", b"https://elsewhere.example/"),
        (b"//elsewhere.example/v1", b"//elsewhere.example/v1"),
        (b"/v1//elsewhere.example", b"/v1//elsewhere.example"),
        (b"relative", b"relative"),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("name", [b"location", b"content-location"])
def test_locations_at_the_upstream_become_ours(name, location, seen):
    """A redirect within the API stays within the route; any other one is passed on, and never followed by us."""
    assert [(name, seen), *OURS, NO_STORE] == build([(name, location)])


def test_locations_at_any_of_several_upstreams_become_ours():
    """No address of the inside reaches the browser, whichever of them answered; a socket is localhost to itself."""
    addresses = build_addresses(["http://10.0.0.1:81/v1", "https://10.0.0.2/v1", "unix:/run/a.sock:/v1"])
    route = {"upstreams": addresses, "service": Service(tls=Tls(server_name="api.internal"))}

    for location in (
        b"http://10.0.0.1:81/v1/x",
        b"https://api.internal:443/v1/x",
        b"http://localhost/v1/x",
        b"/v1/x",
    ):
        assert (b"location", b"/api/x") in build([(b"location", location)], **route)


def test_locations_of_an_upstream_without_a_path():
    """The whole upstream is below the route, so every absolute path is."""
    upstream = {"upstream": "http://upstream.test"}

    assert (b"location", b"/api/x") in build([(b"location", b"/x")], **upstream)
    assert (b"location", b"//evil.example/x") in build([(b"location", b"//evil.example/x")], **upstream)


@pytest.mark.parametrize(
    ("challenge", "kept"),
    [
        (b'Bearer error="insufficient_user_authentication"', True),
        (b"Basic realm=api", False),
        (b"NEGOTIATE", False),
        (b"ntlm", False),
        (b"Digest x", False),
        # Several challenges in one line, which browsers may read apart (RFC 9110 §11.6.1):
        (b'Bearer realm="a", Basic realm="b"', False),
        (b"Bearer,Basic", False),
        (b", Basic realm=b", False),
        (b'Bearer realm="\\"", Negotiate', False),
        (b'Bearer realm="a, Basic realm=b', False),
        (b'Bearer realm="api, Basic in former times"', True),
        (b'Bearer realm="\\", Basic realm="', True),
        (b"Bearer basic=1, digest = 2", True),
        (b"Bearer a, BasicAuth b", True),
    ],
)
def test_no_dialog_for_an_upstream_s_password_opens(challenge, kept):
    """A browser's own password dialog would send what people type to whoever asks."""
    header = (b"www-authenticate", challenge)

    assert ([header] if kept else []) + [*OURS, NO_STORE] == build([header])


def test_development_server_keeps_its_own_caching_and_policy():
    """Pages of a development server are not an API's data."""
    assert [(b"etag", b"1"), (b"x-request-id", b"rid")] == build(
        [(b"etag", b"1"), (b"content-security-policy", b"x")], is_page=True
    )
    assert [(b"x-request-id", b"rid")] == build([(b"connection", b"close")], is_page=True)
