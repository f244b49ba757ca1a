"""`python -m benchmarks.scale [PART …]`: many sessions, and what many more would take."""

import argparse
import asyncio

from benchmarks.scale import logins, renewals, store

PARTS = ("store", "logins", "renewals")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure; all when none is named")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="store: how many (default %(default)s)")
    parser.add_argument("--logins", type=int, default=10_000, help="logins: how many (default %(default)s)")
    parser.add_argument("--renewals", type=int, default=20_000, help="renewals: sessions (default %(default)s)")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        match part:
            case "store":
                asyncio.run(store.run(sessions=given.sessions))
            case "logins":
                asyncio.run(logins.run(logins=given.logins))
            case "renewals":
                asyncio.run(renewals.run(sessions=given.renewals))


if __name__ == "__main__":
    main()
