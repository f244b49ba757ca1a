"""What settings say together."""

import pytest

from bff.config.settings import ServerSettings


@pytest.mark.parametrize(
    ("workers", "asked_for", "apart"),
    [(1, None, False), (2, None, True), (8, None, True), (1, True, True), (2, False, False)],
)
def test_several_workers_have_a_process_that_renews_unless_told_otherwise(workers, asked_for, apart):
    """A worker that dies between the issuer's answer and the store takes the rotated token along."""
    assert apart is ServerSettings(workers=workers, renewal_process=asked_for).renews_apart
