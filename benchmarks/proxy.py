"""What one proxied request costs: ours beside a bare nginx reverse proxy and the bare prototype, in one run."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.load import BROWSER, run_wrk
from benchmarks.machine import cores, cpu_seconds, memory, started_on
from benchmarks.nginx import BODY, start_api, start_reverse_proxy
from benchmarks.servers import Bare, Candidate, start_bffs
from benchmarks.tables import print_table

CONNECTIONS = 32
STORES = ["memory", "sqlite", "valkey"]
TARGET = 90 / 61  # the allowed ratio to the bare prototype, at its best figure


@dataclass(frozen=True, slots=True)
class Round:
    """One candidate under load for some seconds."""

    rate: float  # requests a second
    p50: float  # seconds
    p99: float
    cpu: float  # seconds a request, of all the candidate's processes


def measure(candidate: Candidate, seconds: float, others: set[int]) -> Round:
    """Load one candidate."""
    pids = candidate.processes()
    before = cpu_seconds(pids)
    with started_on(others):
        load = run_wrk(candidate.url, {**BROWSER, **candidate.headers}, connections=CONNECTIONS, seconds=seconds)
    spent = cpu_seconds(pids) - before
    return Round(load.requests / load.duration, load.p50, load.p99, spent / load.requests)


async def run(*, rounds: int = 5, seconds: float = 4.0, stores: Sequence[str] = STORES) -> None:
    """Measure and print."""
    core, others = cores()
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        with started_on(core):
            nginx = stack.enter_context(start_reverse_proxy(api))
            bare = stack.enter_context(Bare(api))
        candidates = [
            Candidate("nginx", nginx.url + "/api/tasks", {"Cookie": bare.cookie}, nginx.process.pid),
            Candidate("bare prototype", bare.url + "/api/tasks", {"Cookie": bare.cookie}, bare.process.pid),
            *await start_bffs(stack, api, core, list(stores)),
        ]
        for candidate in candidates:
            measure(candidate, 1.0, others)  # connections opened, code warm
        seen: dict[str, list[Round]] = {candidate.name: [] for candidate in candidates}
        for number in range(rounds):
            sys.stderr.write(f"\rproxy: round {number + 1} of {rounds} ")
            sys.stderr.flush()
            for candidate in candidates:
                seen[candidate.name].append(measure(candidate, seconds, others))
        sys.stderr.write("\r" + " " * 40 + "\r")
        _print(candidates, seen, seconds)


def _print(candidates: list[Candidate], seen: dict[str, list[Round]], seconds: float) -> None:
    def ratio(candidate: Candidate, to: str) -> float:
        # Round by round, then the median: a round in which the machine was busy spoils one ratio, not the result.
        pairs = zip(seen[candidate.name], seen[to], strict=True)
        return median(ours.cpu / theirs.cpu for ours, theirs in pairs)

    rows = []
    for candidate in candidates:
        rounds = seen[candidate.name]
        cpu = [each.cpu * 1e6 for each in rounds]
        rows.append(
            [
                candidate.name,
                f"{median(each.rate for each in rounds):.0f}",
                f"{median(each.p50 for each in rounds) * 1e3:.2f}",
                f"{median(each.p99 for each in rounds) * 1e3:.2f}",
                f"{median(cpu):.1f}",
                f"{min(cpu):.1f}-{max(cpu):.1f}",
                f"{ratio(candidate, 'nginx'):.2f}",
                f"{ratio(candidate, 'bare prototype'):.2f}",
                f"{sum(memory(pid).pss for pid in candidate.processes()) / 2**20:.0f}",
            ]
        )
    rounds_made = len(seen[candidates[0].name])
    print_table(
        f"One GET, {len(BODY)} bytes of JSON, {CONNECTIONS} connections, one worker on one core; "
        f"medians of {rounds_made} interleaved rounds of {seconds:g} s",
        ["server", "req/s", "p50 ms", "p99 ms", "CPU us/req", "range", "x nginx", "x bare", "PSS MiB"],
        rows,
    )
    print(f"Target: at most {TARGET:.2f} times the bare prototype's CPU time for a request.")
