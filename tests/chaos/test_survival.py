"""Workers are killed and the store is restarted under load (the short form of `benchmarks.survival`)."""

import pytest

from benchmarks.survival import survive

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.mark.parametrize(("store", "sessions"), [("valkey", 16), ("sqlite", 1)])
async def test_nothing_is_lost_while_workers_are_killed_and_the_store_restarts(store: str, sessions: int):
    """No session, no refresh token used twice, no request but those that a killed worker had in its hands.

    RFC 9700 §4.14.2: with reuse detected at the issuer, a second use would end the session.
    """
    seen = await survive(
        store,
        sessions=sessions,
        seconds=6.0,
        pause=0.5,
        clients=4,
        kill_every=2.0,
        least_kills=2,
        store_timeout="20s",  # a slow machine takes its time to start Valkey
    )

    assert (set(), 0, 0, {}) == (seen.lost, seen.counters["reuse_detected"], seen.failed, dict(seen.refusals))
    assert 2 <= len(seen.kills)
    assert 1 == seen.restarts
    assert 0 < seen.counters["refresh_token"]
    assert sessions < seen.answers[200]
