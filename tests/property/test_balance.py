"""Whatever the addresses have been through, a call goes to the best that there is."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bff.proxy.balance import choose
from bff.proxy.health import AddressHealth, Standing
from bff.proxy.service import Health


@dataclass(eq=False)
class Address:
    pending: int
    is_full: bool
    history: list[tuple[bool, float]]
    health: AddressHealth = field(default_factory=lambda: AddressHealth(Health()))

    def __post_init__(self):
        for went_well, at in sorted(self.history, key=lambda entry: entry[1]):
            self.health.succeed(at) if went_well else self.health.fail(at)


ADDRESSES = st.lists(
    st.builds(
        Address,
        st.integers(0, 5),
        st.booleans(),
        st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=12),
    ),
    min_size=1,
    max_size=6,
)
NOW = 100.0


@given(ADDRESSES, st.integers(0, 10**9), st.booleans(), st.booleans(), st.integers(0, 63))
def test_choice_is_the_best_there_is(addresses, turn, by_load, may_fail, tried_bits):
    """No ejected one while another is there, no full one while one has room, and never one that was tried."""
    tried = [address for index, address in enumerate(addresses) if tried_bits >> index & 1]
    left = [address for address in addresses if address not in tried]

    chosen = choose(addresses, turn, NOW, by_load=by_load, may_fail=may_fail, tried=tried)

    if not left:
        assert chosen is None
        return
    assert chosen in left
    good = [address for address in left if address.health.standing(NOW) is Standing.GOOD]
    free = [address for address in good if not address.is_full]
    standing = chosen.health.standing(NOW)
    if any(address.health.standing(NOW) is not Standing.OUT for address in left):
        assert standing is not Standing.OUT
    else:
        assert chosen.health.out_until == min(address.health.out_until for address in left)
    if free:
        assert chosen in free or (standing is Standing.ON_TRIAL and may_fail and chosen.pending == 0)
        if by_load and standing is Standing.GOOD:
            assert chosen.pending == min(address.pending for address in free)
    if standing is Standing.ON_TRIAL and good and not may_fail:
        raise AssertionError("a call that cannot be repeated was risked")


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_equals_take_turns(count, first):
    """Each in so many calls exactly once, by load as by turn."""
    addresses = [Address(0, False, []) for _ in range(count)]

    for by_load in (True, False):
        chosen = [
            choose(addresses, turn, NOW, by_load=by_load, may_fail=True) for turn in range(first, first + count)
        ]
        assert set(addresses) == set(chosen)
