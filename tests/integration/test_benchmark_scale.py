"""The benchmarks of scale run, small: what they measure is what the product does, however fast."""

from benchmarks.scale import logins, renewals, store

FEW = 60


async def test_sessions_are_written_read_listed_and_ended():
    """Every figure of the store part comes of sessions that were really there."""
    figures = await store.measure(FEW, cold_reads=20)

    assert FEW == figures.sessions
    assert {"hmget": 1} == figures.cold_read
    assert 1000 < figures.bytes_each
    assert 4 == len(figures.pages)


async def test_every_login_of_the_storm_gets_its_session():
    """A login that fails fails the benchmark; so does one without a session cookie."""
    figures = await logins.measure(FEW)

    assert FEW == figures.logins
    assert figures.took > 0
    assert figures.cpu > 0


async def test_a_storm_renews_each_session_once_and_fails_no_request():
    """No more than the configured number at once reach the issuer, and no refresh token is used twice."""
    seen = await renewals.measure(FEW, ahead=4.0, window=1.0, pause=1.0)

    assert {200} == set(seen.statuses)
    assert (FEW, 0) == (seen.issuer["refresh_token"], seen.issuer.get("reuse", 0))
    assert seen.issuer["at_once"] <= renewals.AT_ONCE
    assert len(seen.times) == sum(seen.histogram())
