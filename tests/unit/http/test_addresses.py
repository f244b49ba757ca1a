"""Addresses as sockets and proxies tell them, and what they are part of."""

from ipaddress import ip_address, ip_network

import pytest

from bff.http.addresses import is_within, read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", ip_address("192.0.2.1")),
        ("::ffff:192.0.2.1", ip_address("192.0.2.1")),
        ("2001:db8::1", ip_address("2001:db8::1")),
        ("", None),
        ("unknown", None),
        ("192.0.2.1:80", None),
    ],
)
def test_address_of_a_socket_for_both_families_is_an_ipv4_one(text, address):
    """RFC 4291 §2.5.5.2: one sender is one address, whatever the listener was."""
    assert address == read_address(text)


@pytest.mark.parametrize(
    ("text", "network", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "::ffff:0:0/96", True),
        ("10.1.2.3", "::/0", False),
        ("192.0.2.1", "10.0.0.0/8", False),
        ("fd00::1", "fd00::/8", True),
        ("2001:db8::1", "fd00::/8", False),
        ("", "0.0.0.0/0", False),
        ("unknown", "::/0", False),
    ],
)
def test_network_holds_an_address_by_either_way_of_writing_it(text, network, expected):
    """What is no address is in none."""
    assert expected is is_within(text, [ip_network("203.0.113.0/24"), ip_network(network)])
