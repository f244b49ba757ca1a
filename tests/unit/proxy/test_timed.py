"""How long an answer may be silent whose request is still on its way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bff.errors import UpstreamTimeout
from bff.proxy.timed import UploadAnswer, WatchedUpload

AT_ONCE = 0.01  # seconds


class Answer:
    """An answer whose next part comes when it is told to."""

    status = 200

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.comes = asyncio.Event()
        self.closed = False

    def whole(self) -> bytes | None:
        return None

    async def read(self) -> bytes | None:
        await self.comes.wait()
        return b"part"

    async def close(self) -> None:
        self.closed = True


async def test_silence_does_not_count_while_the_browser_is_waited_for():
    """Whoever has not been sent the whole request may wait with its answer."""
    answer, looks = Answer(), 0

    def moved_at() -> float:
        nonlocal looks
        looks += 1
        if looks == 3:
            answer.comes.set()
        return asyncio.get_running_loop().time()

    async with asyncio.timeout(30):
        assert b"part" == await UploadAnswer(answer, moved_at, AT_ONCE).read()
    assert looks >= 3


async def test_silence_counts_from_when_the_upload_moved_last():
    """And from the beginning of the waiting, where it moved before that."""
    for moved_at in (0.0, asyncio.get_running_loop().time() + 0.05):
        with pytest.raises(UpstreamTimeout):
            await UploadAnswer(Answer(), lambda moved_at=moved_at: moved_at, AT_ONCE).read()
        assert asyncio.get_running_loop().time() >= moved_at + AT_ONCE


async def test_upload_knows_whom_it_waits_for():
    """For the browser before each piece, for the upstream from each piece and from the end on."""
    loop = asyncio.get_running_loop()
    seen = []

    async def body() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            seen.append(upload.moved_at() >= began)  # the browser is waited for: it is as if it moved now
            yield piece

    upload, began = WatchedUpload(body()), loop.time()
    async for _ in upload.pieces():
        handed_at = upload.moved_at()
        began = loop.time()
        await asyncio.sleep(0)
        seen.append(handed_at == upload.moved_at())

    assert [True] * 4 == seen
    ended_at = upload.moved_at()
    await asyncio.sleep(AT_ONCE)
    assert (ended_at, False) == (upload.moved_at(), upload.broke)
