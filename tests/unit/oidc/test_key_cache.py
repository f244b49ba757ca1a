"""The issuer's keys: when they are read, and when not."""

import asyncio
from collections.abc import Callable

import pytest

from bff.errors import IssuerUnavailable
from bff.oidc.jose import TokenFault, UnverifiedToken, parse_token
from bff.oidc.key_cache import COOL_DOWN, MAX_AGE, MISS_MEMORY, KeyCache
from bff.oidc.rules import SIGNATURE_ALGORITHMS
from tests.forging import REMOVED, Key, ec_key, ed_key, rsa_key, signed
from tests.oidc_world import Clock

CLAIMS = {"sub": "alice"}


class Source:
    """A key set that can be changed, counted, broken and held back."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys
        self.fetched = 0
        self.broken = False
        self.document: dict | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> dict:
        self.fetched += 1
        await self.gate.wait()
        if self.broken:
            raise IssuerUnavailable("The issuer is down.")
        return self.document or {"keys": [key.jwk() for key in self.keys]}


class Cache:
    """A cache with its source, clock and events."""

    def __init__(self, *keys: Key) -> None:
        self.source = Source(*keys)
        self.clock = Clock()
        self.events: list[str] = []
        self.cache = KeyCache(
            self.source, monotonic=self.clock, on_event=lambda name, _details: self.events.append(name)
        )

    async def check(self, raw: str, *, trusted: bool = True) -> None:
        await self.cache.check_signature(token(raw), ["sub"], trusted=trusted)

    async def outcome(self, raw: str, *, trusted: bool = True) -> str:
        try:
            await self.check(raw, trusted=trusted)
        except TokenFault as fault:
            return fault.reason
        except IssuerUnavailable:
            return "unavailable"
        return "fine"


def token(raw: str) -> UnverifiedToken:
    return parse_token(raw, SIGNATURE_ALGORITHMS, 65536)


def junk(number: int, **header: object) -> str:
    return signed(CLAIMS, ed_key(9), **{"kid": f"junk-{number}", **header})


async def test_keys_are_read_once_and_kept():
    """OIDC Core §10.1: not for every token."""
    it = Cache(ec_key())
    for _ in range(5):
        await it.check(signed(CLAIMS, ec_key()))

    assert (1, True, None) == (it.source.fetched, it.cache.ready, it.cache.last_error)


async def test_a_new_key_is_found_when_a_token_names_it():
    """OIDC Core §10.1.1: rotation is followed at once."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    it.source.keys = (ec_key(1),)

    assert "fine" == await it.outcome(signed(CLAIMS, ec_key(1)))
    it.clock.advance(COOL_DOWN)
    assert "unknown_key" == await it.outcome(signed(CLAIMS, ec_key(0))), "the old key is gone"


@pytest.mark.parametrize("kid", ["es256-1", REMOVED])
async def test_a_new_key_must_have_made_the_signature_too(kid):
    """OIDC Core §10.1.1: a name that is published is no signature."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    it.source.keys = (ec_key(1),)

    assert "bad_signature" == await it.outcome(signed(CLAIMS, ec_key(9), kid=kid))


async def test_rotation_is_followed_without_names_too():
    """OIDC Core §10.1: a token without `kid` that no key fits."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0), kid=REMOVED))
    it.source.keys = (ec_key(1),)

    assert "fine" == await it.outcome(signed(CLAIMS, ec_key(1), kid=REMOVED))
    assert 2 == it.source.fetched


async def test_a_thousand_junk_names_cause_one_read_in_an_interval():
    """OIDC Core §10.1, RFC 8725 §3.10: junk cannot make us hammer the issuer."""
    it = Cache(ec_key())
    await it.check(signed(CLAIMS, ec_key()))
    for number in range(1000):
        assert "unknown_key" == await it.outcome(junk(number), trusted=False)
    assert 2 == it.source.fetched

    it.clock.advance(COOL_DOWN)
    for number in range(1000, 1100):
        await it.outcome(junk(number), trusted=False)
    assert 3 == it.source.fetched


async def test_junk_from_anyone_does_not_keep_us_from_following_a_rotation():
    """Tokens from the issuer's own connection have their own allowance."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    await it.outcome(junk(0), trusted=False)
    it.source.keys = (ec_key(1),)

    assert "unknown_key" == await it.outcome(signed(CLAIMS, ec_key(1)), trusted=False), "cooling down"
    assert "fine" == await it.outcome(signed(CLAIMS, ec_key(1)), trusted=True)


async def test_a_trusted_token_with_a_new_name_waits_out_the_cool_down():
    """It is not the person's fault: try again in a moment, and then it works."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    await it.outcome(junk(0))
    it.source.keys = (ec_key(1),)
    it.clock.advance(10)

    with pytest.raises(IssuerUnavailable) as caught:
        await it.check(signed(CLAIMS, ec_key(1)))
    assert 20 == caught.value.retry_after
    assert "jwks_throttled" in it.events

    it.clock.advance(20)
    assert "fine" == await it.outcome(signed(CLAIMS, ec_key(1)))


async def test_a_name_that_the_issuer_does_not_know_is_remembered():
    """The same junk again costs no further read until a while has passed."""
    it = Cache(ec_key())
    await it.outcome(junk(0))
    it.clock.advance(COOL_DOWN + 1)
    assert "unknown_key" == await it.outcome(junk(0))
    assert 2 == it.source.fetched

    it.clock.advance(MISS_MEMORY)
    await it.outcome(junk(0))
    assert 3 == it.source.fetched


async def test_many_tokens_with_a_new_name_share_one_read():
    """Single flight: a rotation under load is one request."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    it.source.keys = (ec_key(1),)
    it.source.gate.clear()
    checks = [asyncio.create_task(it.outcome(signed(CLAIMS, ec_key(1)))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    it.source.gate.set()

    assert ["fine"] * 50 == await asyncio.gather(*checks)
    assert 2 == it.source.fetched


@pytest.mark.parametrize(
    "raw",
    [
        signed(CLAIMS, ec_key(5), kid="es256-0"),
        signed(CLAIMS, ed_key(), kid="es256-0"),
        signed(CLAIMS, rsa_key(), kid="es256-0"),
    ],
)
async def test_a_bad_signature_under_a_known_name_causes_no_read(raw):
    """What is merely wrong is refused without asking anybody."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))

    assert "bad_signature" == await it.outcome(raw)
    assert 1 == it.source.fetched


async def test_a_missing_claim_causes_no_read():
    """Nor does a token that is well signed and lacks something."""
    it = Cache(ec_key(0))

    assert "sub_missing" == await it.outcome(signed({"iss": "x"}, ec_key(0), kid=REMOVED))
    assert 1 == it.source.fetched


async def test_aged_keys_are_read_again_in_the_background():
    """OIDC Core §10.1.1: a key that was withdrawn is forgotten; nobody waits for that."""
    it = Cache(ec_key(0), ec_key(1))
    await it.check(signed(CLAIMS, ec_key(1)))
    it.source.keys = (ec_key(0),)
    it.clock.advance(MAX_AGE)

    await it.check(signed(CLAIMS, ec_key(1)))
    await settle(lambda: it.source.fetched == 2)

    assert "unknown_key" == await it.outcome(signed(CLAIMS, ec_key(1)))


@pytest.mark.parametrize("document", [None, {"keys": []}, {"keys": [ec_key().jwk()] * 101}, {"kees": []}])
async def test_the_last_good_set_survives_a_bad_one(document):
    """OIDC Discovery §4: an outage, an empty set or an oversized one changes nothing that works."""
    it = Cache(ec_key())
    await it.check(signed(CLAIMS, ec_key()))
    it.source.broken, it.source.document = document is None, document
    it.clock.advance(MAX_AGE)

    await it.check(signed(CLAIMS, ec_key()))
    await settle(lambda: "jwks_failed" in it.events)

    assert "fine" == await it.outcome(signed(CLAIMS, ec_key()))
    assert it.cache.last_error is not None


async def test_a_failing_refresh_is_tried_again_after_a_pause():
    """Not for every token that comes in meanwhile."""
    it = Cache(ec_key())
    await it.check(signed(CLAIMS, ec_key()))
    it.source.broken = True
    it.clock.advance(MAX_AGE)
    for _ in range(20):
        await it.check(signed(CLAIMS, ec_key()))
        await asyncio.sleep(0)
    assert 2 == it.source.fetched

    it.source.broken = False
    it.clock.advance(1)
    await it.check(signed(CLAIMS, ec_key()))
    await settle(lambda: it.cache.last_error is None)


async def test_without_any_keys_nothing_is_believed_and_nobody_queues():
    """RFC 8725 §3.1: fail closed, at once while the last failure is fresh."""
    it = Cache(ec_key())
    it.source.broken = True
    outcomes = [await it.outcome(signed(CLAIMS, ec_key())) for _ in range(10)]

    assert ["unavailable"] * 10 == outcomes
    assert (1, False) == (it.source.fetched, it.cache.ready)

    it.source.broken = False
    it.clock.advance(1)
    assert "fine" == await it.outcome(signed(CLAIMS, ec_key()))


async def test_the_pause_between_failures_grows_to_its_bound():
    """1, 2, 4, 8, 16, 30, 30 … seconds, for years if need be."""
    it = Cache(ec_key())
    it.source.broken = True
    waits = []
    for _ in range(1100):
        with pytest.raises(IssuerUnavailable) as caught:
            await it.cache.ensure()
        waits.append(caught.value.retry_after)
        it.clock.advance(30)

    assert [1, 2, 4, 8, 16, 30, 30] == waits[:7]
    assert {30} == set(waits[7:])


async def test_a_refetch_that_fails_is_unavailable_and_cools_down():
    """A token that names a new key while the issuer is down."""
    it = Cache(ec_key(0))
    await it.check(signed(CLAIMS, ec_key(0)))
    it.source.broken = True

    assert ["unavailable", "unavailable"] == [await it.outcome(signed(CLAIMS, ec_key(1))) for _ in range(2)]
    assert 2 == it.source.fetched


async def test_closing_stops_what_is_under_way():
    """Nothing is left running."""
    it = Cache(ec_key())
    it.source.gate.clear()
    waiting = asyncio.create_task(it.cache.ensure())
    await asyncio.sleep(0)
    await it.cache.close()

    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)


async def settle(condition: Callable[[], bool]) -> None:
    """Let tasks run until the condition holds."""
    for _ in range(50):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to pass")
