"""What is read from a gateway's question, and what of it is the browser's."""

import pytest

from bff.errors import BadRequest, MethodNotAllowed
from bff.proxy.gateway_request import DIALECTS, by_name, read_asked

OWN = b"/bff/authorize"
ADDRESS = (b"x-forwarded-for", b"192.0.2.7")


def asked(kind, *headers, method="GET", path=OWN, query=b""):
    lines = [*headers, ADDRESS]
    return read_asked(DIALECTS[kind], lines, by_name(lines), method, path, query, OWN)


NGINX = ((b"x-original-method", b"POST"), (b"x-original-uri", b"/api/x?y=%3F&z"), (b"host", b"app"))
CADDY = ((b"x-forwarded-method", b"POST"), (b"x-forwarded-uri", b"/api/x?y=%3F&z"), (b"x-forwarded-host", b"app"))


@pytest.mark.parametrize(("kind", "headers"), [("nginx", NGINX), ("caddy", CADDY), ("traefik", CADDY)])
def test_original_request_is_in_headers(kind, headers):
    """Method, path, query and host; the question's own are none of them."""
    found = asked(kind, *headers, (b"host", b"bff") if kind != "nginx" else (b"x-forwarded-host", b"bff"))

    assert ("POST", b"/api/x", b"y=%3F&z", b"app") == (found.method, found.path, found.query, found.host)


def test_original_request_follows_our_path():
    """Envoy's question has the original method, and the path after ours."""
    found = asked("envoy", (b"host", b"app"), method="PUT", path=OWN + b"/api/x", query=b"y")

    assert ("PUT", b"/api/x", b"y", b"app") == (found.method, found.path, found.query, found.host)


@pytest.mark.parametrize(("kind", "headers"), [("nginx", NGINX), ("caddy", CADDY)])
def test_other_kinds_headers_are_not_read(kind, headers):
    """They are the browser's: without this gateway's own, nothing is asked."""
    others = CADDY if kind == "nginx" else NGINX

    with pytest.raises(BadRequest, match="does not say what it asks about"):
        asked(kind, *others)


@pytest.mark.parametrize("kind", DIALECTS)
def test_address_must_be_told(kind):
    """Or rules by network would go by the gateway's own."""
    lines = [*NGINX, *CADDY]
    with pytest.raises(BadRequest, match="x-forwarded-for"):
        read_asked(DIALECTS[kind], lines, by_name(lines), "GET", OWN + b"/api", b"", OWN)


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT", b"get", b"GET /x HTTP/1.1", b"", b"X" * 33])
def test_method_must_be_one_that_may_pass(method):
    """In capitals, and no TRACE, which would show the token (RFC 9110 §9.3.8)."""
    with pytest.raises(MethodNotAllowed):
        asked("nginx", (b"x-original-method", method), *NGINX[1:])


def test_unusual_method_is_one():
    """Rules may name any (RFC 9110 §9.1)."""
    assert "PROPFIND" == asked("nginx", (b"x-original-method", b"PROPFIND"), *NGINX[1:]).method


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        ([(b"sec-websocket-version", b"13")], True),
        ([(b"sec-websocket-key", b"x")], True),
        ([(b"upgrade", b"WebSocket")], True),
        ([(b"upgrade", b"h2c")], False),
    ],
)
def test_websocket_is_known_by_its_opening(headers, expected):
    """RFC 6455 §4.1, and RFC 8441 §5 for HTTP/2, which has no key."""
    assert expected is asked("nginx", *NGINX, *headers).is_socket


NAVIGATION = [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        (b"GET", NAVIGATION, True),
        (b"HEAD", NAVIGATION, True),
        (b"POST", NAVIGATION, False),
        (b"GET", [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"iframe")], False),
        (b"GET", [(b"sec-fetch-mode", b"cors"), (b"accept", b"text/html")], False),
        (b"GET", [(b"accept", b"text/html,*/*")], True),
        (b"GET", [(b"accept", b"application/json")], False),
        (b"GET", [], False),
        (b"GET", [*NAVIGATION, (b"sec-websocket-version", b"13")], False),
    ],
)
def test_navigation_is_what_a_person_goes_to(method, headers, expected):
    """Anything else that is redirected would only fail elsewhere."""
    assert expected is asked("nginx", (b"x-original-method", method), *NGINX[1:], *headers).is_navigation


def test_what_is_decided_on_may_come_once():
    """Of two, somebody else could take the other one."""
    for name in (b"host", b"origin", b"sec-fetch-site", b"x-csrf", b"x-original-uri", b"x-forwarded-uri"):
        with pytest.raises(BadRequest):
            by_name([(name, b"a"), (name, b"a")])


def test_cookies_and_addresses_may_come_in_parts():
    """RFC 9113 §8.2.3 splits cookies; each proxy may add an address of its own. Two secrets are none."""
    lines = [(b"cookie", b"a=1"), (b"x-forwarded-for", b"1.1.1.1"), (b"cookie", b"b=2")]
    lines += [
        (b"x-forwarded-for", b"2.2.2.2"),
        (b"x-bff-gateway", b"s"),
        (b"x-bff-gateway", b"s"),
        (b"a", b"1"),
        (b"a", b"2"),
    ]

    assert {
        b"cookie": b"a=1; b=2",
        b"x-forwarded-for": b"1.1.1.1, 2.2.2.2",
        b"x-bff-gateway": b"s, s",
        b"a": b"2",
    } == by_name(lines)


def test_browsers_headers_are_read():
    """Those that decide, and nothing that would go up."""
    found = asked(
        "nginx", *NGINX, (b"cookie", b"a=1"), (b"origin", b"https://x"), (b"x-csrf", b"1"), (b"x-user", b"root")
    )

    assert ([b"a=1"], b"https://x", True, []) == (
        found.head.cookies,
        found.head.origin,
        found.head.csrf,
        found.head.forward,
    )
    assert not found.head.has_body
