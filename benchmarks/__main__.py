"""`python -m benchmarks [PART …]`: runs the parts named, or all but `profile`, and prints their tables."""

import argparse
import asyncio

from benchmarks import (
    access,
    footprint,
    gateway,
    matrix,
    own_code,
    profiling,
    proxy,
    renewal,
    startup,
    steady,
    streams,
)

PARTS = ("proxy", "gateway", "matrix", "code", "access", "renewal", "steady", "memory", "streams", "startup")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "profile", []], help="what to measure; all when none is named"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="proxy, gateway: interleaved rounds (default %(default)s)"
    )
    parser.add_argument(
        "--round-seconds", type=float, default=4.0, help="proxy, gateway: length of one (default %(default)s)"
    )
    parser.add_argument("--stores", default="memory,sqlite,valkey", help="proxy, matrix: which, by comma")
    parser.add_argument("--seconds", type=float, default=60.0, help="renewal: for each setup (default %(default)s)")
    parser.add_argument("--requests", type=int, default=500_000, help="memory: how many (default %(default)s)")
    parser.add_argument("--native", action="store_true", help="profile: native code and all threads too")
    return parser.parse_args()


def main() -> None:
    given = _parse()
    for part in given.parts or PARTS:
        match part:
            case "proxy":
                asyncio.run(
                    proxy.run(rounds=given.rounds, seconds=given.round_seconds, stores=given.stores.split(","))
                )
            case "gateway":
                asyncio.run(gateway.run(rounds=given.rounds, seconds=given.round_seconds))
            case "matrix":
                asyncio.run(matrix.run(stores=given.stores.split(",")))
            case "steady":
                asyncio.run(steady.run())
            case "streams":
                asyncio.run(streams.run())
            case "startup":
                startup.main()
            case "code":
                own_code.run()
            case "access":
                access.run()
            case "renewal":
                asyncio.run(renewal.run(seconds=given.seconds))
            case "memory":
                asyncio.run(footprint.run(requests=given.requests))
            case "profile":
                asyncio.run(profiling.run(native=given.native))


main()
