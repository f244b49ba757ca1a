"""Which close codes may be said to whom."""

import pytest

from bff.proxy.closing import UPSTREAM_BROKE, Close, Ending, close_for, close_from_browser, close_from_upstream


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4401, 4999]
)
def test_codes_that_an_endpoint_may_send_pass_both_ways(code: int) -> None:
    """RFC 6455 §7.4 and its registry."""
    assert Close(code, "why") == close_from_upstream(code, "why")
    assert Close(code, "why") == close_from_browser(code, "why")


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1014, 1015, 1016, 2999, 5000])
def test_codes_that_nobody_may_send_or_browsers_do_not_take_are_replaced(code: int) -> None:
    """For the browser it is the upstream that misbehaved; the upstream is told nothing."""
    assert UPSTREAM_BROKE == close_from_upstream(code, "why")
    assert Close(None) == close_from_browser(code, "why")


def test_close_without_a_code_stays_one() -> None:
    """1005 stands for its absence (RFC 6455 §7.4.1); None is a connection that broke."""
    assert Close(None) == close_from_upstream(1005, "")
    assert Close(None) == close_from_browser(1005, "")
    assert UPSTREAM_BROKE == close_from_upstream(None, "")
    assert Close(None) == close_from_browser(None, "")


def test_reason_is_cut_to_what_a_frame_holds() -> None:
    """123 bytes (RFC 6455 §5.5), and no half of a character."""
    close = close_from_upstream(1000, "ä" * 100)

    assert Close(1000, "ä" * 61) == close
    assert 123 >= len(close.reason.encode())


def test_every_ending_has_a_code_of_its_own() -> None:
    """The page does something else on each."""
    assert {4401, 4403, 1012} == {close_for(why).code for why in Ending}
