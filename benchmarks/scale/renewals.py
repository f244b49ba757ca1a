"""A renewal storm: thousands of sessions whose tokens end within the same ten seconds, all of them in use."""

import asyncio
import bisect
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.machine import cpu_seconds, tree
from benchmarks.nginx import start_api
from benchmarks.scale.filling import gather_writes, log_in, opened
from benchmarks.scale.issuer import StubIssuerServer
from benchmarks.scale.tokens import random_uuid
from benchmarks.scale.wire import Wire
from benchmarks.tables import print_table
from tests.product import Bff, start_product
from tests.servers import start_valkey

WORKERS = 2
AHEAD = 120.0  # seconds: session.renew_ahead
AT_ONCE = 32  # oidc.max_concurrent_renewals
WINDOW = 10.0  # seconds within which all tokens end
_ISSUER_TAKES = 0.02  # seconds for each grant
_LIFETIME = 3600.0  # of the new tokens
_CONNECTIONS = 64
_PAUSE = 20.0  # seconds between two requests of a session
_FILL_RATE = 600  # sessions a second that are written at least
_SLOW = 0.25  # seconds that no request may take
_BATCH = 200
_PATIENCE = 30.0  # seconds for the last renewals
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, _SLOW, 0.5, 1.0)  # seconds


@dataclass
class Seen:
    """What the browsers saw, and what the issuer did."""

    times: list[float] = field(default_factory=list)  # seconds, of each request
    statuses: Counter[int] = field(default_factory=Counter)
    issuer: dict[str, int] = field(default_factory=dict)
    waited: int = 0  # requests that the server says had to wait for a renewal
    cpu: float = 0.0  # seconds, of all processes of the server

    def histogram(self) -> list[int]:
        """How many requests took as long as each bucket at most, and longer than the last."""
        counts = [0] * (len(_BUCKETS) + 1)
        for took in self.times:
            counts[bisect.bisect_left(_BUCKETS, took)] += 1
        return counts


async def run(*, sessions: int) -> None:
    """Measure and print."""
    seen = await measure(sessions, ahead=AHEAD)
    print_table(
        f"{sessions} sessions, tokens that end within {WINDOW:g} s, a request each {_PAUSE:g} s; {WORKERS} workers",
        ["", "measured", "target"],
        [
            ["requests", str(len(seen.times)), ""],
            ["requests that failed", str(len(seen.times) - seen.statuses[200]), "0"],
            ["renewals at the issuer", str(seen.issuer.get("refresh_token", 0)), str(sessions)],
            ["refresh tokens used twice", str(seen.issuer.get("reuse", 0)), "0"],
            ["renewals at once, at most", str(seen.issuer.get("at_once", 0)), str(AT_ONCE)],
            ["requests that waited for a renewal", str(seen.waited), "0"],
            [f"requests longer than {_SLOW * 1e3:.0f} ms", str(sum(took > _SLOW for took in seen.times)), "0"],
            ["longest request, ms", f"{max(seen.times) * 1e3:.0f}", f"{_SLOW * 1e3:.0f}"],
            ["CPU ms, bff, for a renewal and its requests", f"{seen.cpu / sessions * 1e3:.2f}", ""],
        ],
    )
    names = [f"up to {bucket * 1e3:g} ms" for bucket in _BUCKETS] + [f"over {_BUCKETS[-1] * 1e3:g} ms"]
    print_table("How long the requests took", ["", "requests"], _rows(names, seen.histogram()))


def _rows(names: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    return [[name, str(count)] for name, count in zip(names, counts, strict=True)]


async def measure(sessions: int, *, ahead: float, window: float = WINDOW, pause: float = _PAUSE) -> Seen:
    """Fill a store with sessions that are due together, and use them until they have all been renewed."""
    options = {
        "workers": WORKERS,
        "oidc": f"max_concurrent_renewals = {AT_ONCE}",
        "session": f'renew_ahead = "{ahead:g}s"\ncache_size = {2 * sessions}',
        "tokens": f'max_access_token_lifetime = "{2 * _LIFETIME:g}s"',
    }
    with (
        start_valkey() as valkey,
        start_api() as api,
        StubIssuerServer(delay=_ISSUER_TAKES, lifetime=_LIFETIME) as issuer,
        start_product(issuer, api, store=valkey.url, **options) as bff,
    ):
        ends_at = time.time() + sessions / _FILL_RATE + 1.3 * ahead + pause
        cookies = await _fill(bff, issuer.url, sessions, ends_at, window)
        seen = Seen()
        before = cpu_seconds(tree(bff.process.pid))
        shares = [cookies[at::_CONNECTIONS] for at in range(min(_CONNECTIONS, sessions))]
        until = ends_at + window + pause / 2
        showing = asyncio.create_task(_show(seen, issuer, until))
        await asyncio.gather(*(_use(bff, share, until, pause, seen) for share in shares))
        await showing
        seen.cpu = cpu_seconds(tree(bff.process.pid)) - before
        seen.issuer = await _all_renewed(issuer, sessions)
        seen.waited = bff.output().count('"event": "renewal.waited"')
        return seen


async def _fill(bff: Bff, issuer: str, number: int, ends_at: float, window: float) -> list[str]:
    cookies: list[str] = []
    async with opened(bff.store, bff.keys.read_text().split()[0]) as (store, _, sessions):
        flush = await gather_writes(store)
        while len(cookies) < number:
            subjects = [random_uuid() for _ in range(min(_BATCH, number - len(cookies)))]
            lifetime = ends_at - time.time() + random.uniform(0, window)
            cookies += await log_in(sessions, subjects, lifetime, issuer=issuer)
            await flush()
            sys.stderr.write(f"\rscale: {len(cookies)} of {number} sessions ")
    return cookies


async def _use(bff: Bff, cookies: Sequence[str], until: float, pause: float, seen: Seen) -> None:
    """Be the browsers of some sessions, one request after the other over one connection."""
    step = pause / len(cookies)
    await asyncio.sleep(random.uniform(0, step))
    due = time.perf_counter()
    is_last = False
    async with Wire(bff.port) as wire:
        while not is_last:
            is_last = time.time() >= until  # whoever was not in use while its token was due is now
            for cookie in cookies:
                began = time.perf_counter()
                answer = await wire.get(
                    "/api/tasks", "X-CSRF: 1", "Sec-Fetch-Site: same-origin", f"Cookie: __Host-bff={cookie}"
                )
                ended = time.perf_counter()
                seen.times.append(ended - began)
                seen.statuses[answer.status] += 1
                due = max(due + step, ended)
                await asyncio.sleep(due - ended)


async def _all_renewed(issuer: StubIssuerServer, sessions: int) -> dict[str, int]:
    """Return what the issuer has seen, once the renewals in the background have reached it."""
    deadline = time.monotonic() + _PATIENCE
    while (seen := issuer.seen()).get("refresh_token", 0) < sessions and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return seen


async def _show(seen: Seen, issuer: StubIssuerServer, until: float) -> None:
    while (left := until - time.time()) > 0:
        await asyncio.sleep(min(left, 2.0))
        renewed = (await asyncio.to_thread(issuer.seen)).get("refresh_token", 0)
        sys.stderr.write(f"\rscale: {len(seen.times)} requests, {renewed} renewals, {max(left, 0):.0f} s left ")
        sys.stderr.flush()
    sys.stderr.write("\r" + " " * 70 + "\r")
