"""The one place where everything is wired together. The only module that knows every room."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar, Router
from litestar.config.app import AppConfig

from bff import __version__
from bff.access.assigned import AssignmentFile
from bff.access.audit import AuditLog, open_sink
from bff.access.configured import build_assigned, build_principals, build_role_map
from bff.access.principals import Principals
from bff.access.roles import RoleReader
from bff.assembly.endpoints import EndpointParts, build_endpoints
from bff.assembly.keys import KeyWatch
from bff.config.key_files import KeyFiles
from bff.config.settings import AtRest, Settings
from bff.crypto.key_ring import KeyRing
from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.from_settings import build_client, build_dev_server, build_route, build_token_rules
from bff.http.cookies import CookieWriter
from bff.observe.logs import emit_to_log
from bff.oidc.quirks import quirks_for
from bff.oidc.relying_party import RelyingParty
from bff.oidc.transport import IssuerTransport
from bff.proxy.api import ApiProxy, HeaderLimits
from bff.proxy.forward import Forwarder
from bff.proxy.forwarded import Forwarding
from bff.proxy.front import Front
from bff.proxy.mount import build_mounts
from bff.proxy.routes import RouteTable
from bff.proxy.upstream import PyreqwestUpstream, Upstream
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.grants import Grants
from bff.session.records import Store
from bff.session.renewal import Renewer
from bff.session.revocation import Revocations
from bff.session.sessions import Limits, Sessions
from bff.session.stores import open_store
from bff.session.vault import Vault
from bff.web.errors import Handlers, build_exception_handlers
from bff.web.front_door import FrontDoor
from bff.web.management import Health, build_health_router
from bff.web.spa import DEFAULT_POLICY, SpaFiles

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

_PURGE_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Parts:
    """What a caller may put in the place of the real thing."""

    store: Store | None = None
    transport: IssuerTransport | None = None
    upstream: Upstream | None = None
    principals: Principals | None = None
    emit: Emit | None = None
    clock: Callable[[], float] = time.time
    key_files: KeyFiles | None = None  # to go on with keys that change; None: those of the settings, for good


class Bff:
    """Everything of one worker, wired; `lifespan` starts and stops it."""

    def __init__(self, settings: Settings, parts: Parts = Parts()) -> None:
        self.settings = settings
        clock = parts.clock
        self._clock = clock
        log = parts.emit or emit_to_log
        audit = AuditLog(open_sink(settings.audit.sink), clock, log)
        self._audit = audit

        def emit(name: str, fields: object) -> None:
            log(name, fields)  # type: ignore[arg-type]
            audit.record(name, fields)  # type: ignore[arg-type]

        self._emit = emit
        self._draining = False
        self._watching: list[asyncio.Task[None]] = []
        ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
        self.keys = KeyWatch(parts.key_files, ring, clock, emit) if parts.key_files is not None else None
        store = parts.store or open_store(settings.session.store.reveal(), timeout=settings.session.store_timeout)
        self.store = store
        self._transport = parts.transport or IssuerTransport(timeout=settings.oidc.timeout)
        self.relying_party = RelyingParty(
            build_client(settings),
            build_token_rules(settings),
            self._transport,
            clock=clock,
            on_event=emit,
            on_unused=lambda tokens: revocations.later(tokens, None),
            quirks=quirks_for(settings.oidc.provider),
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
            limits=Limits(
                idle=settings.session.idle_timeout,
                absolute=min(settings.session.absolute_timeout, settings.tokens.max_session_lifetime),
                renew_ahead=settings.session.renew_ahead,
                cache_size=settings.session.cache_size,
            ),
            clock=clock,
            emit=emit,
        )
        role_reader = RoleReader(build_role_map(settings))
        assigned = build_assigned(settings, role_reader)
        file = settings.roles.assignments
        self._assignments = AssignmentFile(Path(file), assigned, emit) if file is not None else None
        principals = parts.principals or build_principals(settings, assigned, role_reader, emit)
        principal_now = principals.now if settings.roles.assignments is not None else None
        grants = Grants(self.relying_party, emit, with_userinfo=settings.oidc.userinfo, revocations=revocations)
        self.renewer = Renewer(
            sessions=self.sessions,
            store=store,
            vault=vault,
            feed=self.feed,
            refresh=grants.renew,
            principal_of=principals,
            revocations=revocations,
            background=self._background,
            clock=clock,
            emit=emit,
        )
        cookie = CookieWriter(settings.session.cookie_name, same_site=settings.session.same_site)
        routes = [build_route(api, settings) for api in settings.api]
        dev_server = build_dev_server(settings)
        self._upstream = parts.upstream or PyreqwestUpstream([*routes, *([dev_server] if dev_server else [])])
        forwarding = Forwarding(settings.public_url, settings.server.trusted_proxies)
        front = Front(settings.public_url, forwarding)
        limits = HeaderLimits(settings.server.max_headers, settings.server.max_header_size)
        self.routes = RouteTable(routes)
        self.api = ApiProxy(
            sessions=self.sessions,
            renewer=self.renewer,
            forward=Forwarder(self._upstream, forwarding, settings.session.cookie_name, emit),
            front=front,
            own_origin=settings.public_url,
            cookie_name=settings.session.cookie_name,
            cookie_deletion=cookie.deletion,
            limits=limits,
            emit=emit,
            clock=clock,
            principal_now=principal_now,
        )
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
                principal_of=principals,
                principal_now=principal_now,
                grants=grants,
                revocations=revocations,
                front=front,
                limits=limits,
                clock=clock,
                emit=emit,
            ),
        )
        self._cookie_deletion = cookie.deletion
        self._front = front
        self._limits = limits
        self._dev_server = dev_server
        self.health = Health(
            ping_store=store.ping,
            pushes_arrive=lambda: self.feed.trusted,
            issuer_ready=lambda: self.relying_party.ready,
            issuer_error=lambda: self.relying_party.last_error,
            is_draining=lambda: self._draining,
            version=__version__,
        )

    # ── as an application ───────────────────────────────────────────────────────────────────────────────

    def management(self) -> Litestar:
        """Return the Litestar application of the management listener."""
        return self._litestar([build_health_router(self.health)], [])

    def front_door(self, beside: Sequence[Lifespan] = ()) -> FrontDoor:
        """Return the ASGI application of the public listener; `beside` are started after and stopped before us."""
        settings = self.settings
        shared = settings.server.management_listen == "same"
        handlers = [self._endpoints.router(), *([build_health_router(self.health)] if shared else [])]
        files = None
        if settings.spa is not None and settings.spa.directory is not None:
            policy = settings.spa.content_security_policy or DEFAULT_POLICY
            files = SpaFiles(Path(settings.spa.directory), policy)
        return FrontDoor(
            control=self._litestar(handlers, [self.lifespan, *beside]),  # type: ignore[arg-type]
            control_prefixes=(settings.server.prefix, *(("/health",) if shared else ())),
            routes=self.routes,
            api=self.api,
            front=self._front,
            limits=self._limits,
            emit=self._emit,
            files=files,
            dev_server=self._dev_server,
        )

    def plug_into(self, config: AppConfig) -> AppConfig:
        """Add endpoints, routes, error rendering and life cycle to an existing Litestar application."""
        config.route_handlers.append(self._endpoints.router())
        config.route_handlers.extend(build_mounts(self.routes, self.api))
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
        return build_exception_handlers(self.settings.server.prefix, self._cookie_deletion, self._emit)

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
        self._audit.start()
        try:
            await self.store.open()
        except SessionStoreUnavailable as error:
            self._emit("store.unavailable", {"detail": error.detail})
        self.feed.start()
        await self.relying_party.start()
        self._janitor = asyncio.get_running_loop().create_task(self._purge(), name="purge-sessions")
        for watched in (self._assignments, self.keys):
            if watched is not None:
                self._watching.append(asyncio.get_running_loop().create_task(watched.watch(), name="watch-files"))

    def drain(self) -> None:
        """Be unready, and end what would stay open: the server waits for every answer before it stops us."""
        self._draining = True
        self.sessions.close_watchers()

    async def stop(self) -> None:
        """Finish what must not be lost, then let go of everything."""
        self._draining = True
        self._janitor.cancel()
        for watching in self._watching:
            watching.cancel()
        await self._background.close(self.settings.server.shutdown_timeout)
        await self.feed.close()
        await self.relying_party.close()
        await self._transport.close()
        await self._upstream.close()
        await self.store.close()
        await self._audit.close()

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_EVERY)
            try:
                await self.store.purge(self._clock())
            except SessionStoreUnavailable as error:
                self._emit("store.unavailable", {"detail": error.detail})


def build_app(settings: Settings, parts: Parts = Parts()) -> FrontDoor:
    """Return the whole product as an ASGI application.

    Raises:
        ValueError: when a key, the store's URL or the app's directory cannot be used.
    """
    return Bff(settings, parts).front_door()
