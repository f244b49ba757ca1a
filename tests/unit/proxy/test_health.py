"""When an address is left out, and how it comes back."""

from bff.proxy.health import LONGEST, PROVEN, AddressHealth, Standing
from bff.proxy.service import Health


def ejected(now=0.0):
    health = AddressHealth(Health(eject_after=3, eject_for=10.0))
    assert [None, None, 10.0] == [health.fail(now) for _ in range(3)]
    return health


def test_failures_in_a_row_eject():
    """An answer in between, and counting begins anew."""
    health = AddressHealth(Health(eject_after=3, eject_for=10.0))

    assert [None, None] == [health.fail(0.0), health.fail(0.0)]
    health.succeed(0.0)
    assert [None, None, 10.0] == [health.fail(1.0) for _ in range(3)]
    assert (Standing.OUT, Standing.ON_TRIAL) == (health.standing(10.9), health.standing(11.0))


def test_failures_of_calls_begun_before_change_nothing():
    """What was under way when it was ejected may fail as well: that is one fault, not several."""
    health = ejected()

    assert [None] * 5 == [health.fail(1.0) for _ in range(5)]
    assert Standing.ON_TRIAL is health.standing(10.0)


def test_every_further_ejection_lasts_twice_as_long():
    """Up to five minutes."""
    health, now, pauses = ejected(), 0.0, []
    for _ in range(8):
        now = health.out_until
        pauses.append(health.fail(now))

    assert [20.0, 40.0, 80.0, 160.0, LONGEST, LONGEST, LONGEST, LONGEST] == pauses


def test_good_calls_on_trial_bring_it_back():
    """Only several in a row; then it begins like new."""
    health = ejected()

    assert [False] * (PROVEN - 1) + [True] == [health.succeed(10.0) for _ in range(PROVEN)]
    assert Standing.GOOD is health.standing(10.0)
    assert [None, None, 10.0] == [health.fail(20.0) for _ in range(3)]


def test_one_failure_on_trial_ejects_again():
    """However many went well before it."""
    health = ejected()
    for _ in range(PROVEN - 1):
        health.succeed(10.0)

    assert 20.0 == health.fail(11.0)
    assert [False] * (PROVEN - 1) + [True] == [health.succeed(31.0) for _ in range(PROVEN)]


def test_answer_of_an_ejected_address_ends_its_waiting():
    """A check that goes well, or a call that was tried because all were out."""
    health = ejected()
    health.succeed(2.0)

    assert Standing.ON_TRIAL is health.standing(2.0)
