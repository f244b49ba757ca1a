"""`[gateway]`: what it needs, and what has no effect where the gateway moves the bytes."""

import pytest

from bff.config.gateway_settings import GatewayKind
from tests.unit.config.conftest import VALID

SECRET = "gateway-secret-0123456789abcdefghijklm"
BARE = VALID.replace('upstream = "http://orders.internal:9001/v1/orders"\n', "")


def text(*lines, base=BARE, routes=""):
    """A whole file with these lines in `[gateway]`, and these in its route."""
    return f"{base}{routes}\n[gateway]\n" + "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def secret(disk):
    """`gateway.secret` beside the configuration."""
    disk.write("gateway.secret", SECRET + "\n")


GOOD = ('kind = "nginx"', 'secrets = [{ file = "gateway.secret" }]')


def found(disk, written, severity="error"):
    return [(key, message) for level, _, key, message, _ in disk.complaints(written) if level == severity]


def test_route_needs_no_upstream_where_a_gateway_asks(disk):
    """The gateway knows where it leads."""
    settings = disk.settings(text(*GOOD))

    assert (GatewayKind.NGINX, (SECRET,), ()) == (
        settings.gateway.kind,
        tuple(secret.reveal() for secret in settings.gateway.secrets),
        settings.api[0].addresses,
    )
    assert [] == disk.complaints(text(*GOOD))


def test_route_needs_one_otherwise(disk):
    """Nobody else would carry its calls."""
    assert ("api.0.upstream", "is missing") in found(disk, BARE)


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        (['kind = "nginx"'], "gateway.secrets", "is missing"),
        ([GOOD[1]], "gateway.kind", "is missing"),
        (['kind = "apache"', GOOD[1]], "gateway.kind", 'is "apache"'),
        ([GOOD[0], 'secrets = ["short"]'], "gateway.secrets.0", "has 5 characters"),
        ([*GOOD, 'networks = ["everywhere"]'], "gateway.networks.0", "is no address and no network"),
        (
            [*GOOD, "login_redirect = true"],
            "gateway.login_redirect",
            'leads in circles with session.same_site = "strict"',
        ),
    ],
    ids=range(6),
)
def test_slip_stops_the_start(disk, lines, key, message):
    """A gateway that anybody could play, or whose way of asking is not known."""
    told = found(disk, text(*lines))

    assert any(where == key and message in said for where, said in told), told


def test_secret_is_never_quoted(disk):
    """What is wrong with one is said without it."""
    assert "my-short-one" not in repr(disk.complaints(text(GOOD[0], 'secrets = ["my-short-one"]')))


@pytest.mark.parametrize(
    "line",
    [
        'timeout = "5s"',
        'max_body_size = "1KiB"',
        "allow_set_cookie = true",
        'response_headers = { remove = ["A"] }',
    ],
)
def test_key_without_effect_is_told_of(disk, line):
    """What the gateway decides by itself; with an upstream it has an effect."""
    key = f"api.0.{line.partition(' ')[0]}"

    assert [(key, "has no effect without an upstream")] == found(disk, text(*GOOD, routes=line), "warning")
    assert [] == disk.complaints(text(*GOOD, base=VALID, routes=line))


def test_other_origins_need_a_route_that_bff_carries(disk):
    """A preflight request cannot be answered through a question."""
    cors = 'cors = { origins = ["https://other.example.com"], credentials = true }'

    assert ("api.0.cors", "cannot be answered where the gateway moves the bytes") in found(
        disk, text(*GOOD, routes=cors)
    )
    assert [] == found(disk, text(*GOOD, base=VALID, routes=cors))


def test_every_address_is_no_network(disk):
    """It would say nothing."""
    written = text(*GOOD, 'networks = ["0.0.0.0/0"]')

    assert [("gateway.networks.0", "holds every address")] == found(disk, written, "warning")


def test_login_redirect_needs_a_route_for_pages(disk):
    """Navigations carry no X-CSRF."""
    lax = '\n[session]\nsame_site = "lax"\n'
    lines = (*GOOD, "login_redirect = true")

    assert [("gateway.login_redirect", "has no effect")] == found(disk, text(*lines) + lax, "warning")
    pages = 'csrf = "off"\ntoken = "none"'
    assert [] == disk.complaints(text(*lines, routes=pages) + lax)
