"""A download that is made while it is sent, and is over when it has been sent or when its reader has left."""

import asyncio
from functools import partial

from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Send


class Download(ASGIStreamingResponse):
    """Litestar's own waits for the connection's end after its last byte, which may be kept open for long."""

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send what the iterator yields. When that fails the connection breaks: nobody takes it for the whole."""
        sending = asyncio.create_task(self._stream(send))
        leaving = asyncio.create_task(_until_left(receive))
        # Whichever comes first, and whether or not we are cancelled ourselves, the other one ends as well.
        sending.add_done_callback(partial(_cancel, leaving))
        leaving.add_done_callback(partial(_cancel, sending))
        try:
            await asyncio.wait({sending, leaving})
        finally:
            sending.cancel()
            leaving.cancel()
        if not sending.cancelled():
            sending.result()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _cancel(other: asyncio.Task[None], _done: asyncio.Task[None]) -> None:
    other.cancel()
