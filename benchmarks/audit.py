"""How long a search of a million audit lines takes: `python -m benchmarks.audit [--lines N] [--stores S]`.

The lines are those of a busy day: 20 000 users, mostly renewals and denials, one user who came once.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.tables import print_table
from bff.access.auditing import AuditQuery, AuditReader
from bff.access.auditing.chain import Chain
from bff.access.auditing.events import AuditEvent, build_event
from bff.access.auditing.file_reader import FileReader
from bff.access.auditing.file_sink import FileSink
from bff.access.auditing.store_reader import StoreReader
from bff.access.auditing.store_sink import StoreSink
from bff.crypto.key_ring import KeyRing, new_key
from bff.session.stores import audit_of, open_store

_BEGIN = 1_795_000_000.0
_BATCH = 500
_RARE = "user-who-came-once"
_QUERIES = {
    "the newest 50": AuditQuery(),
    "a rare subject": AuditQuery(subject=_RARE),
    "a subject that never came": AuditQuery(subject="nobody"),
    "a usual subject": AuditQuery(subject="user-777"),
    "a common event": AuditQuery(event="access.denied"),
    "a rare event": AuditQuery(event="login.failed", reason="nonce_mismatch"),
    "events by their beginning": AuditQuery(event="login."),
    "a route and a method": AuditQuery(route="/api/service-7", method="DELETE"),
    "text that is rare": AuditQuery(text="CAME-once"),
    "ten minutes of the day": AuditQuery(since=_BEGIN + 40_000, until=_BEGIN + 40_600, event="access.denied"),
    "a rare subject in one hour": AuditQuery(since=_BEGIN + 40_000, until=_BEGIN + 43_600, subject=_RARE),
}


def _events(lines: int) -> list[AuditEvent]:
    draw = random.Random(7)
    rare = {lines // 3, lines // 2}
    events = []
    for number in range(lines):
        at = _BEGIN + 86_400 * number / lines
        user = _RARE if number in rare else f"user-{draw.randrange(20_000)}"
        who = {
            "subject": user,
            "session": f"{hash(user) & 0xFFFFFFFFFFFF:012x}{number % 8:012x}",
            "address": f"10.{number % 4}.{number % 200}.{number % 250}",
            "request_id": f"{draw.getrandbits(128):032x}",
        }
        match draw.randrange(20):
            case 0:
                events.append(build_event("login.done", who, at))
            case 1 if number % 997 == 0:
                events.append(build_event("login.failed", {**who, "reason": "nonce_mismatch"}, at))
            case 2 | 3 | 4 | 5:
                route, method = f"/api/service-{number % 40}", ("GET", "POST", "DELETE")[number % 3]
                denied = {"route": route, "method": method, "reason": "role_missing", "rule": number % 5}
                events.append(build_event("access.denied", {**who, **denied}, at))
            case _:
                events.append(build_event("renewal.done", who, at))
    return events


async def _time(work: Callable[[], Awaitable[object]]) -> tuple[float, object]:
    begun = time.perf_counter()
    result = await work()
    return time.perf_counter() - begun, result


async def _search(reader: AuditReader, query: AuditQuery) -> tuple[int, int]:
    """Read pages until one is full or there are no more; return the lines found and the pages it took."""
    found, pages = 0, 0
    while True:
        page = await reader.search(query)
        found, pages = found + len(page.items), pages + 1
        if page.next is None or found >= 50:
            return found, pages
        query = AuditQuery(**{name: getattr(query, name) for name in query.__slots__ if name != "after"},
                           after=page.next)  # fmt: skip


async def _measure(name: str, reader: AuditReader, append: Callable[[], Awaitable[object]]) -> None:
    written, _ = await _time(append)
    rows = [["(writing them all)", f"{written * 1000:.0f}", "", ""]]
    for title, query in _QUERIES.items():
        seconds, (found, pages) = min([await _time(lambda query=query: _search(reader, query)) for _ in range(3)])
        rows.append([title, f"{seconds * 1000:.1f}", str(found), str(pages)])
    seconds, verified = await _time(reader.verify)
    rows.append(["(verifying them all)", f"{seconds * 1000:.0f}", f"{verified.lines}", ""])
    print_table(f"Audit log in {name}", ["search", "ms", "found", "pages"], rows)


async def run(*, lines: int, stores: list[str]) -> None:
    """Fill each store, search it, and print what it took."""
    events = _events(lines)
    chain = Chain(KeyRing([new_key()]))
    with tempfile.TemporaryDirectory(prefix="bff-audit-") as folder:
        for name in stores:
            if name == "file":
                path = Path(folder) / "audit.jsonl"
                sink, reader, store = FileSink(path, chain), FileReader(path, chain), None
            else:
                url = "memory:" if name == "memory" else f"sqlite:///{folder}/sessions.db"
                store = open_store(url if "://" not in name else name, timeout=30)
                kept = audit_of(store)
                sink, reader = StoreSink(kept, chain, 90 * 86400.0), StoreReader(kept, chain)

            async def append(sink: FileSink | StoreSink = sink) -> None:
                size = 20_000 if isinstance(sink, FileSink) else _BATCH
                for start in range(0, len(events), size):
                    await sink.append(events[start : start + size])

            await _measure(f"{name}, {lines:,} lines", reader, append)
            if store is not None:
                await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="how many (default %(default)s)")
    parser.add_argument("--stores", default="file,sqlite", help="which, by comma: file, sqlite, memory, redis://…")
    given = parser.parse_args()
    asyncio.run(run(lines=given.lines, stores=given.stores.split(",")))


if __name__ == "__main__":
    main()
