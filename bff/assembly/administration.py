"""The admin API and the console, put together: for the token's holder, for sessions with a role, or for nobody."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from litestar import Router
from litestar.handlers.http_handlers import HTTPRouteHandler

from bff.access.assigned import Assigned
from bff.access.auditing import AuditLog
from bff.access.findings import AccessFinding
from bff.access.lint import merge_findings
from bff.access.openings import Holder, Opening, ReviewedRoute, openings
from bff.access.principals import Principals
from bff.access.question import Advisor
from bff.access.review import Review
from bff.access.roles import RoleReader
from bff.access.seen_findings import SeenFindings
from bff.access.statistics import Statistics
from bff.assembly.directory import build_directory
from bff.config.findings import Finding
from bff.config.rule_sets import describe
from bff.config.settings import AdminSettings, ApiSettings, AtRest, Settings, TokenKind
from bff.events import Emit
from bff.proxy.routes import Route
from bff.session.background import Background
from bff.session.ending import Ending
from bff.session.principal import Principal
from bff.session.records import Store
from bff.session.stores import documents_of
from bff.session.vault import Vault
from bff.web.admin.access import RouteInfo, decision_handlers, route_handlers
from bff.web.admin.answers import Audit, Me
from bff.web.admin.audit import audit_handlers
from bff.web.admin.cursors import Cursors
from bff.web.admin.guards import Connection, SessionGuard, Throttle, TokenGuard, hash_token
from bff.web.admin.operators import Actor
from bff.web.admin.overview import FindingCounts, ReviewTimes, overview_handlers
from bff.web.admin.rendering import build_admin_exception_handlers
from bff.web.admin.review import review_handlers
from bff.web.admin.router import build_admin_router
from bff.web.admin.sessions import me_handlers, revocation_handlers, session_handlers
from bff.web.console_files import build_console_router
from bff.web.endpoints import Endpoints

AddressOf = Callable[[Connection], str]
_PATIENCE = 20.0  # seconds after which a revocation answers, and goes on
_STORES: dict[str, Literal["memory", "sqlite", "redis"]] = {"memory": "memory", "sqlite": "sqlite"}


@dataclass(frozen=True, slots=True)
class AdministrationParts:
    """What the admin API stands on."""

    endpoints: Endpoints
    store: Store
    vault: Vault
    background: Background
    routes: Sequence[Route]
    principals: Principals
    assigned: Assigned
    reader: RoleReader
    emit: Emit
    audit: AuditLog
    statistics: Statistics
    review: Review
    version: str
    warnings: Sequence[Finding] = ()


class Administration:
    """The routers for each listener. Both are empty where `[admin]` says nothing."""

    def __init__(self, settings: Settings, parts: AdministrationParts) -> None:
        self._settings = settings
        self._parts = parts
        self._handlers = build_handlers(settings, parts) if settings.admin is not None else []

    def management(self) -> list[Router]:
        """Return the routers of the management listener."""
        admin = self._settings.admin
        if admin is None or admin.token is None or self._is_shared:
            return []
        return self._token_routers(admin, _peer)

    def public(self) -> list[Router]:
        """Return the routers of the public listener."""
        admin, parts = self._settings.admin, self._parts
        if admin is None:
            return []
        routers = []
        if admin.roles:
            guard = SessionGuard(
                parts.endpoints,
                frozenset(admin.roles),
                admin.networks,
                parts.endpoints.principal_now,
                parts.emit,
            )
            prefix = self._settings.server.prefix
            routers += [
                self._router(f"{prefix}/admin", guard, "session"),
                build_console_router(f"{prefix}/console"),
            ]
        if self._is_shared and admin.token_on_public:
            routers += self._token_routers(
                admin, lambda connection: parts.endpoints.read_with_address(connection)[1]
            )
        return routers

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where on the public listener there is something beside the endpoints' own prefix."""
        admin = self._settings.admin
        is_open = admin is not None and admin.token_on_public and self._is_shared
        return ("/admin", "/console") if is_open else ()

    @property
    def _is_shared(self) -> bool:
        return self._settings.server.management_listen == "same"

    def _token_routers(self, admin: AdminSettings, address_of: AddressOf) -> list[Router]:
        if admin.token is None:
            return []
        parts = self._parts
        guard = TokenGuard(
            hash_token(admin.token.reveal()),
            Throttle(parts.endpoints.clock),
            admin.networks,
            parts.emit,
            address_of,
        )
        return [self._router("/admin", guard, "token"), build_console_router("/console")]

    def _router(self, base: str, guard: TokenGuard | SessionGuard, scheme: str) -> Router:
        deletion = self._parts.endpoints.cookie.deletion.decode("ascii")
        return build_admin_router(
            base,
            self._handlers,
            guard=guard,
            schemes=[scheme],
            version=self._parts.version,
            exception_handlers=build_admin_exception_handlers(deletion, self._parts.emit),
        )


def build_handlers(settings: Settings, parts: AdministrationParts) -> list[HTTPRouteHandler]:
    """Return the handlers of every call."""
    clock = parts.endpoints.clock
    cursors = Cursors(parts.vault.ring)
    directory = build_directory(settings, parts.store, parts.vault, parts.assigned)
    sessions = parts.endpoints.sessions
    ending = Ending(
        store=parts.store,
        directory=directory,
        end_records=sessions.end_keys,
        revoke_tokens=sessions.leftovers.revoke_without_cookie
        if settings.session.at_rest is AtRest.SERVER
        else None,
        clock=clock,
        emit=parts.emit,
    )
    reviewed = [
        ReviewedRoute(route.path, route.policy, api.policy)
        for route, api in zip(parts.routes, settings.api, strict=True)
        if api.token is not TokenKind.NONE
    ]

    def opens_of(principal: Principal, _now: float) -> Sequence[Opening]:
        return openings(reviewed, Holder(principal, claims_known=False))

    inspection = parts.principals.inspection
    seen = SeenFindings(documents_of(parts.store), parts.vault.ring, parts.background, clock)
    inspection.on_found = seen.note

    async def findings() -> Sequence[AccessFinding]:
        others = [*await seen.all(inspection.found), *await parts.review.findings(clock())]
        return merge_findings(settings, parts.warnings, others)

    async def finding_counts() -> FindingCounts:
        levels = Counter(finding.level.value for finding in await findings())
        return FindingCounts(levels["error"], levels["warning"], levels["info"])

    async def review_times() -> ReviewTimes:
        due = await parts.review.due(clock())
        return ReviewTimes(due.last_at, due.due_at)

    policies = {route.path: route.policy for route in parts.routes}
    return [
        *me_handlers(lambda operator: describe_bff(settings, operator, parts)),
        *overview_handlers(parts.statistics, finding_counts, review_times),
        *session_handlers(directory, cursors, clock, parts.principals.origins_of, opens_of),
        *revocation_handlers(ending, parts.background, clock, parts.audit.check_writable, _PATIENCE),
        *audit_handlers(parts.audit),
        *review_handlers(parts.review, cursors, clock, parts.audit.check_writable),
        *decision_handlers(Advisor(policies, parts.reader, parts.principals), directory, clock),
        *route_handlers([_route_info(index, api) for index, api in enumerate(settings.api)], findings),
    ]


def describe_bff(settings: Settings, operator: Actor, parts: AdministrationParts) -> Me:
    """Return the answer of `GET /me`."""
    return Me(
        operator=operator.name,
        kind=operator.kind,
        version=parts.version,
        public_url=settings.public_url,
        issuer=settings.oidc.issuer,
        client_id=settings.oidc.client_id,
        store=_STORES.get(settings.session.store.reveal().partition(":")[0], "redis"),
        audit=Audit(parts.audit.sink, parts.audit.reader is not None),  # type: ignore[arg-type]  # of three words
        claims=dict(operator.claims),
    )


def _route_info(index: int, api: ApiSettings) -> RouteInfo:
    rules = tuple(describe(entry) for entry in api.allow)
    return RouteInfo(
        key=f"api.{index}",
        path=api.path,
        upstream=", ".join(api.addresses) or "(gateway)",
        token=api.token.value,
        csrf=api.csrf.value,
        websocket=api.websocket,
        rules=rules if api.policy is None else (f"the callable {api.policy} decides",),
    )


def _peer(connection: Connection) -> str:
    client = connection.scope["client"]
    return client[0] if client else ""
