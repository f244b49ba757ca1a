"""`python -m benchmarks [PART …]`: runs the parts named, or all but `profile`, and prints their tables."""

import argparse
import asyncio
from collections.abc import Callable

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
    stores = given.stores.split(",")
    runs: dict[str, Callable[[], object]] = {
        "proxy": lambda: asyncio.run(proxy.run(rounds=given.rounds, seconds=given.round_seconds, stores=stores)),
        "gateway": lambda: asyncio.run(gateway.run(rounds=given.rounds, seconds=given.round_seconds)),
        "matrix": lambda: asyncio.run(matrix.run(stores=stores)),
        "steady": lambda: asyncio.run(steady.run()),
        "streams": lambda: asyncio.run(streams.run()),
        "startup": startup.main,
        "code": own_code.run,
        "access": access.run,
        "renewal": lambda: asyncio.run(renewal.run(seconds=given.seconds)),
        "memory": lambda: asyncio.run(footprint.run(requests=given.requests)),
        "profile": lambda: asyncio.run(profiling.run(native=given.native)),
    }
    for part in given.parts or PARTS:
        runs[part]()


main()
