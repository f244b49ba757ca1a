"""Hears the changes that Redis publishes, and knows when it does not."""

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from bff.session.records import Change
from bff.session.stores.feed import Feed
from bff.session.stores.redis_records import FAULTS

FIRST_RETRY = 0.05  # seconds; doubles up to LAST_RETRY
LAST_RETRY = 1.0


def build_message(change: Change) -> bytes:
    """Write a change: kind, version, key, parted by blanks. The key may hold any byte."""
    return b"%s %d %s" % (change.kind.encode(), change.version, change.key)


def publish_message(message: bytes, feed: Feed) -> None:
    """Read a change and publish it. What cannot be read may have been any change: a gap."""
    try:
        kind, version, key = message.split(b" ", 2)
        change = kind.decode(), key, int(version)
    except ValueError:
        feed.skip()
    else:
        feed.publish_raw(*change)


class RedisWatch:
    """Follows one channel on a connection of its own and reconnects for ever.

    A connection whose other end has silently gone is found by a ping after every `timeout / 2` seconds of silence,
    and a missing answer within as long again.
    """

    def __init__(self, listener: Callable[[], Redis], feed: Feed, channel: str, timeout: float) -> None:
        """`listener` is as `Servers.listener`."""
        self._listener = listener
        self._feed = feed
        self._channel = channel
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="bff session store watch")

    async def stop(self) -> None:
        """End the watch."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self) -> None:
        retry_in = FIRST_RETRY
        while True:
            pubsub = self._listener().pubsub()
            try:
                async with asyncio.timeout(self._timeout):
                    await pubsub.subscribe(self._channel)
                    while (await pubsub.get_message(timeout=self._timeout) or {}).get("type") != "subscribe":
                        pass
                self._feed.restore()
                retry_in = FIRST_RETRY
                await self._follow(pubsub)
            except (*FAULTS, TimeoutError):
                self._feed.interrupt()
            finally:
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(retry_in)
            retry_in = min(retry_in * 2, LAST_RETRY)

    async def _follow(self, pubsub: PubSub) -> None:
        """Publish what comes. Raises `TimeoutError` when the other end no longer answers, or what redis raises."""
        is_pinged = False
        while True:
            message = await pubsub.get_message(timeout=self._timeout / 2)
            if message is not None:
                is_pinged = False
                if message["type"] == "message":
                    publish_message(message["data"], self._feed)
            elif is_pinged:
                raise TimeoutError
            else:
                is_pinged = True
                await pubsub.ping()
