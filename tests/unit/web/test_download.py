"""A download ends with its last byte, when its reader leaves, or with a broken connection; never as if whole."""

import asyncio

import pytest

from bff.web.admin.download import Download


class Wire:
    """One connection: what is sent over it, and when its reader leaves."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.left = asyncio.Event()
        self.asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive(self):
        if self.asked:
            return self.asked.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    async def carry(self, iterator):
        async with asyncio.timeout(5):
            await Download(iterator=iterator, media_type="text/csv")({"type": "http"}, self.receive, self.send)

    @property
    def is_whole(self) -> bool:
        return self.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_it_ends_with_its_last_byte_while_the_connection_stays_open():
    """Which keep-alive leaves open for as long as it likes."""
    wire = Wire()

    async def lines():
        yield "a\r\n"
        yield "b\r\n"

    await wire.carry(lines())

    assert b"a\r\nb\r\n" == b"".join(message.get("body", b"") for message in wire.sent)
    assert wire.is_whole


async def test_it_ends_when_its_reader_leaves():
    """Nobody reads a registry to its end for a browser that has gone."""
    wire = Wire()
    ended = asyncio.Event()

    async def lines():
        try:
            yield "a\r\n"
            wire.left.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    await wire.carry(lines())
    await asyncio.wait_for(ended.wait(), 5)

    assert not wire.is_whole


async def test_one_that_fails_is_not_taken_for_the_whole():
    """The last message never comes, and the server closes the connection."""
    wire = Wire()

    async def lines():
        yield "a\r\n"
        raise ValueError("the store went away")

    with pytest.raises(ValueError, match="went away"):
        await wire.carry(lines())

    assert not wire.is_whole
