"""Renewals under load: many clients on one session, tokens that live five seconds, an issuer that detects reuse.

A client of its own on purpose: it must cost little, and keep the time of every single request.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.servers import issuer_for
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import Bff, Browser, start_product
from tests.servers import Issuer, start_demo_api, start_valkey

CLIENTS = 32
LIFETIME = 5  # seconds of an access token
SLOW = 0.25  # seconds; a request that takes longer counts as delayed whatever the cause
_PAUSE = 0.04  # seconds between two requests of a client: the machine must not be the bottleneck
_AROUND = 0.5  # seconds before a new token is first seen in which its renewal ran
_WARM_UP = 2.0
_SETTLE = 1.0  # seconds for a renewal under way to end, before anything is counted

SETUPS = [("1 worker, sqlite", 1, "sqlite"), ("4 workers, sqlite", 4, "sqlite"), ("4 workers, valkey", 4, "valkey")]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its client saw it; times in seconds."""

    began_at: float
    took: float
    status: int
    token: str  # what the API says of the token that reached it


@dataclass(frozen=True, slots=True)
class Outcome:
    """One setup under load."""

    calls: list[Call]
    warm_at: float  # what was begun sooner met workers that were still starting, and counts for no delay
    waited: int  # requests that the server says had to wait for a renewal
    counters: Mapping[str, int]  # the issuer's

    @property
    def failures(self) -> int:
        return sum(call.status != 200 for call in self.calls)

    @property
    def warm(self) -> list[Call]:
        return [call for call in self.calls if call.began_at >= self.warm_at]

    @property
    def tokens(self) -> int:
        """How many access tokens reached the API."""
        return len({call.token for call in self.calls if call.status == 200})

    def split(self) -> tuple[list[float], list[float]]:
        """The times of the requests begun around a renewal, and of all others, once the workers are warm."""
        first_seen: dict[str, float] = {}
        for call in sorted(self.calls, key=lambda call: call.began_at):
            first_seen.setdefault(call.token, call.began_at)
        renewals = sorted(first_seen.values())[1:]
        near: list[float] = []
        far: list[float] = []
        for call in self.warm:
            is_near = any(at - _AROUND <= call.began_at <= at + 0.1 for at in renewals)
            (near if is_near else far).append(call.took)
        return near, far


class Client:
    """One connection of the browser's, used for one request after the other."""

    def __init__(self, bff: Bff, cookie: str) -> None:
        self._port = bff.port
        self._request = (
            f"GET /api/whoami HTTP/1.1\r\nHost: localhost:{bff.port}\r\nX-CSRF: 1\r\n"
            f"Sec-Fetch-Site: same-origin\r\nCookie: __Host-bff={cookie}\r\n\r\n"
        ).encode()

    async def run(self, until: float, calls: list[Call]) -> None:
        """Call until the time has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while time.monotonic() < until:
                calls.append(await self._call(reader, writer))
                await asyncio.sleep(_PAUSE)
        finally:
            writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
        began_at = time.monotonic()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = json.loads(await reader.readexactly(length))
        return Call(
            began_at, time.monotonic() - began_at, int(head[9:12]), str(body.get("token", {}).get("expires_at"))
        )


async def run(*, seconds: float = 60.0) -> None:
    """Measure every setup and print."""
    rows = []
    for name, workers, store in SETUPS:
        sys.stderr.write(f"\rrenewal: {name} for {seconds:g} s ")
        sys.stderr.flush()
        rows.append([name, *_cells(await _measure(workers, store, seconds))])
    sys.stderr.write("\r" + " " * 60 + "\r")
    print_table(
        f"{CLIENTS} clients on one session for {seconds:g} s, access tokens of {LIFETIME} s, reuse detected",
        [
            "setup",
            "requests",
            "failed",
            "refreshes",
            "tokens renewed",
            "reuse",
            "waited",
            f">{SLOW * 1e3:.0f} ms",
            "near",
            "p99 ms",
            "p99 near",
            "max ms",
            "max near",
        ],
        rows,
    )
    print(
        "refreshes: grants at the issuer. tokens renewed: new tokens that reached the API. Equal: once an expiry."
    )
    print("waited: requests that found their token expired. near: begun while a renewal ran.")


def _cells(seen: Outcome) -> list[str]:
    near, far = seen.split()
    return [
        str(len(seen.calls)),
        str(seen.failures),
        str(seen.counters["refresh_token"]),
        str(seen.tokens - 1),
        str(seen.counters["reuse_detected"]),
        str(seen.waited),
        *(str(sum(took > SLOW for took in times)) for times in (far, near)),
        *(f"{1e3 * value:.1f}" for value in (_p99(far), _p99(near), max(far), max(near))),
    ]


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


async def _measure(workers: int, store: str, seconds: float) -> Outcome:
    async with AsyncExitStack() as stack:
        port = reserve_port()
        issuer = stack.enter_context(issuer_for([port], ttl={"access_token": LIFETIME}))
        api = stack.enter_context(start_demo_api(issuer))
        url = stack.enter_context(start_valkey()).url if store == "valkey" else None
        bff = stack.enter_context(start_product(issuer, api, port=port, workers=workers, store=url))
        browser = await stack.enter_async_context(Browser(bff))
        await browser.log_in("alice")
        return await _load(bff, issuer, browser.session_cookie or "", seconds)


async def _load(bff: Bff, issuer: Issuer, cookie: str, seconds: float) -> Outcome:
    calls: list[Call] = []
    warm_at = time.monotonic() + _WARM_UP
    client = Client(bff, cookie)
    await asyncio.gather(*(client.run(warm_at + seconds, calls) for _ in range(CLIENTS)))
    await asyncio.sleep(_SETTLE)
    counters = await issuer.counters()
    # The last renewal's token may not have been used yet. This sees it, before it can begin the next renewal.
    await client.run(time.monotonic() + 0.001, calls)
    return Outcome(calls, warm_at, bff.output().count('"event": "renewal.waited"'), counters)
