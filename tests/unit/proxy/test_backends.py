"""A route's addresses together."""

from bff.access.policy import Policy
from bff.errors import UpstreamUnreachable
from bff.proxy.backends import Backend, Backends
from bff.proxy.health import AddressHealth, Standing
from bff.proxy.lines import Pool
from bff.proxy.routes import Route
from bff.proxy.service import Health, Service, build_addresses


def build(now: float, count: int) -> Backends:
    addresses = build_addresses([f"http://10.0.0.{number}:9001" for number in range(count)])
    rules = Health(eject_after=3, eject_for=10.0)
    route = Route(
        "/api",
        addresses[0].url,
        True,
        True,
        "header",
        30.0,
        5.0,
        1024,
        policy=Policy(),
        upstreams=addresses,
        service=Service(health=rules),
    )

    def no_line(_upload: bool) -> None:
        raise AssertionError("nothing is sent here")

    each = [Backend(address, address.url, Pool(no_line, 8, 1.0), AddressHealth(rules)) for address in addresses]
    return Backends(route, each, lambda: now, lambda _event, _data: None)


def standings(backends: Backends, now: float) -> list[Standing]:
    return [each.health.standing(now) for each in backends.each]


def test_one_that_answers_while_all_are_out_brings_all_back_for_a_trial() -> None:
    """A network that was away for a moment must not leave the load of all to one of them for a while."""
    now = 100.0
    backends = build(now, 3)
    for each in backends.each:
        for _ in range(3):
            backends.failed(each, UpstreamUnreachable())
    assert [Standing.OUT] * 3 == standings(backends, now)

    backends.answered(backends.each[1])

    assert [Standing.ON_TRIAL] * 3 == standings(backends, now)


def test_one_that_answers_tells_nothing_of_another_while_some_are_good() -> None:
    """The one that fails is to blame itself then."""
    now = 100.0
    backends = build(now, 3)
    for each in backends.each[:2]:
        for _ in range(3):
            backends.failed(each, UpstreamUnreachable())

    backends.answered(backends.each[1])
    backends.answered(backends.each[2])

    assert [Standing.OUT, Standing.ON_TRIAL, Standing.GOOD] == standings(backends, now)
