"""The audit log, searched and verified."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import get, post
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.params import FromQuery

from bff.access.auditing import AuditLog, AuditQuery, InvalidCursor, Verification
from bff.web.admin.answers import After, Limit
from bff.web.admin.errors import InvalidRequest
from bff.web.admin.operators import Operator, describe_filters


class AuditList(msgspec.Struct, frozen=True):
    """A page of audit lines as they were written, newest first. Even an empty page may have a next one."""

    items: list[dict[str, Any]]
    next: str | None


class AuditProblem(msgspec.Struct, frozen=True):
    """Where the chain is broken, and how."""

    line: int
    message: str
    file: str | None


class AuditVerification(msgspec.Struct, frozen=True):
    """Whether every line is as it was written, in its place, and none is missing."""

    ok: bool
    lines: int
    problem: AuditProblem | None
    notes: list[str]


def audit_handlers(audit: AuditLog) -> list[HTTPRouteHandler]:
    """Return `GET /audit` and `POST /audit/verification`; they raise `AuditNotSearchable`, `AuditUnavailable`."""

    async def verify() -> Verification:
        return await audit.searchable().verify()

    verify_once = share_verifications(verify)

    @get("/audit")
    async def search_audit(
        operator: Operator,
        event: FromQuery[str] = "",
        subject: FromQuery[str] = "",
        session: FromQuery[str] = "",
        route: FromQuery[str] = "",
        method: FromQuery[str] = "",
        outcome: FromQuery[str] = "",
        reason: FromQuery[str] = "",
        q: FromQuery[str] = "",
        since: FromQuery[float | None] = None,
        until: FromQuery[float | None] = None,
        after: After = "",
        limit: Limit = 50,
    ) -> AuditList:
        """Search the audit log, newest first. An `event` that ends with a dot means all that begin so."""
        reader = audit.searchable()
        filters = {
            "event": event or None,
            "subject": subject or None,
            "session": session or None,
            "route": route or None,
            "method": method or None,
            "outcome": outcome or None,
            "reason": reason or None,
            "text": q or None,
        }
        try:
            query = AuditQuery(**filters, since=since, until=until, after=after or None, limit=limit)
        except InvalidCursor as error:
            raise InvalidRequest("after: this is no cursor of the audit log; begin again without it.") from error
        except ValueError as error:  # a time that is no number of seconds
            raise InvalidRequest(f"{error}.") from error
        page = await reader.search(query)
        operator.acted("audit.search", describe_filters(filters))
        return AuditList([dict(item) for item in page.items], page.next)

    @post("/audit/verification", status_code=200)
    async def verify_audit(operator: Operator) -> AuditVerification:
        """Check the chain of the audit log from its beginning to its end."""
        found = await verify_once()
        problem = found.problem
        operator.acted("audit.verify", outcome="ok" if found.ok else "failed", lines=found.lines)
        return AuditVerification(
            found.ok,
            found.lines,
            AuditProblem(problem.line, problem.message, problem.file) if problem is not None else None,
            list(found.notes),
        )

    return [search_audit, verify_audit]


def share_verifications(verify: Callable[[], Awaitable[Verification]]) -> Callable[[], Awaitable[Verification]]:
    """Return what verifies, and lets whoever asks while that goes on have its answer."""
    running: asyncio.Future[Verification] | None = None

    async def shared() -> Verification:
        nonlocal running
        if running is None or running.done():
            running = asyncio.ensure_future(verify())
        return await asyncio.shield(running)  # whoever asked first may have gone

    return shared
