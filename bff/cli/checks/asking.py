"""One request, as little as can be: no redirect is followed and nothing is kept."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit

from bff.crypto.trust import build_trust

_MOST = 64 * 1024  # bytes of a body that are read
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Head:
    """An answer: its status, its headers by their names in small letters, and some of its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class NoAnswer(Exception):
    """There was none; the message says why, and nothing of what was asked."""


async def ask(url: str, timeout: float, headers: dict[str, str] | None = None) -> Head:  # noqa: ASYNC109
    """GET a URL.

    Raises:
        NoAnswer: nobody answered in so many seconds, or with something else than HTTP.
    """
    try:
        return await aside(lambda: _ask(url, timeout, headers or {}), within=2 * timeout)
    except TimeoutError as error:
        raise NoAnswer(f"nothing whole within {2 * timeout:g} s") from error


async def aside(call: Callable[[], _T], *, within: float) -> _T:
    """Do what blocks on a thread that nobody waits for at the end: who answers byte by byte may hold it for ever.

    Raises:
        TimeoutError: it took longer, in seconds. It goes on, and what becomes of it is lost.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 -- it is raised where it was asked for
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=work, daemon=True).start()
    async with asyncio.timeout(within):
        return await done


def _ask(url: str, timeout: float, headers: dict[str, str]) -> Head:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        HTTPSConnection(host, port, timeout=timeout, context=build_trust())
        if parts.scheme == "https"
        else HTTPConnection(host, port, timeout=timeout)
    )
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("GET", target, headers={"user-agent": "bff doctor", "accept": "*/*", **headers})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Head(answer.status, found, answer.read(_MOST))
    except ssl.SSLError as error:
        raise NoAnswer(f"TLS failed: {error.reason or 'it broke off'}") from error
    except TimeoutError as error:
        raise NoAnswer(f"nothing within {timeout:g} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(getattr(error, "strerror", None) or "what answers there speaks no HTTP") from error
    finally:
        connection.close()
