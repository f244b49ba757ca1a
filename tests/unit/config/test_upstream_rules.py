"""What the upstreams of a route must be to each other."""

import pytest

from bff.from_settings import build_route
from bff.proxy.service import Address, Health
from tests.forging import self_signed_certificate
from tests.unit.config.conftest import VALID

BARE = VALID.replace('upstream = "http://orders.internal:9001/v1/orders"\n', "")
TLS = 'tls = { ca_file = "certificate.pem", client_cert = "certificate.pem", client_key = { file = "key.pem" } }\n'


@pytest.fixture(autouse=True)
def certificates(disk):
    """`certificate.pem` and `key.pem` beside the configuration."""
    for file in self_signed_certificate(disk.directory):
        file.chmod(0o600)


def errors(disk, text):
    return [(key, message) for severity, _, key, message, _ in disk.complaints(text) if severity == "error"]


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        ("", "api.0.upstream", "is missing"),
        ('upstream = "http://a"\nupstreams = ["http://b"]', "api.0.upstream", "stands beside upstreams"),
        ('upstreams = ["http://a/x", "http://b/y"]', "api.0.upstreams.1", "has another path than the first one"),
        ('upstreams = ["http://a/x", "http://a:80/x/"]', "api.0.upstreams.1", "is named twice"),
        ('upstreams = ["http://a", "https://app.example.com"]', "api.0.upstreams.1", "is our own public_url"),
        (f'upstream = "http://a"\n{TLS}', "api.0.upstream", "is not https, and tls would do nothing"),
        (
            'upstream = "https://a"\ntls = { client_cert = "certificate.pem" }',
            "api.0.tls.client_key",
            "is missing",
        ),
        (
            'upstream = "https://a"\ntls = { server_name = "b" }',
            "api.0.upstream",
            "is a name beside tls.server_name",
        ),
        ('upstream = "unix:/run/a"\nhttp2 = true', "api.0.upstream", "is a socket, where HTTP/2 is not spoken"),
        (
            'upstream = "https://a"\ntls = { ca_file = "bff.keys" }',
            "api.0.tls.ca_file",
            'the file "bff.keys" holds no certificates in PEM',
        ),
        (
            'upstream = "https://a"\ntls = { ca_file = "none.pem" }',
            "api.0.tls.ca_file",
            'the file "none.pem" cannot be read: no such file or directory',
        ),
        ('upstream = "https://a"\ntls = { server_name = "a:1" }', "api.0.tls.server_name", "is no host name"),
        ('upstream = "http://a"\nhealth = { path = "healthz" }', "api.0.health.path", "is no path"),
        ('upstream = "http://a"\nmax_connections = 0', "api.0.max_connections", "is out of range"),
    ],
)
def test_upstreams_that_cannot_be_meant(disk, lines, key, message):
    """The start stops, and says which key it is."""
    assert [(key, message)] == errors(disk, BARE + lines)


def test_checks_of_the_only_upstream_are_a_warning(disk):
    """They would be asked for, and change nothing."""
    found = disk.complaints(BARE + 'upstream = "http://a"\nhealth = { path = "/healthz" }')

    assert [("warning", "api.0.health.path", "checks the only upstream there is")] == [
        (severity, key, message) for severity, _, key, message, _ in found
    ]


def test_settings_become_addresses_and_a_service(disk):
    """Sockets get a host that only Host headers see; a certificate goes with its key."""
    text = (
        BARE + 'upstreams = ["https://10.0.0.1:8443/v1/", "https://10.0.0.2:8443/v1"]\nbalance = "round_robin"\n'
        'retry = "idempotent"\nidle_timeout = "1h"\ntotal_timeout = "2h"\nmax_connections = 7\n'
        'tls = { ca_file = "certificate.pem", client_cert = "certificate.pem", client_key = { file = "key.pem" }, '
        'server_name = "orders.internal" }\nhealth = { eject_after = 5, eject_for = "1m", path = "/up?x=1" }\n'
        'pool_timeout = "1s"\n'
    )
    settings = disk.settings(text)
    route = build_route(settings.api[0], settings)
    service = route.service

    assert (Address("https://10.0.0.1:8443/v1"), Address("https://10.0.0.2:8443/v1")) == route.addresses
    assert ["https://10.0.0.1:8443"] == [address.name for address in route.addresses[:1]]
    assert "https://10.0.0.1:8443/v1" == route.upstream
    assert ("round_robin", "idempotent", 3600.0, 7200.0, 7, 1.0, False) == (
        service.balance,
        service.retry,
        service.idle_timeout,
        service.total_timeout,
        service.max_connections,
        service.pool_timeout,
        service.http2,
    )
    assert Health(5, 60.0, "/up?x=1", 10.0) == service.health
    assert "orders.internal" == service.tls.server_name
    assert "PRIVATE KEY" in service.tls.identity
    assert "CERTIFICATE" in service.tls.identity
    assert "PRIVATE" not in repr(service)


def test_socket_is_an_address_with_a_path(disk):
    """`unix:/socket:/base`."""
    settings = disk.settings(BARE + 'upstream = "unix:/run/orders.sock:/v1"')
    route = build_route(settings.api[0], settings)

    assert (Address("http://localhost/v1", "/run/orders.sock"),) == route.addresses
    assert "unix:/run/orders.sock" == route.addresses[0].name
