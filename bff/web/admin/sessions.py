"""Who asks, the live sessions, and ending them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from litestar import get, post
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from bff.access.openings import Opening
from bff.access.roles import RoleOrigin
from bff.session.background import Background
from bff.session.directory import Directory, Listed, Selection
from bff.session.ending import Ending, Progress
from bff.session.principal import Principal
from bff.web.admin.answers import (
    After,
    Limit,
    Me,
    Opens,
    Origin,
    RevocationOrder,
    RevocationOutcome,
    SessionDetail,
    SessionItem,
    SessionList,
)
from bff.web.admin.cursors import Cursors
from bff.web.admin.errors import InvalidRequest, NotFound
from bff.web.admin.operators import Actor, Operator, describe_filters

Clock = Callable[[], float]
OriginsOf = Callable[[Principal, float], Sequence[RoleOrigin]]
OpensOf = Callable[[Principal, float], Sequence[Opening]]
CRITERIA = ("session", "subject", "role", "client", "issuer", "before", "all")
_CLOCKS = 5.0  # seconds by which an operator's clock may be ahead of ours
_LIST = "sessions"


def me_handlers(describe: Callable[[Actor], Me]) -> list[HTTPRouteHandler]:
    """Return `GET /me`."""

    @get("/me")
    async def me(operator: Operator) -> Me:
        """Say who is asking, and what is being administered."""
        return describe(operator)

    return [me]


def session_handlers(
    directory: Directory, cursors: Cursors, clock: Clock, origins_of: OriginsOf, opens_of: OpensOf
) -> list[HTTPRouteHandler]:
    """Return `GET /sessions` and `GET /sessions/{handle}`."""

    @get("/sessions")
    async def list_sessions(
        operator: Operator,
        subject: FromQuery[str] = "",
        role: FromQuery[str] = "",
        client: FromQuery[str] = "",
        issuer: FromQuery[str] = "",
        after: After = "",
        limit: Limit = 50,
    ) -> SessionList:
        """List the live sessions, in no order that means anything."""
        filters = {"subject": subject, "role": role, "client": client, "issuer": issuer}
        selection = Selection(
            subject=subject or None, role=role or None, client=client or None, issuer=issuer or None
        )
        position = cursors.open(_LIST, filters, after)
        page = await directory.page(selection, clock(), after=position, limit=limit)
        operator.acted("sessions.list", describe_filters(filters))
        return SessionList(
            items=[_item(listed) for listed in page.items],
            next=cursors.seal(_LIST, filters, page.position) if page.position is not None else None,
        )

    @get("/sessions/{handle:str}")
    async def show_session(operator: Operator, handle: FromPath[str]) -> SessionDetail:
        """Show one live session: where its roles come from and what they open."""
        now = clock()
        listed = await directory.get(handle, now)
        if listed is None:
            raise NotFound("No live session has this handle.")
        operator.acted("sessions.show", f"session:{handle}", subject=listed.summary.subject)
        item = _item(listed)
        principal = Principal(item.issuer, item.subject, frozenset(listed.summary.roles))
        whole = Principal(item.issuer, item.subject, listed.roles)
        return SessionDetail(
            **{name: getattr(item, name) for name in SessionItem.__struct_fields__},
            origins=[build_origin(origin) for origin in origins_of(principal, now)],
            opens=[build_opens(opening) for opening in opens_of(whole, now)],
        )

    return [list_sessions, show_session]


def revocation_handlers(
    ending: Ending, background: Background, clock: Clock, check_writable: Callable[[], None], patience: float
) -> list[HTTPRouteHandler]:
    """Return `POST /revocations`, which answers after `patience` seconds at most."""

    @post("/revocations", status_code=200)
    async def revoke(operator: Operator, data: JSONBody[RevocationOrder]) -> RevocationOutcome:
        """End sessions at once on every worker. What takes longer than the answer may goes on behind it."""
        selection = build_selection(data, clock())
        target = _target(data)
        if not data.dry_run:
            check_writable()
        progress = Progress()
        act = "revocation.preview" if data.dry_run else "revocation"
        run = ending.run(selection, by=operator.name, dry_run=data.dry_run, progress=progress)
        task = background.start(run, "revocation")
        await asyncio.wait({task}, timeout=patience)
        counts: dict[str, Any] = {"matched": progress.matched, "ended": progress.ended, "note": data.note}
        is_done = task.done()
        if is_done and (error := task.exception()) is not None:
            operator.acted(act, target, "failed", **counts)
            raise error
        operator.acted(act, target, partial=not is_done, **counts)
        return RevocationOutcome(progress.matched, progress.ended, partial=not is_done)

    return [revoke]


def build_selection(order: RevocationOrder, now: float) -> Selection:
    """Return what an order selects.

    Raises:
        InvalidRequest: it names nothing, more than one thing, or a time that is yet to come.
    """
    given = _given(order)
    if len(given) != 1:
        found = ", ".join(given) or "none"
        raise InvalidRequest(f"body: name exactly one of {', '.join(CRITERIA)}; found: {found}.")
    if getattr(order, given[0]) == "":
        raise InvalidRequest(f"{given[0]}: it is empty.")
    if order.before is not None and order.before > now + _CLOCKS:
        raise InvalidRequest("before: it is in the future.")
    if order.before is not None and order.before < 0:
        raise InvalidRequest("before: it is a number of seconds since 1970.")
    before = min(order.before, now) if order.before is not None else None
    return Selection(order.session, order.subject, order.role, order.client, order.issuer, before)


def build_origin(origin: RoleOrigin) -> Origin:
    """Return an origin as it is shown."""
    source = origin.of if origin.via != "assignment" else f"assigned {origin.of}"
    return Origin(origin.role, origin.via, source, str(origin))  # type: ignore[arg-type]  # one of the five words


def build_opens(opening: Opening) -> Opens:
    """Return an opening as it is shown."""
    return Opens(opening.route, list(opening.methods), opening.rule, opening.text)


def _item(listed: Listed) -> SessionItem:
    record, summary = listed.record, listed.summary
    return SessionItem(
        session=record.handle,
        subject=summary.subject,
        name=summary.name,
        roles=sorted(listed.roles),
        issuer=summary.issuer,
        client=summary.client,
        created_at=record.created_at,
        idle_expires_at=record.idle_expires_at,
        expires_at=record.expires_at,
    )


def _given(order: RevocationOrder) -> list[str]:
    return [name for name in CRITERIA if getattr(order, name) is not None and getattr(order, name) is not False]


def _target(order: RevocationOrder) -> str:
    (given,) = _given(order)
    return "all" if given == "all" else f"{given}:{getattr(order, given)}"
