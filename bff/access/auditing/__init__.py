"""The audit log: who did what, chained line by line, in a file, on standard output or in the session store."""

from bff.access.auditing.events import AUDITED
from bff.access.auditing.log import AuditLog
from bff.access.auditing.sinks import AuditReader, AuditSink, AuditSinkFailed, Problem, Verification
from bff.session.audit_records import AuditPage, AuditQuery, InvalidCursor

__all__ = [
    "AUDITED",
    "AuditLog",
    "AuditPage",
    "AuditQuery",
    "AuditReader",
    "AuditSink",
    "AuditSinkFailed",
    "InvalidCursor",
    "Problem",
    "Verification",
]
