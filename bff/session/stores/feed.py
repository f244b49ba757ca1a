"""Fans the changes of a store out to everyone who listens to it. No I/O."""

import asyncio
import weakref
from collections import deque

from bff.session.records import Change, ChangeKind, Lost, Restored

Event = Change | Lost | Restored


class Subscription:
    """What one listener has yet to hear: an async iterator over a bounded backlog.

    A listener that falls behind by the whole backlog gets `Lost` and `Restored` in its place.
    """

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._pending: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._pending.popleft()

    def put(self, event: Event) -> None:
        """Queue an event. Whatever was pending before a `Lost` says nothing more than the `Lost` does."""
        if isinstance(event, Lost):
            self._pending.clear()
        elif len(self._pending) >= self._backlog:
            self._pending.clear()
            self._pending.extend((Lost(), Restored()))
            self._ready.set()
            return
        self._pending.append(event)
        self._ready.set()

    def close(self) -> None:
        """End the iteration after what is pending."""
        self._closed = True
        self._ready.set()


class Feed:
    """The listeners of one store, and whether its push connection stands."""

    def __init__(self, backlog: int = 1024) -> None:
        self._backlog = backlog
        # Weak: a listener that just drops its iterator must not leave a backlog behind.
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._standing = False
        self._closed = False

    def subscribe(self) -> Subscription:
        """Listen from now on. The first event is `Restored`, at once or when the connection first stands."""
        subscription = Subscription(self._backlog)
        if self._standing:
            subscription.put(Restored())
        if self._closed:
            subscription.close()
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, change: Change) -> None:
        """Tell every listener."""
        for subscription in self._subscriptions:
            subscription.put(change)

    def publish_raw(self, kind: str, key: bytes, version: int) -> None:
        """Tell every listener what came from outside. A kind that only a newer release knows is a gap."""
        if kind in [*ChangeKind]:
            self.publish(Change(ChangeKind(kind), key, version))
        else:
            self.skip()

    def skip(self) -> None:
        """Say that there is a gap, and that changes are heard again after it."""
        self.interrupt()
        self.restore()

    def restore(self) -> None:
        """Say that changes are heard from here on."""
        if not self._standing:
            self._standing = True
            for subscription in self._subscriptions:
                subscription.put(Restored())

    def interrupt(self) -> None:
        """Say that changes may have been missed."""
        if self._standing:
            self._standing = False
            for subscription in self._subscriptions:
                subscription.put(Lost())

    def close(self) -> None:
        """End every iteration, now and later."""
        self._standing = False
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
