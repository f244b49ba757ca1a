"""What is left of a body that is too large is taken before it is answered."""

import pytest

from bff.errors import BodyTooLarge, SessionRequired
from bff.proxy.body import read_away


class Sender:
    """A browser that sends so many chunks, and counts those that were taken."""

    def __init__(self, chunks, ends="http.request"):
        self.left = chunks
        self.ends = ends
        self.taken = 0

    async def receive(self):
        self.taken += 1
        self.left -= 1
        if self.left:
            return {"type": "http.request", "body": b"x" * 2**20, "more_body": True}
        return {"type": self.ends, "body": b"", "more_body": False}


@pytest.mark.parametrize("ends", ["http.request", "http.disconnect"])
async def test_rest_of_a_body_that_is_too_large_is_taken(ends):
    """To its end, whichever that is."""
    sender = Sender(10, ends)

    await read_away(sender.receive, [(b"host", b"x")], BodyTooLarge(limit=1))

    assert 10 == sender.taken


async def test_body_without_an_end_is_taken_for_a_while_only():
    """Sixty-four megabytes are enough to be polite."""
    sender = Sender(10_000)

    await read_away(sender.receive, [], BodyTooLarge(limit=1))

    assert 64 == sender.taken


@pytest.mark.parametrize(
    ("headers", "error"),
    [([(b"expect", b"100-continue")], BodyTooLarge(limit=1)), ([], SessionRequired())],
    ids=["asks first", "another refusal"],
)
async def test_nothing_is_taken_where_nothing_needs_to_be(headers, error):
    """RFC 9110 §10.1.1: who waits for 100 has not begun to send."""
    sender = Sender(10)

    await read_away(sender.receive, headers, error)

    assert 0 == sender.taken
