"""How a worker stops: it drains, says goodbye to its sockets, and only then lets the server go."""

import asyncio
from collections.abc import Awaitable, Callable

_LONGEST = 3.0  # seconds


class Stop:
    """Stands between the stop signals and granian, which waits for answers but not for sockets: it would cut them.

    granian asks the event loop for the signals once the application is loaded. What it asks for is kept here, and
    called when the sockets have been closed; at once on a second signal.
    """

    def __init__(
        self, drain: Callable[[], None], sockets_closed: Callable[[], Awaitable[object]], shutdown_timeout: float
    ) -> None:
        self._drain = drain
        self._sockets_closed = sockets_closed
        self._patience = min(_LONGEST, shutdown_timeout / 2)
        self._held: dict[int, Callable[[], object]] = {}
        self._leaving: asyncio.Task[None] | None = None

    def stand_between(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take what is asked of the loop from now on."""
        listen = loop.add_signal_handler

        def hold(number: int, callback: Callable[..., object], *args: object) -> None:
            self._held[number] = lambda: callback(*args)
            listen(number, self._begin, loop, number)

        loop.add_signal_handler = hold  # type: ignore[method-assign, assignment]

    def _begin(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        if self._leaving is not None:
            self._held[number]()
            return
        self._drain()
        self._leaving = loop.create_task(self._leave(number), name="close-sockets")

    async def _leave(self, number: int) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._sockets_closed()
        except TimeoutError:
            pass  # whoever takes no close by now is cut
        finally:
            self._held[number]()
