"""HTTP towards the issuer. The only module that knows httpx.

Nothing is kept between users: no cookies, no redirects followed, no proxies or credentials from the environment.
Every answer is bounded in time and in decoded size.
"""

import asyncio
import os
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import perf_counter
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from bff.crypto.trust import build_trust
from bff.errors import IssuerUnavailable
from bff.oidc.strict_json import parse_json_object

MAX_SIZE = 1024 * 1024  # bytes, decoded
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_RETRY_AFTER = range(1, 301)  # seconds that we are willing to be told

# Hears of every exchange: what it was for, how long it took (seconds), and its status, 0 where there was no answer.
OnExchange = Callable[[str, float, int], None]


@dataclass(slots=True)
class Exchange:
    """One request to the issuer and its answer, as whoever looks on may know them."""

    operation: str  # what it is for: a grant type, "revocation", "discovery", "keys" or "userinfo"
    method: str
    url: str
    status: int = 0  # of the answer, once there is one


# Is around every exchange, and says which headers go along with it.
Around = Callable[[Exchange], AbstractAsyncContextManager[Mapping[str, str]]]


def _nothing_around(_exchange: Exchange) -> AbstractAsyncContextManager[Mapping[str, str]]:
    return nullcontext(_NO_HEADERS)


def _ignore_exchange(_operation: str, _seconds: float, _status: int) -> None:
    """Nobody measures."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """One whole answer of the issuer."""

    status: int
    media_type: str  # lower case, without parameters
    body: bytes
    retry_after: int | None = None  # seconds, clamped

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    def json_object(self) -> dict[str, Any] | None:
        """Return the JSON object in it, or None when it is anything else."""
        if not self.is_json:
            return None
        try:
            return parse_json_object(self.body)
        except ValueError:
            return None


class IssuerTransport:
    """Sends one request, reads one answer. Raises `IssuerUnavailable` when there is none to be had.

    `timeout` bounds the whole exchange in seconds, however slowly it trickles. `transport` replaces the network in
    tests.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        timeout: float = 10.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self.timeout = timeout
        self.on_exchange: OnExchange = _ignore_exchange
        self.around: Around = _nothing_around
        self._client = httpx.AsyncClient(
            transport=transport,
            verify=build_trust() if verify is True and transport is None else verify,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=15.0),
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "bff"},
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def get(self, url: str, headers: Mapping[str, str] = _NO_HEADERS, max_size: int = MAX_SIZE) -> Answer:
        """GET `url`."""
        operation = "userinfo" if "authorization" in headers else _document(url)
        return await self._measured(Exchange(operation, "GET", url), headers, None, max_size)

    async def get_json(self, url: str, max_size: int = MAX_SIZE) -> dict[str, Any]:
        """GET a JSON object. Any other answer is `IssuerUnavailable`."""
        answer = await self.get(url, max_size=max_size)
        if answer.status != 200:
            raise IssuerUnavailable(
                f"{_shown(url)} answered with status {answer.status}.", retry_after=answer.retry_after or 5
            )
        document = answer.json_object()
        if document is None:
            raise IssuerUnavailable(f"{_shown(url)} did not answer with a JSON object.")
        return document

    async def get_userinfo(self, url: str, access_token: str) -> Answer:
        """GET with a bearer token in the Authorization header (RFC 6750 §2.1), the only place we ever put one."""
        headers = {"authorization": f"Bearer {access_token}", "accept": "application/json, application/jwt"}
        return await self.get(url, headers)

    async def post_form(
        self, url: str, form: Sequence[tuple[str, str]], headers: Mapping[str, str] = _NO_HEADERS
    ) -> Answer:
        """POST a form. It is sent once and never repeated: codes and refresh tokens can be used only once."""
        body = urlencode(form).encode("ascii")
        headers = {"content-type": "application/x-www-form-urlencoded", **headers}
        operation = dict(form).get("grant_type", "revocation")
        return await self._measured(Exchange(operation, "POST", url), headers, body, MAX_SIZE)

    async def _measured(
        self, exchange: Exchange, headers: Mapping[str, str], content: bytes | None, max_size: int
    ) -> Answer:
        async with self.around(exchange) as more:
            began = perf_counter()
            try:
                answer = await self._exchange(exchange.method, exchange.url, {**headers, **more}, content, max_size)
                exchange.status = answer.status
            finally:
                self.on_exchange(exchange.operation, perf_counter() - began, exchange.status)
        return answer

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, max_size: int
    ) -> Answer:
        if self._client.is_closed:
            raise IssuerUnavailable(
                "The connection to the identity provider has been closed: we are shutting down."
            )
        try:
            where = _shown(url)
            request = self._client.build_request(method, url, headers=headers, content=content)
        except (httpx.InvalidURL, ValueError) as exc:
            raise IssuerUnavailable("The identity provider names an endpoint that is not a URL.") from exc
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._client.send(request, stream=True)
                try:
                    body = await _read(response, max_size)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise IssuerUnavailable(f"{where} did not answer within {self.timeout:g} seconds.") from None
        except (httpx.HTTPError, httpx.StreamError) as exc:
            raise IssuerUnavailable(f"{where} cannot be reached: {_reason(exc)}.") from exc
        except _Unreadable as exc:
            raise IssuerUnavailable(f"The answer of {where} {exc}.") from None
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, media_type, body, _retry_after(response.headers))


def _reason(error: httpx.HTTPError | httpx.StreamError) -> str:
    """Say why there is no answer, as the system or OpenSSL says it beneath what httpx makes of it."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return "it does not speak TLS there"
            case socket.gaierror():
                return "its name cannot be resolved"
            case OSError(errno=int(number)):
                return os.strerror(number).lower()
            case BaseExceptionGroup():  # each of its addresses
                cause = cause.exceptions[0]
            case _:
                cause = cause.__cause__ or cause.__context__
    return type(error).__name__


class _Unreadable(Exception):
    """The answer is too large or in an encoding that was not asked for."""


async def _read(response: httpx.Response, max_size: int) -> bytes:
    """Read the raw body and decode it ourselves: httpx would inflate a whole chunk before we could count it."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > max_size:
            raise _Unreadable(f"is larger than {max_size} bytes")
    match response.headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return bytes(raw)
        case "gzip" | "x-gzip":  # not asked for, but some content networks know better
            return _gunzip(bytes(raw), max_size)
        case _:
            raise _Unreadable("is in an encoding that was not asked for")


def _gunzip(raw: bytes, max_size: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(raw, max_size + 1)
    except zlib.error:
        raise _Unreadable("is not the gzip that it says") from None
    if len(body) > max_size:
        raise _Unreadable(f"is larger than {max_size} bytes")
    if not inflate.eof:
        raise _Unreadable("is cut short")
    return body


def _retry_after(headers: httpx.Headers) -> int | None:
    """Return Retry-After in seconds, clamped (RFC 9110 §10.2.3), or None when there is no sensible one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:10])
    else:
        try:
            there = parsedate_to_datetime(value)
            here = parsedate_to_datetime(headers.get("date", ""))
            seconds = (there - here).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return int(min(max(seconds, _RETRY_AFTER.start), _RETRY_AFTER.stop - 1))


def _document(url: str) -> str:
    """Say which of the issuer's documents a URL names."""
    return "discovery" if url.endswith("/.well-known/openid-configuration") else "keys"


def _shown(url: str) -> str:
    """Return the part of a URL that may be shown: no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
