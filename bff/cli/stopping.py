"""How a worker stops: unready, then deaf to new connections, then silent, and only then does the server end.

What comes while it drains is answered, with the word that the connection closes. Sockets and streams are told to go
elsewhere at once.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable

_LONGEST = 3.0  # seconds


class Stop:
    """Stands between the stop signals and granian, which waits for answers, and cuts everything else.

    granian asks the event loop for the signals once the application is loaded. What it asks for is kept here, and
    called when the sockets have been closed and no more requests come; at once on a second signal.
    """

    def __init__(
        self,
        *,
        drain: Callable[[], None],
        is_heard: Callable[[], bool],
        stop_listening: Callable[[], None],
        at_rest: Callable[[], Awaitable[object]],
        delay: float,
        shutdown_timeout: float,
    ) -> None:
        """`delay`: seconds in which it is unready and still takes connections. `at_rest` returns when it may go.

        `is_heard` tells whether connections are taken yet; where they are not, there is nothing to finish.
        """
        self._drain = drain
        self._is_heard = is_heard
        self._stop_listening = stop_listening
        self._at_rest = at_rest
        self._delay = delay
        self._patience = min(_LONGEST, shutdown_timeout / 2)
        self._held: dict[int, Callable[[], object]] = {}
        self._leaving: asyncio.Task[None] | None = None

    def stand_between(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take what is asked of the loop from now on."""
        wake = loop.add_signal_handler

        def begin(number: int, _frame: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._begin, loop, number)

        def hold(number: int, callback: Callable[..., object], *args: object) -> None:
            self._held[number] = lambda: callback(*args)
            # uvloop forgets a signal that comes while it does not run, as it does not while granian begins: so it
            # is only woken by one, and what is called stands in a handler that Python calls whenever it comes.
            wake(number, _do_nothing)
            signal.signal(number, begin)

        loop.add_signal_handler = hold  # type: ignore[method-assign, assignment]

    def _begin(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        if self._leaving is not None:
            self._held[number]()
            return
        self._drain()
        self._leaving = loop.create_task(self._leave(number), name="drain")

    async def _leave(self, number: int) -> None:
        try:
            if not self._is_heard():
                return
            await asyncio.sleep(self._delay)
            self._stop_listening()
            async with asyncio.timeout(self._patience):
                await self._at_rest()
        except TimeoutError:
            pass  # whoever takes no close by now is cut
        finally:
            self._held[number]()


def _do_nothing() -> None:
    """Being called was all."""
