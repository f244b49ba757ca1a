"""What a proxied request costs by its size and by the number of connections, beside bare nginx and bare Caddy."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.caddy import Caddy
from benchmarks.load import BROWSER, run_wrk
from benchmarks.machine import cores, cpu_seconds, memory, started_on
from benchmarks.nginx import LARGE, start_api, start_reverse_proxy
from benchmarks.servers import Candidate, start_bffs
from benchmarks.tables import print_table

STORES = ("memory", "sqlite", "valkey")
CONNECTIONS = (1, 16, 64, 256)
UPLOAD = 10 * 1024 * 1024  # bytes
TO_NGINX, TO_CADDY = 4.5, 1.2  # the allowed ratios of CPU time, for the small answer


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request."""

    name: str
    path: str
    upload: int = 0
    connections: tuple[int, ...] = CONNECTIONS


CASES = (
    Case("GET 300 B", "/api/tasks"),
    Case(f"GET {LARGE // 1024} KiB", "/api/large"),
    Case(f"POST {UPLOAD // 2**20} MiB", "/api/upload", UPLOAD, (1, 16)),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One round of one case at one candidate; seconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


def _measure(candidate: Candidate, case: Case, connections: int, seconds: float, others: set[int]) -> Seen:
    url = candidate.url.replace("/api/tasks", case.path)
    headers = {**BROWSER, **candidate.headers}
    pids = candidate.processes()
    before = cpu_seconds(pids)
    with started_on(others):
        load = run_wrk(url, headers, connections=connections, seconds=seconds, upload=case.upload)
    spent = cpu_seconds(pids) - before
    return Seen(load.requests / load.duration, load.p50, load.p99, spent / load.requests)


async def run(
    *, rounds: int = 3, seconds: float = 2.0, stores: Sequence[str] = ("memory", "sqlite", "valkey")
) -> None:
    """Measure and print one table for each kind of request."""
    core, others = cores()
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        with started_on(core):
            nginx = stack.enter_context(start_reverse_proxy(api))
            caddy = stack.enter_context(Caddy(api))
        ours = await start_bffs(stack, api, core, list(stores))
        cookie = {"Cookie": ours[0].headers["Cookie"]}  # as long as ours, so that what is sent is the same
        bare = [
            Candidate("nginx", nginx.url + "/api/tasks", cookie, nginx.process.pid),
            Candidate("Caddy", caddy.url + "/api/tasks", cookie, caddy.process.pid),
        ]
        candidates = [*bare, *ours]
        for candidate in candidates:
            _measure(candidate, CASES[0], 16, 1.0, others)
        total = sum(len(case.connections) for case in CASES) * rounds
        done = 0
        for case in CASES:
            seen: dict[tuple[str, int], list[Seen]] = {}
            for _ in range(rounds):
                for connections in case.connections:
                    done += 1
                    sys.stderr.write(f"\rmatrix: {case.name}, {connections} connections, {done} of {total} ")
                    sys.stderr.flush()
                    for candidate in candidates:
                        found = _measure(candidate, case, connections, seconds, others)
                        seen.setdefault((candidate.name, connections), []).append(found)
            sys.stderr.write("\r" + " " * 60 + "\r")
            _print(case, candidates, seen, rounds, seconds)
    print(f"Target, for the small answer: at most {TO_NGINX} times nginx and {TO_CADDY} times Caddy.")


def _print(
    case: Case,
    candidates: Sequence[Candidate],
    seen: dict[tuple[str, int], list[Seen]],
    rounds: int,
    seconds: float,
) -> None:
    rows = []
    for connections in case.connections:
        for candidate in candidates:
            found = seen[candidate.name, connections]

            def ratio(to: str, found: list[Seen] = found, connections: int = connections) -> str:
                pairs = zip(found, seen[to, connections], strict=True)
                return f"{median(one.cpu / other.cpu for one, other in pairs):.2f}"

            rows.append(
                [
                    str(connections),
                    candidate.name,
                    f"{median(each.rate for each in found):.0f}",
                    f"{median(each.p50 for each in found) * 1e3:.2f}",
                    f"{median(each.p99 for each in found) * 1e3:.2f}",
                    f"{median(each.cpu for each in found) * 1e6:.1f}",
                    ratio("nginx"),
                    ratio("Caddy"),
                    f"{sum(memory(pid).pss for pid in candidate.processes()) / 2**20:.0f}",
                ]
            )
    print_table(
        f"{case.name}, one worker on one core; medians of {rounds} interleaved rounds of {seconds:g} s",
        ["connections", "server", "req/s", "p50 ms", "p99 ms", "CPU us/req", "x nginx", "x Caddy", "PSS MiB"],
        rows,
    )
