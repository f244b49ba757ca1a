"""The worker's ear on the store: hands pushed changes on, and wakes whoever waits for one key."""

import asyncio
from collections.abc import Callable
from typing import Self

from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.session.records import Change, Coordination, Lost, Restored

Listener = Callable[[Change], None]


class ChangeFeed:
    """Listens as long as the worker lives. While `trusted` is False, nothing cached may be believed."""

    def __init__(self, store: Coordination, emit: Emit, *, retry_after: float = 0.5) -> None:
        self._store = store
        self._emit = emit
        self._retry_after = retry_after
        self._listeners: list[Listener] = []
        self._lost_listeners: list[Callable[[], None]] = []
        self._restored_listeners: list[Callable[[], None]] = []
        self._waiting: dict[bytes, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self.trusted = False

    def listen(
        self, on_change: Listener, on_lost: Callable[[], None], on_restored: Callable[[], None] = lambda: None
    ) -> None:
        """Call `on_change` for each change, `on_lost` when some may have been missed, `on_restored` after that."""
        self._listeners.append(on_change)
        self._lost_listeners.append(on_lost)
        self._restored_listeners.append(on_restored)

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="change-feed")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def waiter(self, key: bytes) -> "Waiter":
        """Register for the next change of a key; to be used as a context manager."""
        return Waiter(self._waiting, key)

    async def _run(self) -> None:
        while True:
            try:
                async for news in self._store.changes():
                    self._hear(news)
            except SessionStoreUnavailable:
                pass  # said below, together with a feed that merely ended
            except Exception as error:  # noqa: BLE001 -- a worker that stopped hearing would go on believing
                self._emit("background.crashed", {"task": "change-feed", "error": type(error).__name__})
            self._lose()
            await asyncio.sleep(self._retry_after)

    def _hear(self, news: Change | Lost | Restored) -> None:
        match news:
            case Change():
                for listener in self._listeners:
                    listener(news)
                for event in self._waiting.get(news.key, ()):
                    event.set()
            case Lost():
                self._lose()
            case Restored():
                self.trusted = True
                self._emit("store.push_restored", {})
                for ask_again in self._restored_listeners:
                    ask_again()

    def _lose(self) -> None:
        if self.trusted:
            self._emit("store.push_lost", {})
        self.trusted = False
        for forget in self._lost_listeners:
            forget()
        for events in self._waiting.values():
            for event in events:
                event.set()


class Waiter:
    """Wakes on the next change of one key, or when changes may have been missed."""

    def __init__(self, waiting: dict[bytes, set[asyncio.Event]], key: bytes) -> None:
        self._waiting = waiting
        self._key = key
        self._event = asyncio.Event()

    def __enter__(self) -> Self:
        self._waiting.setdefault(self._key, set()).add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        events = self._waiting.get(self._key, set())
        events.discard(self._event)
        if not events:
            self._waiting.pop(self._key, None)

    @property
    def heard(self) -> bool:
        """Whether the key changed, or changes may have been missed, since the registration."""
        return self._event.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait for the change, so many seconds at most; False when none came."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        self._event.clear()
        return True
