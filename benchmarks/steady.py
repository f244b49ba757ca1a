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

CONNECTIONS = 16  # a worker
BRIEF = 2  # seconds that a token lives; renewed a second before its end: about once a second
LIMIT = 1.2  # times the p99 without renewals
SPEED_UP = 1.8  # of two workers on two cores


async def run(*, rounds: int = 7, seconds: float = 5.0) -> None:
    """Measure and print."""
    core, others = cores()
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        found: dict[str, tuple[Candidate, int]] = {}
        issuers = {}
        setups = (
            ("no renewal", 3600, 1, core),
            ("renewals", BRIEF, 1, core),
            ("one worker, all cores", 3600, 1, core | others),
            ("two workers, all cores", 3600, 2, core | others),
        )
        for name, lifetime, workers, where in setups:
            port = reserve_port()
            issuers[name] = issuer = stack.enter_context(issuer_for([port], ttl={"access_token": lifetime}))
            with started_on(where):
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
            found[name] = await signed_in(stack, name, bff), CONNECTIONS * workers
        seen: dict[str, list[tuple[Load, float]]] = {name: [] for name in found}
        for number in range(rounds + 1):  # the first one warms up
            sys.stderr.write(f"\rsteady: round {number} of {rounds} ")
            sys.stderr.flush()
            for name, (candidate, connections) in found.items():
                pids = candidate.processes()
                before = cpu_seconds(pids)
                with started_on(others):
                    load = run_wrk(
                        candidate.url,
                        {**BROWSER, **candidate.headers},
                        connections=connections,
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
        f"One GET, {CONNECTIONS} connections a worker; medians of {rounds} interleaved rounds of {seconds:g} s",
        ["", "req/s", "p50 ms", "p99 ms", "CPU us/req"],
        rows,
    )

    p99 = median(
        ours.p99 / theirs.p99 for (ours, _), (theirs, _) in zip(seen["renewals"], seen["no renewal"], strict=True)
    )
    print(f"{refreshes} renewals: p99 is {p99:.2f} times that without. Target: at most {LIMIT}.")
    # One worker that load and API take turns with, like the two: alone on a core it has its caches to itself.
    pairs = zip(seen["one worker, all cores"], seen["two workers, all cores"], strict=True)
    speed_up = 2 * median(one / two for (_, one), (_, two) in pairs)
    print(
        f"Two workers on two cores serve {speed_up:.2f} times what one serves, by CPU time a request with the "
        f"same load a worker on the same cores. Target: at least {SPEED_UP}."
    )
    print("Their req/s says less where load and API run on the same cores.")
