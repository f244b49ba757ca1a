"""What the kernel knows of a process tree: its CPU time and its memory; and which core runs what."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")  # /proc counts CPU time in these, 10 ms each as a rule
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: resident, and with what is shared counted in parts (proportional set size)."""

    rss: int
    pss: int


def tree(pid: int) -> list[int]:
    """The process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far, all their threads included."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields is None:
            raise ProcessLookupError(f"process {pid} ended during the measurement")
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def memory(pid: int) -> Memory:
    """What one process takes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return Memory(pages * _PAGE, pss)


def command(pid: int) -> str:
    """The command line of a process, for telling them apart."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def is_python(pid: int) -> bool:
    """Whether a Python interpreter runs in it; shells that watch over servers do not count."""
    return Path(f"/proc/{pid}/exe").resolve().name.startswith("python")


def cores() -> tuple[set[int], set[int]]:
    """The cores for what is measured and for all the rest: one and the others, or the only one for both."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, set(usable[1:]) or {usable[0]}


@contextmanager
def started_on(wanted: set[int]) -> Iterator[None]:
    """What is started in here runs on these cores only: its threads inherit the affinity."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from `state` on; None when the process has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
