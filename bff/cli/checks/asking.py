"""One request, as little as can be: no redirect is followed and nothing is kept."""

import asyncio
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from bff.crypto.trust import build_trust

_MOST = 64 * 1024  # bytes of a body that are read


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
    return await asyncio.to_thread(_ask, url, timeout, headers or {})


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
