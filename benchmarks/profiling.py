"""Where the time of a proxied request goes: py-spy watches a worker under load, from outside.

py-spy is no dependency of ours: `uv pip install py-spy` (or have it on the path) before this part is run.
"""

import asyncio
import shutil
import subprocess
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.load import BROWSER, run_wrk
from benchmarks.machine import cores, started_on
from benchmarks.nginx import start_api
from benchmarks.proxy import CONNECTIONS
from benchmarks.servers import Candidate, start_bffs, worker_of
from benchmarks.tables import print_table
from tests.processes import ServerFailed

_RATE = 500  # samples a second
_SHOWN = 40


async def run(*, seconds: float = 10.0, native: bool = False) -> None:
    """Sample and print the functions that most time is spent in."""
    program = shutil.which("py-spy")
    if program is None:
        raise ServerFailed("py-spy is not installed: `uv pip install py-spy`")
    core, others = cores()
    async with AsyncExitStack() as stack:
        with started_on(others):
            api = stack.enter_context(start_api())
        (bff,) = await start_bffs(stack, api, core, ["memory"])
        run_wrk(bff.url, {**BROWSER, **bff.headers}, connections=CONNECTIONS, seconds=1.0)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        raw = Path(folder, "stacks")
        options = ["--rate", str(_RATE), "--duration", f"{seconds:g}", "--format", "raw"]
        options += ["--native", "--threads"] if native else ["--gil", "--nonblocking"]
        await asyncio.to_thread(
            _record, [program, "record", *options, "--output", str(raw), "--pid", str(worker_of(bff))], bff, seconds
        )
        _print(await asyncio.to_thread(raw.read_text), native=native)


def _record(command: list[str], bff: Candidate, seconds: float) -> None:
    """Load the server for as long as the spy watches it."""
    _, others = cores()
    with started_on(others):
        spy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        run_wrk(bff.url, {**BROWSER, **bff.headers}, connections=CONNECTIONS, seconds=seconds + 1)
        said = spy.communicate()[0].decode(errors="replace")
    if spy.returncode:
        raise ServerFailed(f"py-spy failed: {said}")


def _print(stacks: str, *, native: bool) -> None:
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks.splitlines():
        path, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] or frame for frame in path.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            inclusive[frame] += int(count)
    total = sum(own.values())
    rows = [
        [name[:90], f"{100 * count / total:.1f}", f"{100 * inclusive[name] / total:.1f}"]
        for name, count in own.most_common(_SHOWN)
    ]
    what = "all threads, native code too" if native else "while the interpreter's lock is held"
    print_table(f"Where the time goes ({total} samples, {what})", ["function", "own %", "with callees %"], rows)
