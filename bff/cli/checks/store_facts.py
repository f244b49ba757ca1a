"""What becomes of the sessions: whether the store keeps them, for how long, and how fast it is."""

import re
import shutil
import sqlite3
from pathlib import Path

from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import Settings
from bff.errors import SessionStoreUnavailable
from bff.session.facts import HasFacts, StoreFacts
from bff.session.stores import open_store

_OLDEST = (6, 2)  # of Redis: the first with what our scripts ask for
_FAR = 0.020  # seconds for a round trip: then each login and renewal is felt
_ASTRAY = 1.0  # seconds between clocks that show that one of them is not kept
_NEARLY_FULL = 0.8
_LEAST_FREE = 256 * 1024 * 1024  # bytes
# File systems whose locks do not hold, or not as SQLite needs them (https://www.sqlite.org/faq.html#q5).
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|ceph|glusterfs|lustre|afs|fuse\.(?:sshfs|s3fs|glusterfs|rclone)|ncpfs"
)
_FLEETING = {"tmpfs": "memory", "ramfs": "memory", "overlay": "a container's own layer"}


async def check_store_facts(settings: Settings) -> list[Outcome]:
    """Ask the store what it is; a SQLite file is looked at where it lies."""
    url = settings.session.store.reveal()
    if url.startswith("memory:"):
        why = "every session ends with the process"
        advice = "fine for a try; use sqlite:/// or redis:// for people"
        return [Outcome(Status.WARN, "store", "sessions are kept in memory alone", advice, why)]
    if url.startswith("sqlite:"):
        return look_at_file(Path(url.removeprefix("sqlite:///")), Path("/proc/self/mountinfo"))
    store = open_store(url, timeout=settings.session.store_timeout)
    if not isinstance(store, HasFacts):
        return []
    try:
        facts = await store.facts.read()
    except SessionStoreUnavailable as error:
        advice = (
            "let this user run INFO, TIME and CONFIG GET, or see that persistence and memory are as they should be"
        )
        return [Outcome(Status.WARN, "store", "the store cannot be asked about itself", advice, error.detail)]
    finally:
        await store.close()
    return assess_store(facts)


def assess_store(facts: StoreFacts) -> list[Outcome]:
    """What these facts mean for the sessions."""
    return [
        _version(facts),
        _clock(facts),
        _distance(facts),
        _persistence(facts),
        _eviction(facts),
        *_memory(facts),
        *_replication(facts),
    ]


def _version(facts: StoreFacts) -> Outcome:
    name = f"{facts.server} {facts.version}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", facts.version)[:2])
    if facts.server == "redis" and numbers < _OLDEST:
        return Outcome(Status.FAIL, "store", f"{name} is too old", "use Redis 6.2 or later, or any Valkey")
    return Outcome(Status.OK, "store", f"{name} answers")


def _clock(facts: StoreFacts) -> Outcome:
    ahead = facts.seconds_ahead
    if abs(ahead) < _ASTRAY:
        return Outcome(Status.OK, "clock", "the store's clock and ours agree")
    message = f"the store's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    why = "leases and what is remembered end too early or too late"
    return Outcome(Status.WARN, "clock", message, "synchronise the clocks (NTP)", why)


def _distance(facts: StoreFacts) -> Outcome:
    message = f"a round trip to the store takes {facts.round_trip * 1000:.1f} ms"
    if facts.round_trip < _FAR:
        return Outcome(Status.OK, "store", message)
    return Outcome(Status.WARN, "store", message, "move the store closer", "logins take several, renewals too")


def _persistence(facts: StoreFacts) -> Outcome:
    if facts.last_write_failed:
        advice = "look at its log: as a rule the disk is full or cannot be written"
        return Outcome(
            Status.FAIL, "store", "the store could not write to its disk", advice, "a restart loses sessions"
        )
    if facts.appends:
        return Outcome(Status.OK, "store", "the store keeps an append-only file: sessions survive its restart")
    if facts.snapshots:
        why = "its restart loses the logins and renewals since the last one: those users sign in again"
        return Outcome(Status.WARN, "store", "the store only takes snapshots", "set appendonly yes", why)
    if facts.snapshots is None:
        why = "it keeps no append-only file, and does not tell whether it takes snapshots"
        return Outcome(
            Status.WARN, "store", "sessions may not survive the store's restart", "set appendonly yes", why
        )
    why = "it keeps neither an append-only file nor snapshots"
    return Outcome(Status.WARN, "store", "every session ends with the store's restart", "set appendonly yes", why)


def _eviction(facts: StoreFacts) -> Outcome:
    if facts.evicts == "noeviction":
        return Outcome(Status.OK, "store", "the store evicts nothing when it is full")
    if facts.evicts is None:
        return Outcome(
            Status.WARN, "store", "the store does not tell what it evicts", "set maxmemory-policy noeviction"
        )
    why = "an evicted session is a user logged out, an evicted lease a token used twice"
    status = Status.FAIL if facts.memory_limit else Status.WARN
    message = f"the store evicts when it is full ({facts.evicts})"
    return Outcome(status, "store", message, "set maxmemory-policy noeviction", why)


def _memory(facts: StoreFacts) -> list[Outcome]:
    if not facts.memory_limit or facts.memory_used is None:
        return []
    share = facts.memory_used / facts.memory_limit
    message = f"the store uses {share:.0%} of its memory"
    if share < _NEARLY_FULL:
        return [Outcome(Status.OK, "store", message)]
    return [Outcome(Status.WARN, "store", message, "give it more (maxmemory)", "full, it takes no new logins")]


def _replication(facts: StoreFacts) -> list[Outcome]:
    if facts.role not in {None, "master", "primary"}:
        advice = "name the primary, or what follows it, in session.store"
        return [Outcome(Status.FAIL, "store", "session.store leads to a replica", advice, "it takes no writes")]
    # Where there is but one, its restart would stop every write.
    if facts.replicas and facts.replicas > 1 and facts.needs_replicas is False:
        why = "a primary that is cut off goes on taking logouts and renewals, which are lost when it is back"
        advice = "set min-replicas-to-write 1 and min-replicas-max-lag 1"
        return [Outcome(Status.WARN, "store", "the store takes writes that no replica hears of", advice, why)]
    if facts.replicas:
        return [Outcome(Status.OK, "store", f"the store has {facts.replicas} replica(s)")]
    return []


def look_at_file(file: Path, mounts: Path) -> list[Outcome]:
    """Where a SQLite file lies, whether its locks hold there, and what room is left."""
    outcomes = [Outcome(Status.OK, "store", f"SQLite {sqlite3.sqlite_version}, on this machine alone")]
    kind = file_system_of(file, mounts)
    if kind is not None and _NETWORK.fullmatch(kind):
        why = "its locks do not hold across machines: records are lost or torn"
        advice = "put it on a local disk, or use Redis or Valkey for several machines"
        outcomes.append(Outcome(Status.FAIL, "store", f"{file} is on a network file system ({kind})", advice, why))
    elif kind in _FLEETING:
        why = f"{kind} is {_FLEETING[kind]}: sessions end with it"
        outcomes.append(Outcome(Status.WARN, "store", f"{file} does not last", "put it on a volume", why))
    if file.parent.is_dir() and shutil.disk_usage(file.parent).free < _LEAST_FREE:
        advice = "make room, or move it"
        outcomes.append(
            Outcome(Status.WARN, "store", f"the disk of {file} is nearly full", advice, "full, nobody can log in")
        )
    return outcomes


def file_system_of(file: Path, mounts: Path) -> str | None:
    """The kind of file system that a path is on; None where that cannot be told (proc_pid_mountinfo(5))."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    path, found, best = str(file.absolute()), None, -1
    for line in lines:
        before, _, after = line.partition(" - ")
        place, kind = before.split(" ")[4:5], after.split(" ")[:1]
        if place and kind and _is_below(path, place[0]) and len(place[0]) >= best:
            found, best = kind[0], len(place[0])
    return found


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")
