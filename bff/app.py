"""The one place where everything is wired together. The only module that knows every room."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from litestar import Litestar, Router
from litestar.config.app import AppConfig

from bff import __version__
from bff.access.assigned import AssignmentFile
from bff.access.auditing.calls import build_recording
from bff.access.configured import build_assigned, build_principals, build_role_map
from bff.access.roles import RoleReader
from bff.assembly.administration import Administration, AdministrationParts
from bff.assembly.audit import AuditDuties, build_audit_log
from bff.assembly.endpoints import EndpointParts, build_endpoints
from bff.assembly.gateway import build_gateway
from bff.assembly.health import build_health
from bff.assembly.issuer import build_relying_party
from bff.assembly.keys import KeyWatch
from bff.assembly.limits import build_limits
from bff.assembly.metrics import MeasuredParts
from bff.assembly.observing import Observers
from bff.assembly.pages import build_files
from bff.assembly.parts import NOTHING_ELSE, Parts
from bff.assembly.reviewing import ReviewingParts, build_reviewing
from bff.assembly.sockets import build_sockets
from bff.assembly.statistics import build_statistics
from bff.config.settings import AtRest, Settings
from bff.crypto.key_ring import KeyRing
from bff.errors import SessionStoreUnavailable
from bff.events import to_each
from bff.from_settings import build_binding, build_dev_server, build_route, build_session_limits, open_patient_store
from bff.http.cookies import CookieWriter
from bff.oidc.transport import IssuerTransport
from bff.proxy.api import ApiProxy
from bff.proxy.asgi import Asgi
from bff.proxy.forward import Forwarder
from bff.proxy.forwarded import Forwarding
from bff.proxy.front import Front
from bff.proxy.head import HeaderLimits
from bff.proxy.mount import build_mounts
from bff.proxy.refusals import Refusals
from bff.proxy.routes import RouteTable
from bff.proxy.streams import OpenCalls
from bff.proxy.upstreams import Upstreams
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.grants import Grants
from bff.session.purging import purge_for_ever
from bff.session.renewal import Renewer
from bff.session.revocation import Revocations
from bff.session.role_turns import RoleTurns
from bff.session.sessions import Sessions
from bff.session.vault import Vault
from bff.web.errors import Handlers, build_exception_handlers
from bff.web.front_door import FrontDoor
from bff.web.identity import identified, identified_router
from bff.web.management import build_health_router

__all__ = ["Bff", "Parts", "build_app"]

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Bff:
    """Everything of one worker, wired; `lifespan` starts and stops it."""

    def __init__(self, settings: Settings, parts: Parts = NOTHING_ELSE) -> None:
        self.settings = settings
        self._clock = clock = parts.clock
        ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
        self.observers = observers = Observers(settings, parts, __version__)
        self.metrics, log = observers.metrics, observers.log
        self.store = store = observers.store(parts.store or open_patient_store(settings.session))
        self.audit = audit = build_audit_log(settings, ring, store, clock, log)
        recording = build_recording(audit, settings.audit.allowed_calls)
        self._audit_duties = AuditDuties(audit, settings, ring, store, __version__, clock, parts.serves)
        self.statistics = build_statistics(settings, store, clock, log)
        self._emit = emit = to_each(log, audit.record, self.statistics.record, self.metrics.record)
        self._draining = False
        self._watching: list[asyncio.Task[None]] = []
        self.keys = keys = KeyWatch(parts.key_files, ring, clock, emit) if parts.key_files is not None else None
        self._transport = observers.transport(parts.transport or IssuerTransport(timeout=settings.oidc.timeout))
        self.relying_party = build_relying_party(
            settings, self._transport, clock, emit, lambda tokens: revocations.later(tokens, None)
        )
        self._background = Background(emit)
        self.feed = ChangeFeed(store, emit)
        vault = Vault(ring, settings.oidc.client_id, bind_to_cookie=settings.session.at_rest is AtRest.COOKIE)
        revocations = Revocations(self.relying_party.revoke, self._background, emit)
        self.sessions = Sessions(
            store=store,
            vault=vault,
            feed=self.feed,
            revocations=revocations,
            background=self._background,
            limits=build_session_limits(settings),
            clock=clock,
            emit=emit,
        )
        role_reader = RoleReader(build_role_map(settings))
        assigned = build_assigned(settings, role_reader)
        file = settings.roles.assignments
        turns = RoleTurns(self.sessions, assigned.roles, clock)
        self._assignments = AssignmentFile(Path(file), assigned, emit, turns.look) if file is not None else None
        principals = parts.principals or build_principals(settings, assigned, role_reader, emit)
        principal_now = principals.now if settings.roles.assignments is not None else None
        routes = [build_route(api, settings) for api in settings.api]
        policies = [route.policy for route in routes]
        reviewing = ReviewingParts(store, vault, policies, principals, role_reader, assigned, clock, emit)
        self.reviewing = build_reviewing(settings, self.sessions, reviewing)
        grants = Grants(self.relying_party, emit, with_userinfo=settings.oidc.userinfo, revocations=revocations)
        self.renewer = Renewer(
            sessions=self.sessions,
            store=store,
            vault=vault,
            feed=self.feed,
            refresh=observers.refresh(grants.renew),
            principal_of=self.reviewing.principal_of,
            revocations=revocations,
            background=self._background,
            clock=clock,
            emit=emit,
            apart=observers.renew_apart(parts.renewals, ring, clock),
        )
        cookie = CookieWriter(settings.session.cookie_name, same_site=settings.session.same_site)
        dev_server = build_dev_server(settings)
        self._upstream = parts.upstream or Upstreams([*routes, *([dev_server] if dev_server else [])], emit)
        forwarding = Forwarding(settings.public_url, settings.server.trusted_proxies)
        front = Front(settings.public_url, forwarding)
        limits = HeaderLimits(settings.server.max_headers, settings.server.max_header_size)
        self._worker_limits = worker_limits = build_limits(settings, emit)
        self._opened = OpenCalls(
            sessions=self.sessions, renewer=self.renewer, clock=clock, principal_now=principal_now
        )
        refusals = Refusals(self.renewer, clock, emit)
        upstream = observers.upstream(self._upstream)
        forward = Forwarder(upstream, forwarding, settings.session.cookie_name, emit, self._opened, refusals)
        self.routes = RouteTable(routes)
        self.api = ApiProxy(
            sessions=self.sessions,
            renewer=self.renewer,
            forward=forward,
            front=front,
            own_origin=settings.public_url,
            cookie_name=settings.session.cookie_name,
            cookie_deletion=cookie.deletion,
            limits=limits,
            emit=emit,
            clock=clock,
            principal_now=principal_now,
            gate=worker_limits.gate,
            calls=self.statistics.calls,
            note_use=self.reviewing.usage.note,
            recording=recording,
            meter=self.metrics.meter,
            binding=build_binding(settings, clock, emit),
        )
        self.metrics.read_from(MeasuredParts(
            store, self.sessions, self.feed, self._upstream, self.api, forward.failures, audit, ring, self.keys,
            routes, self._opened,
        ))  # fmt: skip
        self._gateway = build_gateway(settings, self.api, self.routes, front, cookie.deletion, emit, observers)
        self.sockets = build_sockets(settings, self.api, forward, self._opened, refusals, cookie.deletion, emit)
        self._endpoints = build_endpoints(
            settings,
            EndpointParts(
                relying_party=self.relying_party,
                sessions=self.sessions,
                renewer=self.renewer,
                store=store,
                vault=vault,
                ring=ring,
                cookie=cookie,
                principal_of=self.reviewing.principal_of,
                on_login=self.reviewing.usage.logged_in,
                principal_now=principal_now,
                grants=grants,
                revocations=revocations,
                front=front,
                limits=limits,
                login_limit=worker_limits.logins,
                clock=clock,
                emit=emit,
                recording=recording,
            ),
        )
        admin = AdministrationParts(
            self._endpoints, store, vault, self._background, routes, principals, assigned, role_reader, emit,
            self.audit, self.statistics, self.reviewing.review, __version__, parts.warnings,
        )  # fmt: skip
        self._administration = Administration(settings, admin)
        self._cookie_deletion = cookie.deletion
        self._front = front
        self._limits = limits
        self._dev_server = dev_server
        self.health = build_health(store, self.feed, self.relying_party, keys, lambda: self._draining, __version__)

    # ── as an application ───────────────────────────────────────────────────────────────────────────────

    def management(self) -> Asgi:
        """Return the application of the management listener."""
        operators = [build_health_router(self.health), *self.metrics.routers(public=False)]
        return identified(self._litestar([*operators, *self._administration.management()], []))  # type: ignore[arg-type]

    def front_door(self, beside: Sequence[Lifespan] = ()) -> FrontDoor:
        """Return the ASGI application of the public listener; `beside` are started after and stopped before us."""
        settings = self.settings
        shared = settings.server.management_listen == "same"
        operators = [build_health_router(self.health), *self.metrics.routers(public=True)] if shared else []
        handlers = [self._endpoints.router(), *operators, *self._administration.public()]
        beside_api = (*(router.path for router in operators), *self._administration.prefixes)
        return FrontDoor(
            control=self._litestar(handlers, [self.lifespan, *beside]),  # type: ignore[arg-type]
            control_prefixes=(settings.server.prefix, *beside_api),
            routes=self.routes,
            api=self.api,
            sockets=self.sockets,
            front=self._front,
            limits=self._limits,
            emit=self._emit,
            files=build_files(settings),
            dev_server=self._dev_server,
            measure=self.observers,
            gateway=self._gateway,
        )

    def plug_into(self, config: AppConfig) -> AppConfig:
        """Add endpoints, routes, error rendering and life cycle to an existing Litestar application."""
        config.route_handlers.append(identified_router([self._endpoints.router(), *self._administration.public()]))
        config.route_handlers.extend(
            build_mounts(self.routes, self.observers.carried(self.api), self.sockets, self._gateway)
        )
        config.exception_handlers = {**self._exception_handlers(), **config.exception_handlers}
        config.lifespan = [*config.lifespan, self.lifespan]
        return config

    def _litestar(self, handlers: Sequence[Router], lifespan: Sequence[Lifespan]) -> Litestar:
        return Litestar(
            route_handlers=list(handlers),
            exception_handlers=self._exception_handlers(),
            lifespan=list(lifespan),
            openapi_config=None,
            logging_config=None,
            request_max_body_size=64 * 1024,
        )

    def _exception_handlers(self) -> Handlers:
        return build_exception_handlers(
            self.settings.server.prefix, self._cookie_deletion, self._emit, self.api.refused
        )

    # ── life cycle ──────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        """Start everything that runs beside the requests; stop it in order."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start. What is away now (store, issuer) is waited for; the worker serves what it can meanwhile."""
        self.audit.start()
        try:
            await self.store.open()
        except SessionStoreUnavailable as error:
            self._emit("store.unavailable", {"detail": error.detail})
        await self._audit_duties.begin()
        self.feed.start()
        self._upstream.start()
        self.statistics.start()
        self.reviewing.start()
        await self.relying_party.start()
        purging = purge_for_ever(self.store, self._clock, self._emit)
        self._janitor = asyncio.get_running_loop().create_task(purging, name="purge-sessions")
        for watched in (self._assignments, self.keys, self._audit_duties, self.metrics):
            if watched is not None:
                self._watching.append(asyncio.get_running_loop().create_task(watched.watch(), name="watch-files"))

    def drain(self) -> None:
        """Be unready, and end what would stay open: the server waits for every answer before it stops us."""
        self._draining = True
        self.sessions.close_watchers()
        self._opened.drain()

    async def stop(self) -> None:
        """Finish what must not be lost, then let go of everything."""
        self._draining = True
        self._janitor.cancel()
        self._opened.close()
        for watching in self._watching:
            watching.cancel()
        await self._background.close(self.settings.server.shutdown_timeout)
        await self.feed.close()
        await self.relying_party.close()
        await self._transport.close()
        await self._upstream.close()
        await self._worker_limits.close()
        await self.statistics.close()
        await self.reviewing.stop()
        await self.audit.close()
        await self.observers.close()
        await self.store.close()


def build_app(settings: Settings, parts: Parts = NOTHING_ELSE) -> FrontDoor:
    """Return the whole product as an ASGI application.

    Raises:
        ValueError: when a key, the store's URL or the app's directory cannot be used.
    """
    return Bff(settings, parts).front_door()
