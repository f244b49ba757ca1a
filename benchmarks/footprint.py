"""What a worker weighs: idle, and after many requests."""

import sys
from contextlib import AsyncExitStack

from benchmarks.load import BROWSER, run_wrk
from benchmarks.machine import Memory, cores, memory, started_on, tree
from benchmarks.nginx import start_api
from benchmarks.proxy import CONNECTIONS
from benchmarks.servers import Candidate, start_bffs, workers_of
from benchmarks.tables import print_table

STORES = ["sqlite", "valkey"]
TARGET = 120  # MiB of one idle worker


async def run(*, requests: int = 200_000) -> None:
    """Measure and print."""
    core, others = cores()
    rows = []
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        candidates = await start_bffs(stack, api, core, STORES)
        for candidate in candidates:
            rows.append([f"{candidate.name}, one worker, idle", *_cells(worker_memory(candidate))])
            rows.append(
                [f"{candidate.name}, `bff run` with all its processes, idle", *_cells(tree_memory(candidate))]
            )
        busy = candidates[0]
        headers = {**BROWSER, **busy.headers}
        made = 0
        while made < requests:
            sys.stderr.write(f"\rmemory: {made} of {requests} requests ")
            sys.stderr.flush()
            with started_on(others):
                made += run_wrk(busy.url, headers, connections=CONNECTIONS, seconds=2.0).requests
            if len(rows) == 2 * len(STORES):
                rows.append([f"{busy.name}, one worker, after {made} requests", *_cells(worker_memory(busy))])
        sys.stderr.write("\r" + " " * 40 + "\r")
        rows.append([f"{busy.name}, one worker, after {made} requests", *_cells(worker_memory(busy))])
    print_table("Memory", ["", "RSS MiB", "PSS MiB"], rows)
    print(f"Target: one idle worker below {TARGET} MiB.")


def worker_memory(candidate: Candidate) -> Memory:
    """Of the one worker."""
    return memory(workers_of(candidate.pid)[0])


def tree_memory(candidate: Candidate) -> Memory:
    """Of all processes together; RSS counts what they share more than once."""
    each = [memory(pid) for pid in tree(candidate.pid)]
    return Memory(sum(one.rss for one in each), sum(one.pss for one in each))


def _cells(seen: Memory) -> list[str]:
    return [f"{seen.rss / 2**20:.0f}", f"{seen.pss / 2**20:.0f}"]
