"""What the upstream is told about the browser."""

from ipaddress import ip_network

import pytest

from bff.errors import MisdirectedRequest
from bff.proxy import forwarded as module
from bff.proxy.forwarded import Forwarding, new_request_id, trace_header
from bff.proxy.front import Front
from bff.proxy.head import RequestHead

TRUSTING = Forwarding("https://app.test", [ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
NOBODY = Forwarding("https://app.test", [])


@pytest.mark.parametrize(
    ("peer", "chain", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [b"1.1.1.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", [b"6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", [b"6.6.6.6", b"1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"1.1.1.1, junk"], "10.0.0.1"),
        ("10.0.0.1", [b"1.1.1.1, junk, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b"1.1.1.1:4711"], "1.1.1.1"),
        ("10.0.0.1", [b"[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", [b"2001:DB8::1"], "2001:db8::1"),
        ("10.0.0.1", [b'fe80::1%";for=evil'], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("fd00::1", [b"1.1.1.1"], "1.1.1.1"),
        ("::ffff:10.0.0.1", [b"6.6.6.6, 1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1"),
        ("::ffff:192.0.2.1", [b"1.1.1.1"], "::ffff:192.0.2.1"),
        ("", [b"1.1.1.1"], "1.1.1.1"),
        ("", [], "unknown"),
        ("", [b"junk"], "unknown"),
        ("not an address", [b"1.1.1.1"], "not an address"),
    ],
)
def test_address_is_the_last_one_that_no_trusted_proxy_holds(peer, chain, address):
    """Whatever a browser writes into X-Forwarded-For is to the left of what a trusted proxy saw."""
    assert address == TRUSTING.client_address(peer, chain)


def test_without_trusted_proxies_nobody_is_believed():
    """Not even a unix socket's peer."""
    assert ["192.0.2.1", "unknown"] == [NOBODY.client_address(peer, [b"1.1.1.1"]) for peer in ("192.0.2.1", "")]
    assert [False, False] == [NOBODY.trusts("10.0.0.1"), NOBODY.trusts("")]


def test_what_is_known_of_peers_is_bounded():
    """A crowd of peers does not fill our memory, and is judged all the same."""
    forwarding = Forwarding("https://app.test", [ip_network("10.0.0.0/8")])
    judged = [forwarding.trusts(f"10.{number // 250}.{number % 250}.1") for number in range(4200)]

    assert ([True] * 4200, 4096) == (judged, len(forwarding._trusts))
    assert [True, False] == [forwarding.trusts("10.0.0.1"), forwarding.trusts("192.0.2.1")]


@pytest.mark.parametrize(
    ("public_url", "address", "expected"),
    [
        (
            "https://app.test",
            "192.0.2.1",
            [
                ("x-forwarded-for", "192.0.2.1"),
                ("forwarded", "for=192.0.2.1;host=app.test;proto=https"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "app.test"),
                ("via", "1.1 bff"),
            ],
        ),
        (
            "http://localhost:8080",
            "2001:db8::1",
            [
                ("x-forwarded-for", "2001:db8::1"),
                ("forwarded", 'for="[2001:db8::1]";host="localhost:8080";proto=http'),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "localhost:8080"),
                ("via", "1.1 bff"),
            ],
        ),
    ],
)
def test_headers_say_who_asked_and_under_which_name(public_url, address, expected):
    """RFC 7239 §4 and §6: an IPv6 address, and a host with a port, are quoted."""
    assert expected == Forwarding(public_url, []).headers(address)


def test_addresses_are_remembered_only_so_many(monkeypatch):
    """What is joined for an address is joined once, and a crowd of addresses does not fill our memory."""
    monkeypatch.setattr(module, "_KNOWN_MAX", 2)
    forwarding = Forwarding("https://app.test", [])
    told = [forwarding.headers(f"192.0.2.{number}")[0] for number in (1, 2, 3, 1, 3)]

    assert [("x-forwarded-for", f"192.0.2.{number}") for number in (1, 2, 3, 1, 3)] == told
    assert 2 == len(forwarding._headers)


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("came", "passed"),
    [
        (TRACE, TRACE.decode()),
        (None, None),
        (b"", None),
        (TRACE.upper(), None),
        (b"ff" + TRACE[2:], None),
        (TRACE + b"-more", None),
        (TRACE + b"\n", None),
        (b"00-" + b"0" * 32 + TRACE[35:], None),
        (TRACE[:36] + b"0" * 16 + b"-01", None),
    ],
)
def test_valid_trace_is_passed_on_and_any_other_started_anew(came, passed):
    """W3C Trace Context §3.2: a trace that is not valid is restarted, with our request id as its id."""
    assert ("traceparent", passed or f"00-{'ab' * 16}-{'ab' * 8}-00") == trace_header(came, "ab" * 16)


def test_request_ids_are_random():
    """128 bits, in hexadecimal digits."""
    ids = {new_request_id() for _ in range(100)}

    assert (100, {32}) == (len(ids), {len(found) for found in ids})


@pytest.mark.parametrize(
    ("public_url", "host", "ours"),
    [
        ("https://app.test", b"app.test", True),
        ("https://app.test", b"APP.test", True),
        ("https://app.test", b"app.test:443", True),
        ("https://app.test", b"app.test:8443", False),
        ("https://app.test", b"app.test.evil", False),
        ("https://app.test", b"evil", False),
        ("https://app.test", b"", False),
        ("https://app.test", None, False),
        ("http://localhost:8080", b"localhost:8080", True),
        ("http://localhost:8080", b"localhost", False),
        ("http://app.test", b"app.test:80", True),
        ("https://[2001:db8::1]", b"[2001:db8::1]", True),
        ("https://[2001:db8::1]:8443", b"[2001:db8::1]:8443", True),
    ],
)
def test_only_our_own_host_is_answered(public_url, host, ours):
    """RFC 9110 §7.4: a request for another name is misdirected."""
    front = Front(public_url, Forwarding(public_url, []))
    head = RequestHead(host=host)

    if ours:
        assert "192.0.2.1" == front.check_peer(("192.0.2.1", 1), head)
    else:
        with pytest.raises(MisdirectedRequest):
            front.check_peer(("192.0.2.1", 1), head)


def test_forwarded_host_counts_from_trusted_proxies_only():
    """A proxy that changes Host may say what it was; nobody else may."""
    front = Front("https://app.test", TRUSTING)
    head = RequestHead(host=b"internal:8080", forwarded_host=b"app.test")

    assert "10.0.0.1" == front.check_peer(("10.0.0.1", 1), head)
    with pytest.raises(MisdirectedRequest):
        front.check_peer(("192.0.2.1", 1), head)
    with pytest.raises(MisdirectedRequest):
        front.check_peer(("10.0.0.1", 1), RequestHead(host=b"app.test", forwarded_host=b"evil"))


def test_peer_of_a_unix_socket_has_no_address():
    """RFC 7239 §6.2: it is unknown."""
    assert "unknown" == Front("https://app.test", NOBODY).check_peer(None, RequestHead(host=b"app.test"))
