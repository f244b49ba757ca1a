"""A process that appends to an audit log for ever and prints what was acknowledged, for tests that kill it.

audit_writer.py PLACE NAME   PLACE: the path of a file, or the URL of a session store
"""

import asyncio
import sys
from pathlib import Path

from bff.session.stores import open_store
from tests.audits import event, in_file, in_store


async def write(place: str, name: str) -> None:
    if place.startswith("/"):
        audit = in_file(Path(place))
    else:
        store = open_store(place, timeout=30.0)
        await store.open()
        audit = in_store(store)
    number = 0
    while True:
        # Long lines, so that a kill meets the middle of one.
        await audit.sink.append(
            [event(subject=f"{name}-{number + each}", note=["x" * 60] * 40) for each in range(20)]
        )
        number += 20
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(*sys.argv[1:]))
