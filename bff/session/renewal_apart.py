"""Renewals in a process of their own, asked over a Unix socket: a killed worker takes no rotated token along.

One question a connection, as a line of JSON: the session's cookie, the version whose token an API refused, and the
request and the trace that it is asked for. One line comes back: `{}` when the session has usable tokens, or the
error by its code.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import KeyRing
from bff.errors import BffError, IssuerUnavailable, SessionExpired, SessionStoreUnavailable
from bff.events import TRACE, Trace
from bff.session.live import LiveSession
from bff.session.renewal import Renewer
from bff.session.renewal_lease import PATIENCE
from bff.session.resolved import Gone
from bff.session.sessions import COOKIE_PURPOSE, Sessions

Apart = Callable[[LiveSession, int | None], Awaitable[None]]
Joined = Callable[[Mapping[str, str]], AbstractContextManager[object]]

_ANSWER_WITHIN = 2 * PATIENCE  # seconds; that process itself says after PATIENCE that it takes longer
_QUESTION_WITHIN = 10.0  # seconds for the whole line: a worker that is stopped holds no end up
_LOOK_EVERY = 1.0  # seconds between two looks whether a successor has taken the address over


def renew_apart(
    address: Path, ring: KeyRing, clock: Callable[[], float], trace_context: Callable[[], Mapping[str, str]] = dict
) -> Apart:
    """Return what has a session renewed by the process at this address, and waits for it.

    It raises `OSError` when that process is not there, dies, hangs, or cannot read the session: then do it
    yourself. Else what `Renewer.renewed` raises there.
    """
    envelope = Envelope(ring, COOKIE_PURPOSE)

    async def ask(live: LiveSession, refused: int | None) -> None:
        cookie = envelope.seal(live.ticket.build(), clock())
        question = {"cookie": cookie.decode("ascii"), "refused": refused}
        answer = await _ask(address, {**question, "request": TRACE.get(), "trace": dict(trace_context())})
        match answer.get("error"):
            case None:
                return
            case SessionExpired.code:
                raise SessionExpired(reason=answer["reason"])
            case IssuerUnavailable.code:
                raise IssuerUnavailable(retry_after=answer["retry_after"])
            case SessionStoreUnavailable.code:
                raise SessionStoreUnavailable(answer["detail"])
            case "unreadable":
                raise OSError("the renewal process does not have our key")
            case _:
                raise BffError

    return ask


async def _ask(address: Path, question: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(_ANSWER_WITHIN):  # `TimeoutError` is an `OSError`
        reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the renewal process went away")
    answer: dict[str, Any] = json.loads(line)
    return answer


class Desk:
    """Where the renewal process takes questions, until a successor takes the address over."""

    def __init__(
        self, sessions: Sessions, renewer: Renewer, clock: Callable[[], float], joined: Joined = nullcontext
    ) -> None:
        """`joined` makes what is done part of the trace that it is done for."""
        self._joined = joined
        self._sessions = sessions
        self._renewer = renewer
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._under_way = 0
        self._idle = asyncio.Event()

    async def open(self, address: Path) -> None:
        """Take the address, from a predecessor if there is one, in one step: no question finds nobody."""
        mine = address.with_suffix(f".{os.getpid()}")
        self._server = await asyncio.start_unix_server(self._answer, mine)
        self._inode = mine.stat().st_ino
        mine.rename(address)
        self._address = address

    async def superseded(self) -> None:
        """Return once the address belongs to another."""
        with suppress(FileNotFoundError):
            while self._address.stat().st_ino == self._inode:  # noqa: ASYNC110 -- another process's doing
                await asyncio.sleep(_LOOK_EVERY)

    async def close(self) -> None:
        """Take no more questions, and answer those that were asked."""
        if self._server is not None:
            self._server.close()
        self._idle.clear()
        if self._under_way:
            await self._idle.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._under_way += 1
        try:
            async with asyncio.timeout(_QUESTION_WITHIN):
                question = json.loads(await reader.readline())
            request = question.get("request")
            TRACE.set(Trace(*request) if request is not None else None)
            with self._joined(question.get("trace", {})):
                answer = await self._renewed(question["cookie"].encode("ascii"), question["refused"])
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
            return  # a worker that was killed while it asked or was answered: the renewal goes on all the same
        finally:
            writer.close()
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _renewed(self, cookie: bytes, refused: int | None) -> dict[str, str | int | None]:
        try:
            match await self._sessions.load(cookie, self._clock()):
                case LiveSession() as live:
                    await self._renewer.renewed(live, refused=refused)
                    return {}
                case Gone(reason):
                    return {"error": SessionExpired.code, "reason": reason}
                case _:
                    return {"error": "unreadable"}
        except SessionExpired as error:
            return {"error": error.code, "reason": str(error.members["reason"])}
        except BffError as error:
            return {"error": error.code, "retry_after": error.retry_after, "detail": error.detail}
