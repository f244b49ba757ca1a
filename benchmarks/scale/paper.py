"""What many sessions and many requests take, worked out from measured figures. Pure; docs/scaling.md shows it.

Every formula stands beside what it gives, so that the page and this cannot say different things.
"""

import math
from dataclasses import dataclass

_GB = 1e9
_MICRO = 1e-6


@dataclass(frozen=True, slots=True)
class Measured:
    """What `make bench-scale` and `make bench` found."""

    session_bytes: float  # in the store, indexes included
    request_us: float  # CPU of a worker, for a request of a warm session
    cold_us: float  # CPU of a worker, for reading a session from the store
    renewal_ms: float  # CPU of a worker
    login_ms: float  # CPU of a worker
    store_us: float  # CPU of the store, for reading a session
    cached_bytes: float  # in a worker, for each session that it remembers


@dataclass(frozen=True, slots=True)
class Demand:
    """What is wanted; times in seconds."""

    sessions: float = 10e6
    requests: float = 100e3  # a second
    active: float = 500e3  # sessions that are used within half a minute
    lifetime: float = 3600.0  # of access tokens; every session is used so often that all are renewed
    stays: float = 8 * 3600.0  # how long a session lives on average
    request_bytes: float = 12e3  # request and answer together
    busy: float = 0.5  # share of a core or a node that is used at most
    node_bytes: float = 24 * _GB  # memory of a node of the store for data
    headroom: float = 1.4  # memory for fragmentation, buffers and copies while writing
    recheck: float = 30.0  # seconds for which a worker believes what it has read


@dataclass(frozen=True, slots=True)
class Line:
    """One result, and how it comes about."""

    name: str
    value: float
    unit: str
    formula: str


def plan(measured: Measured, wanted: Demand) -> list[Line]:
    """Return what it takes, in the order in which one follows from another."""
    renewals = wanted.sessions / wanted.lifetime
    logins = wanted.sessions / wanted.stays
    reads = min(wanted.requests, wanted.active / wanted.recheck)
    slides = wanted.active / 60.0
    other_cores = wanted.requests * measured.request_us * _MICRO
    other_cores += (renewals * measured.renewal_ms + logins * measured.login_ms) / 1e3
    cores = other_cores + reads * measured.cold_us * _MICRO
    workers = max(math.ceil(cores / wanted.busy), 1)
    anywhere = math.ceil((other_cores + wanted.requests * measured.cold_us * _MICRO) / wanted.busy)
    memory = wanted.sessions * measured.session_bytes * wanted.headroom
    # A renewal is a lease, a read, a write and the lease given back; a login about eight calls.
    calls = reads + slides + 4 * renewals + 8 * logins
    by_calls = math.ceil(calls * measured.store_us * _MICRO / wanted.busy)
    read = measured.session_bytes * (reads + 3 * renewals + logins)
    pushed = renewals * workers * 100
    primaries = max(math.ceil(memory / wanted.node_bytes), by_calls, 3)
    cached = wanted.active / workers * measured.cached_bytes
    carried = 2 * wanted.requests * wanted.request_bytes
    return [
        Line("renewals a second", renewals, "", "sessions / token lifetime"),
        Line("logins a second", logins, "", "sessions / how long one lives"),
        Line("store reads a second", reads, "", "active sessions / 30 s"),
        Line("CPU of all workers", cores, "cores", "requests, reads, renewals and logins, each x its own"),
        Line("workers", workers, "", "CPU / share of a core in use"),
        Line("workers without affinity", anywhere, "", "the same with a store read for every request"),
        Line("cache of a worker", cached / 1e6, "MB", "active sessions / workers x session remembered"),
        Line("store memory", memory / _GB, "GB", "sessions x bytes of one x headroom"),
        Line("store calls a second", calls, "", "reads + active / 60 s + 4 x renewals + 8 x logins"),
        Line("store CPU", calls * measured.store_us * _MICRO, "cores", "calls x CPU of one"),
        Line("primaries", primaries, "", "memory / node, or CPU / share in use, or 3: the most of them"),
        Line("nodes", 2 * primaries, "", "2 x primaries: one replica for each"),
        Line(
            "network of the store",
            (read + pushed) * 8 / 1e9,
            "Gbit/s",
            "sessions read and written, and pushes",
        ),
        Line("network of the workers", carried * 8 / 1e9, "Gbit/s", "2 x requests x (request + answer)"),
    ]


def run(measured: Measured, wanted: Demand) -> None:
    """Print it, as a table for the page."""
    print("| | | = |\n|---|---|---|")
    for line in plan(measured, wanted):
        print(f"| {line.name} | {written(line.value)} {line.unit}".rstrip() + f" | {line.formula} |")


def written(value: float) -> str:
    """Three digits; more would claim what nobody knows."""
    return f"{float(f'{value:.3g}'):,.10g}"
