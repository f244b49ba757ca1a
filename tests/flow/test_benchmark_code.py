"""The benchmarks run: what they measure is served as it should be."""

from benchmarks import own_code


async def test_every_measured_request_is_answered_by_the_api() -> None:
    """A figure comes out only when each request passed all checks and got the API's answer."""
    figures = await own_code.measure(rounds=1, requests=20)

    assert 1 == len(figures)
