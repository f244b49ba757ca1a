"""From the settings to the log."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bff.access.auditing.chain import Chain
from bff.access.auditing.file_reader import FileReader, Remembered
from bff.access.auditing.file_sink import FileSink
from bff.access.auditing.log import AuditLog
from bff.access.auditing.sinks import AuditReader, AuditSink
from bff.access.auditing.store_reader import StoreReader
from bff.access.auditing.store_sink import StoreSink
from bff.access.auditing.stream_sink import StreamSink
from bff.config.settings import AuditSettings
from bff.crypto.key_ring import KeyRing
from bff.events import Emit, ignore
from bff.session.audit_records import AuditStore


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """The sink of a configuration, and what reads it (None: nothing can)."""

    kind: str
    sink: AuditSink
    reader: AuditReader | None


def open_place(
    settings: AuditSettings,
    ring: KeyRing,
    store: AuditStore,
    *,
    remembered: Remembered | None = None,
    max_lines: int | None = None,
    begin_at: int | None = None,
) -> AuditPlace:
    """Return where the settings put the log. `store`: of the sessions, for `sink = "store"`.

    Raises:
        ValueError: the sink is none that we know.
    """
    chain = Chain(ring)
    match settings.sink.partition(":"):
        case ("stdout", "", ""):
            return AuditPlace("stdout", StreamSink(chain), None)
        case ("store", "", ""):
            sink = StoreSink(store, chain, settings.retention, max_lines)
            return AuditPlace("store", sink, StoreReader(store, chain, begin_at))
        case ("file", ":", name) if name:
            path = Path(name)
            if path.exists() and not path.is_file():  # a device or a pipe cannot be read back either
                return AuditPlace("stdout", StreamSink(chain, path), None)
            reader = FileReader(path, chain, remembered=remembered, begin_at=begin_at)
            return AuditPlace("file", FileSink(path, chain), reader)
        case _:
            raise ValueError(f"an audit sink is stdout, store or file:PATH, not {settings.sink!r}")


def build_audit(
    settings: AuditSettings, place: AuditPlace, clock: Callable[[], float], emit: Emit = ignore
) -> AuditLog:
    """Return the log."""
    return AuditLog(
        place.sink,
        kind=place.kind,
        clock=clock,
        reader=place.reader,
        when_full=settings.when_full,
        emit=emit,
    )
