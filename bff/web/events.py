"""`GET /bff/events`: tells the page what happens to its session, at the price of one idle stream a tab."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.types import Receive, Send

from bff.errors import SessionExpired, SessionStoreUnavailable, TooManyRequests
from bff.http.problems import NO_STORE, SECURITY_HEADERS
from bff.session.live import LiveSession, News
from bff.session.records import Ended, StoredSession
from bff.session.sessions import Sessions

_WARN_BEFORE = 60.0  # seconds
_PING = 20.0  # seconds of silence that proxies in between bear
_MOST = 20  # streams of one session on one worker
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    NO_STORE,
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]


@dataclass(frozen=True, slots=True)
class EventStream:
    """Streams the news of one session until it ends or the page goes away."""

    sessions: Sessions
    clock: Callable[[], float]

    async def __call__(self, live: LiveSession, receive: Receive, send: Send) -> None:
        """Stream; raises `TooManyRequests` before anything is sent."""
        if len(live.watchers) >= _MOST:
            raise TooManyRequests
        news: asyncio.Queue[News] = asyncio.Queue()
        watcher = news.put_nowait
        live.watchers.add(watcher)
        gone = asyncio.get_running_loop().create_task(_wait_gone(receive), name="events-hangup")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await _write(send, b"retry: 2000\n\n")
            await self._run(live, news, gone, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            live.watchers.discard(watcher)
            gone.cancel()

    async def _run(
        self, live: LiveSession, news: asyncio.Queue[News], gone: asyncio.Task[None], send: Send
    ) -> None:
        warned_for = 0.0
        while not gone.done():
            now = self.clock()
            end = min(live.idle_expires_at, live.session.expires_at)
            if now >= end or live.ended:
                reason = await self._reason_of_end(live)
                if reason is not None:
                    await _write(send, _event(News.ENDED, {"reason": reason}))
                    return
                continue
            if now >= end - _WARN_BEFORE and warned_for != end:
                warned_for = end
                await _write(send, _event(News.EXPIRING, {"expires_in": int(end - now)}))
            wait = min(_PING, end - now, *([end - _WARN_BEFORE - now] if warned_for != end else []))
            heard = await _first(news, gone, max(wait, 0.01))
            match heard:
                case None:
                    await _write(send, b": still here\n\n")
                case News.CLOSING:
                    return  # the page connects again, and finds a worker that stays
                case News.ENDED:
                    continue  # the loop asks the store for the reason
                case News.EXTENDED:
                    left = min(live.idle_expires_at, live.session.expires_at) - self.clock()
                    await _write(send, _event(News.EXTENDED, {"expires_in": int(left)}))
                case _:
                    await _write(send, _event(heard, {}))

    async def _reason_of_end(self, live: LiveSession) -> str | None:
        """Ask the store; None when the session lives on (another worker slid it, say)."""
        try:
            record = await self.sessions.reload(live, self.clock())
        except SessionStoreUnavailable:
            await asyncio.sleep(1.0)  # nobody is logged out by a store that is away: ask again
            return None
        except SessionExpired as error:  # this worker holds it for ended, whatever the store says
            return str(error.members["reason"])
        if isinstance(record, StoredSession):
            return None
        return record.reason if isinstance(record, Ended) else "expired"


async def _first(news: asyncio.Queue[News], gone: asyncio.Task[None], seconds: float) -> News | None:
    waiting = asyncio.get_running_loop().create_task(news.get())
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()


async def _wait_gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


def _event(name: News, fields: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.value.encode("ascii"), msgspec.json.encode(fields))
