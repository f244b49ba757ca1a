"""Audit logs for tests: a key ring, events, and each kind of sink that can be read back."""

from dataclasses import dataclass
from pathlib import Path

from bff.access.auditing.chain import Chain
from bff.access.auditing.events import AuditEvent, build_event
from bff.access.auditing.file_reader import FileReader
from bff.access.auditing.file_sink import FileSink
from bff.access.auditing.sinks import AuditReader, AuditSink
from bff.access.auditing.store_reader import StoreReader
from bff.access.auditing.store_sink import StoreSink
from bff.crypto.key_ring import KeyRing
from bff.session.records import Store
from bff.session.stores import audit_of

OLD_KEY = "b2xkLWtleS10aGF0LWlzLW5vdC1yYW5kb20tYXQtYWxsISE"
KEY = "bmV3LWtleS10aGF0LWlzLW5vdC1yYW5kb20tYXQtYWxsISE"
NOW = 1_795_514_400.0
DAY = 86400.0


def chain(*keys: str) -> Chain:
    """A chain with these keys, newest first."""
    return Chain(KeyRing(keys or (KEY,)))


def event(name: str = "login.done", time: float = NOW, **fields: object) -> AuditEvent:
    """An event as the log takes it."""
    return build_event(name, fields, time)


@dataclass(frozen=True, slots=True)
class Audited:
    """A sink and what reads it."""

    sink: AuditSink
    reader: AuditReader


def in_file(path: Path, with_chain: Chain | None = None) -> Audited:
    """A log in a file."""
    with_chain = with_chain or chain()
    return Audited(FileSink(path, with_chain), FileReader(path, with_chain))


def in_store(store: Store, with_chain: Chain | None = None, *, retention: float = 90 * DAY) -> Audited:
    """A log in a session store."""
    with_chain = with_chain or chain()
    kept = audit_of(store)
    return Audited(StoreSink(kept, with_chain, retention), StoreReader(kept, with_chain))
