"""What API calls and logins have to do with the audit log: they may be held up by it, and some are recorded."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bff.access.auditing.log import AuditLog
from bff.events import Emit, ignore


def _always_writable() -> None:
    """Hold nothing up."""


@dataclass(frozen=True, slots=True)
class CallRecording:
    """`check` raises `AuditUnavailable` while nothing may happen unrecorded; see `AuditLog.check_writable`."""

    check: Callable[[], None] = _always_writable
    record: Emit = ignore
    allowed_calls: float = 0.0  # which part of the allowed calls is recorded
    draw: Callable[[], float] = random.random

    def is_drawn(self) -> bool:
        """Tell whether this allowed call is to be recorded."""
        return self.allowed_calls > 0 and self.draw() < self.allowed_calls

    def note_allowed(self, fields: Mapping[str, object]) -> None:
        """Record an allowed call, in the audit log alone: operators' logs have lines for requests."""
        self.record("access.allowed", fields)


UNRECORDED = CallRecording()


def build_recording(audit: AuditLog, allowed_calls: float) -> CallRecording:
    """Return what calls have to do with this log."""
    return CallRecording(audit.check_writable, audit.record, allowed_calls)
