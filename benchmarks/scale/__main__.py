"""`python -m benchmarks.scale [PART …]`: many sessions, and what many more would take."""

import argparse
import asyncio

from benchmarks.scale import logins, paper, renewals, store

PARTS = ("store", "logins", "renewals")


# What was measured last, see benchmarks/README.md; `paper` works with these where others are not given.
FIGURES = {
    "session-bytes": (2024.0, "bytes of the store that a session takes"),
    "request-us": (50.0, "CPU of a worker for a warm request, microseconds"),
    "cold-us": (200.0, "CPU of a worker for reading a session, microseconds"),
    "renewal-ms": (6.5, "CPU of a worker for a renewal, milliseconds"),
    "login-ms": (3.5, "CPU of a worker for a login, milliseconds"),
    "store-us": (20.0, "CPU of the store for reading a session, microseconds"),
    "cached-bytes": (7200.0, "memory of a worker for a session that it remembers"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "paper", []], help="what to measure; all when none is named"
    )
    parser.add_argument("--sessions", type=int, default=1_000_000, help="store: how many (default %(default)s)")
    parser.add_argument("--untuned", action="store_true", help="store: Valkey as it is without any configuration")
    parser.add_argument("--logins", type=int, default=10_000, help="logins: how many (default %(default)s)")
    parser.add_argument("--renewals", type=int, default=20_000, help="renewals: sessions (default %(default)s)")
    for name, (value, meaning) in FIGURES.items():
        parser.add_argument(f"--{name}", type=float, default=value, help=f"paper: {meaning} (default %(default)s)")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        match part:
            case "store":
                asyncio.run(store.run(sessions=given.sessions, tuned=not given.untuned))
            case "logins":
                asyncio.run(logins.run(logins=given.logins))
            case "paper":
                figures = {name.replace("-", "_"): getattr(given, name.replace("-", "_")) for name in FIGURES}
                paper.run(paper.Measured(**figures), paper.Demand())
            case "renewals":
                asyncio.run(renewals.run(sessions=given.renewals))


if __name__ == "__main__":
    main()
