"""The audit log of a worker, and what is to be done for it beside the requests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bff.access.auditing import AuditLog, AuditReader
from bff.access.auditing.chain import Chain
from bff.access.auditing.configured import AuditPlace, build_audit, open_place
from bff.access.auditing.ends import End
from bff.access.auditing.file_heads import read_head
from bff.access.auditing.startup import Startup
from bff.config.settings import Settings
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.session.records import Store
from bff.session.stores import audit_of

_EVERY = 60.0  # seconds
_START = 3.0  # seconds in which a server that starts finds out what was loaded before
_LONG = 10 * 365 * 86400.0  # seconds for which the end of a chain is remembered
_IN_MEMORY = 50_000  # lines that are kept in a process's memory


@dataclass(frozen=True, slots=True)
class AuditDuties:
    """Tells of the start, removes what is over, and has the session store remember how long the file was."""

    audit: AuditLog
    settings: Settings
    ring: KeyRing
    store: Store
    version: str
    clock: Callable[[], float]
    serves: bool  # the renewal process does not, and has no configuration but that of the workers

    async def begin(self) -> None:
        """Tell what was loaded; without what has changed where that cannot be found out in time."""
        if not self.serves:
            return
        startup = Startup(self.audit, self.settings, self.ring, self.store, self.version, self.clock)
        try:
            async with asyncio.timeout(_START):
                await startup.tell_changes()
        except TimeoutError:
            pass  # what was loaded is told all the same, and an auditor can compare
        startup.tell_loaded()

    async def watch(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Go on until cancelled."""
        while True:
            await sleep(_EVERY)
            await self.audit.purge(self.clock())
            await self.remember_end()

    async def remember_end(self) -> None:
        """Have the session store remember the last line of a file. Whoever cuts both file and head is found out."""
        if self.audit.sink != "file":
            return
        path, now = Path(self.settings.audit.sink.removeprefix("file:")), self.clock()
        try:
            head = await asyncio.to_thread(read_head, path, Chain(self.ring))
            if head is not None:
                await self.store.remember(_name(head.chain), now, now + _LONG, End.of(head.seq, head.mac).pack())
        except (OSError, CannotOpenError, SessionStoreUnavailable):
            return  # the log says itself what does not work; a minute later is as good


def build_audit_log(
    settings: Settings, ring: KeyRing, store: Store, clock: Callable[[], float], log: Emit
) -> AuditLog:
    """Return the log of a worker; `log` is the operators'.

    Raises:
        ValueError: the sink is none that we know.
    """
    return build_audit(settings.audit, _open(settings, ring, store, clock), clock, log)


def open_reader(
    settings: Settings, ring: KeyRing, store: Store, clock: Callable[[], float], *, begin_at: int | None = None
) -> AuditReader | None:
    """Return what reads the log of a configuration; None where nothing can."""
    return _open(settings, ring, store, clock, begin_at).reader


def _open(
    settings: Settings, ring: KeyRing, store: Store, clock: Callable[[], float], begin_at: int | None = None
) -> AuditPlace:
    async def remembered(chain: str) -> End | None:
        try:
            packed = await store.recall(_name(chain), clock())
        except SessionStoreUnavailable:
            return None
        return End.unpack(packed) if packed is not None else None

    in_memory = settings.session.store.reveal().startswith("memory:")
    return open_place(
        settings.audit,
        ring,
        audit_of(store),
        remembered=remembered,
        max_lines=_IN_MEMORY if in_memory else None,
        begin_at=begin_at,
    )


def _name(chain: str) -> bytes:
    return b"audit-end:" + chain.encode()
