"""Whether renewals in the background cost anything (p99 with and without), and what a second worker brings."""

import sys
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.load import BROWSER, Load, run_wrk
from benchmarks.machine import cores, cpu_seconds, started_on
from benchmarks.nginx import start_api
from benchmarks.servers import Candidate, issuer_for, signed_in
from benchmarks.tables import print_table
from tests.processes import reserve_port
from tests.product import start_product

CONNECTIONS = 16
BRIEF = 2  # seconds that a token lives; renewed a second before its end: about once a second
LIMIT = 1.2  # times the p99 without renewals
SPEED_UP = 1.8  # of two workers on two cores


async def run(*, rounds: int = 7, seconds: float = 5.0) -> None:
    """Measure and print."""
    core, others = cores()
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        found: dict[str, Candidate] = {}
        issuers = {}
        for name, lifetime, workers in (("no renewal", 3600, 1), ("renewals", BRIEF, 1), ("two workers", 3600, 2)):
            port = reserve_port()
            issuers[name] = issuer = stack.enter_context(issuer_for([port], ttl={"access_token": lifetime}))
            with started_on(core if workers == 1 else core | others):
                bff = stack.enter_context(
                    start_product(
                        issuer,
                        api,
                        port=port,
                        workers=workers,
                        session='renew_ahead = "1s"',
                        tokens='max_access_token_lifetime = "2h"',
                    )
                )
            found[name] = await signed_in(stack, name, bff)
        seen: dict[str, list[tuple[Load, float]]] = {name: [] for name in found}
        for number in range(rounds + 1):  # the first one warms up
            sys.stderr.write(f"\rsteady: round {number} of {rounds} ")
            sys.stderr.flush()
            for name, candidate in found.items():
                pids = candidate.processes()
                before = cpu_seconds(pids)
                with started_on(others):
                    load = run_wrk(
                        candidate.url,
                        {**BROWSER, **candidate.headers},
                        connections=CONNECTIONS,
                        seconds=seconds,
                    )
                if number:
                    seen[name].append((load, (cpu_seconds(pids) - before) / load.requests))
        sys.stderr.write("\r" + " " * 40 + "\r")
        refreshes = (await issuers["renewals"].counters())["refresh_token"]
    rows = [
        [
            name,
            f"{median(load.requests / load.duration for load, _ in rounds_of):.0f}",
            f"{median(load.p50 for load, _ in rounds_of) * 1e3:.2f}",
            f"{median(load.p99 for load, _ in rounds_of) * 1e3:.2f}",
            f"{median(cpu for _, cpu in rounds_of) * 1e6:.1f}",
        ]
        for name, rounds_of in seen.items()
    ]
    print_table(
        f"One GET, {CONNECTIONS} connections; medians of {rounds} interleaved rounds of {seconds:g} s",
        ["", "req/s", "p50 ms", "p99 ms", "CPU us/req"],
        rows,
    )

    def ratio(name: str, column: int) -> float:
        pairs = zip(seen[name], seen["no renewal"], strict=True)
        if column == 0:
            return median(ours.p99 / theirs.p99 for (ours, _), (theirs, _) in pairs)
        return median(theirs / ours for (_, ours), (_, theirs) in pairs)

    print(f"{refreshes} renewals: p99 is {ratio('renewals', 0):.2f} times that without. Target: at most {LIMIT}.")
    print(
        f"Two workers on two cores serve {2 * ratio('two workers', 1):.2f} times what one serves on one, "
        f"by CPU time a request. Target: at least {SPEED_UP}."
    )
    print("Their req/s says less where load and API run on the same cores.")
