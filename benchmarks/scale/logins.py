"""A login storm: how many logins a second two workers manage, and what one costs."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from benchmarks.machine import cpu_seconds, tree
from benchmarks.scale.issuer import StubIssuerServer
from benchmarks.scale.tokens import random_uuid
from benchmarks.scale.wire import Wire
from benchmarks.tables import print_table
from tests.product import Bff, start_product
from tests.servers import start_valkey

WORKERS = 2
_BROWSERS = 48  # under way at once
_WARM_UP = 40  # logins
_TARGET = 500  # a second
_PAGE = ("Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; times are seconds."""

    logins: int
    took: float
    cpu: float  # of all processes of the server
    store_cpu: float  # of the store's
    slowest: float
    p99: float


async def run(*, logins: int) -> None:
    """Measure and print."""
    figures = await measure(logins)
    print_table(
        f"{figures.logins} logins, {_BROWSERS} at a time, {WORKERS} workers, Valkey, an issuer that costs nothing",
        ["", "measured", "target"],
        [
            ["logins a second", f"{figures.logins / figures.took:.0f}", str(_TARGET)],
            ["CPU ms a login, bff", f"{figures.cpu / figures.logins * 1e3:.2f}", ""],
            ["CPU ms a login, Valkey", f"{figures.store_cpu / figures.logins * 1e3:.2f}", ""],
            ["p99 of the callback, ms", f"{figures.p99 * 1e3:.0f}", ""],
            ["slowest callback, ms", f"{figures.slowest * 1e3:.0f}", ""],
        ],
    )
    print("One login is /bff/login and /bff/callback: the code redeemed, two JWTs checked, the session written.")


async def measure(logins: int) -> Figures:
    """Log so many users in through real processes. Raises `RuntimeError` when one cannot be."""
    with (
        start_valkey() as valkey,
        StubIssuerServer(delay=0.0, lifetime=3600.0) as issuer,
        start_product(issuer, None, workers=WORKERS, store=valkey.url) as bff,
    ):
        await _storm(bff, _WARM_UP)
        server, store = tree(bff.process.pid), tree(valkey.process.pid)
        began, cpu, store_cpu = time.perf_counter(), cpu_seconds(server), cpu_seconds(store)
        times = await _storm(bff, logins)
        took = time.perf_counter() - began
        times.sort()
        return Figures(
            logins=logins,
            took=took,
            cpu=cpu_seconds(server) - cpu,
            store_cpu=cpu_seconds(store) - store_cpu,
            slowest=times[-1],
            p99=times[int(len(times) * 0.99)],
        )


async def _storm(bff: Bff, logins: int) -> list[float]:
    times: list[float] = []
    waiting = iter(range(logins))

    async def browser() -> None:
        async with Wire(bff.port) as wire:
            times.extend([await _log_in(wire) for _ in waiting])

    await asyncio.gather(*(browser() for _ in range(min(_BROWSERS, logins))))
    return times


async def _log_in(wire: Wire) -> float:
    begun = await wire.get("/bff/login?return_to=/", *_PAGE, "Sec-Fetch-Site: same-origin")
    asked = parse_qs(urlsplit(begun.location).query)
    if begun.status != 303 or "nonce" not in asked:
        raise RuntimeError(f"/bff/login answered {begun.status}: {begun.body!r}")
    code = f"{random_uuid()}.{_only(asked['nonce'])}"
    cookie = "; ".join(f"{name}={value}" for name, value in begun.cookies.items())
    began = time.perf_counter()
    ended = await wire.get(
        f"/bff/callback?code={code}&state={_only(asked['state'])}",
        *_PAGE,
        "Sec-Fetch-Site: cross-site",
        f"Cookie: {cookie}",
    )
    took = time.perf_counter() - began
    if ended.status != 303 or "__Host-bff" not in ended.cookies:
        raise RuntimeError(f"/bff/callback answered {ended.status}: {ended.body!r}")
    return took


def _only(values: Sequence[str]) -> str:
    (value,) = values
    return value
