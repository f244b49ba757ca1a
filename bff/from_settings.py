"""From the settings to each room's own values. Only `app` uses it: no room knows the configuration."""

import math
from collections.abc import Callable

from bff.access.configured import build_route_policy
from bff.config.settings import (
    ApiSettings,
    BindingMode,
    CorsSettings,
    Csrf,
    OnViolation,
    RequestHeaderSettings,
    ResponseHeaderSettings,
    SessionSettings,
    Settings,
    TokenKind,
)
from bff.events import Emit
from bff.oidc.client import Client
from bff.oidc.rules import TokenRules
from bff.proxy.cors import CrossOrigin
from bff.proxy.header_rules import RequestHeaderRules, ResponseHeaderRules, Template
from bff.proxy.routes import Route, SocketRules
from bff.proxy.service import Health, Service, Tls, build_addresses
from bff.session.binding import Binding
from bff.session.limits import Limits
from bff.session.records import Store
from bff.session.stores import open_store
from bff.session.stores.patient import patient

_DEV_SERVER = "spa"
_HOT_RELOAD = SocketRules(max_message=16 * 1024 * 1024, max_queue=16, idle_timeout=24 * 3600.0)


def build_client(settings: Settings) -> Client:
    """Return our registration at the issuer."""
    oidc = settings.oidc
    base = settings.public_url + settings.server.prefix
    return Client(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        redirect_uri=base + "/callback",
        post_logout_redirect_uri=settings.public_url + "/",
        auth_method=oidc.client_auth.value,
        client_secret=oidc.client_secret.reveal() if oidc.client_secret is not None else None,
        private_key=oidc.private_key.reveal() if oidc.private_key is not None else None,
        private_key_id=oidc.private_key_id,
        scopes=oidc.scopes,
        prompt=oidc.prompt,
        extra_parameters=oidc.extra_parameters,
        resource=oidc.resource,
        id_token_hint=oidc.id_token_hint,
    )


def build_token_rules(settings: Settings) -> TokenRules:
    """Return the rules that every token is held to."""
    tokens = settings.tokens
    return TokenRules(
        algorithms=tokens.algorithms,
        access_token_audience=tokens.access_token_audience,
        max_access_token_lifetime=tokens.max_access_token_lifetime,
        max_id_token_lifetime=tokens.max_id_token_lifetime,
        max_refresh_token_lifetime=tokens.max_refresh_token_lifetime,
        access_token_type=tokens.access_token_type,
        allow_opaque_access_tokens=tokens.allow_opaque_access_tokens,
        required_id_token_claims=tokens.required_id_token_claims,
        required_access_token_claims=tokens.required_access_token_claims,
        trusted_issuers=tokens.trusted_issuers,
        min_rsa_bits=tokens.min_rsa_bits,
        curves=tokens.curves,
        clock_skew=tokens.clock_skew,
        warn_only=tokens.on_violation is OnViolation.WARN,
    )


def build_route(api: ApiSettings, settings: Settings) -> Route:
    """Return one `[[api]]`, ready for use."""
    addresses = build_addresses(api.addresses)
    return Route(
        path=api.path,
        upstream=addresses[0].url if addresses else "",
        needs_session=api.token is TokenKind.USER,
        sends_token=api.token is not TokenKind.NONE,
        csrf=api.csrf.value,
        timeout=api.timeout,
        connect_timeout=api.connect_timeout,
        max_body_size=api.max_body_size if api.max_body_size is not None else settings.server.max_body_size,
        forward_cookies=frozenset(name.encode("ascii") for name in api.forward_cookies),
        allow_set_cookie=api.allow_set_cookie,
        policy=build_route_policy(api),
        upstreams=addresses,
        service=build_service(api),
        double_slashes=api.double_slashes,
        request_rules=_build_request_rules(api.request_headers),
        response_rules=_build_response_rules(api.response_headers),
        cors=_build_cors(api.cors),
        sockets=_build_socket_rules(api) if api.websocket else None,
    )


def build_session_limits(settings: Settings) -> Limits:
    """Return how long sessions live, and how many a worker remembers."""
    return Limits(
        idle=settings.session.idle_timeout,
        absolute=min(settings.session.absolute_timeout, settings.tokens.max_session_lifetime),
        renew_ahead=settings.session.renew_ahead,
        cache_size=settings.session.cache_size,
        renewals_at_once=math.ceil(settings.oidc.max_concurrent_renewals / settings.server.workers),
        remembered_idle=settings.session.remember_idle_timeout,
        remembered_absolute=settings.session.remember_absolute_timeout,
        grace=settings.session.store_grace,
    )


def build_binding(settings: Settings, clock: Callable[[], float], emit: Emit) -> Binding | None:
    """Return what binds sessions to their browser; None where nothing does."""
    session = settings.session
    if session.binding is BindingMode.OFF:
        return None
    return Binding(
        traits=[trait.value for trait in session.binding_traits],
        ipv4_prefix=session.binding_ipv4_prefix,
        ipv6_prefix=session.binding_ipv6_prefix,
        is_enforced=session.binding is BindingMode.ENFORCE,
        clock=clock,
        emit=emit,
    )


def open_patient_store(session: SessionSettings) -> Store:
    """Return the store of the sessions; a worker waits a little for one that is away."""
    return patient(open_store(session.store.reveal(), timeout=session.store_timeout), session.store_timeout)


def build_dev_server(settings: Settings) -> Route | None:
    """Return the pseudo-route of a front-end development server behind us, if there is one."""
    if settings.spa is None or settings.spa.upstream is None:
        return None
    addresses = build_addresses((settings.spa.upstream,))
    return Route(
        path=_DEV_SERVER,
        upstream=addresses[0].url,
        upstreams=addresses,
        needs_session=False,
        sends_token=False,
        csrf=Csrf.OFF.value,
        timeout=30.0,
        connect_timeout=2.0,
        max_body_size=0,
        sockets=_HOT_RELOAD,
        is_page=True,
    )


def _build_socket_rules(api: ApiSettings) -> SocketRules:
    return SocketRules(api.websocket_max_message, api.websocket_max_queue, api.websocket_idle_timeout)


def _build_request_rules(headers: RequestHeaderSettings) -> RequestHeaderRules | None:
    if not headers.set and not headers.secrets and not headers.remove:
        return None
    templates: dict[str, Template] = {name: template.parts for name, template in headers.set.items()}
    templates |= {name: ((secret.reveal(), False),) for name, secret in headers.secrets.items()}
    return RequestHeaderRules(templates, headers.remove)


def _build_response_rules(headers: ResponseHeaderSettings) -> ResponseHeaderRules | None:
    return ResponseHeaderRules(headers.set, headers.remove) if headers.set or headers.remove else None


def _build_cors(cors: CorsSettings | None) -> CrossOrigin | None:
    if cors is None:
        return None
    return CrossOrigin(
        origins=cors.origins,
        methods=cors.methods,
        headers=cors.headers,
        expose=cors.expose,
        credentials=cors.credentials,
        max_age=cors.max_age,
    )


def build_service(api: ApiSettings) -> Service:
    """Return how the upstreams of a route are used."""
    tls, health = api.tls, api.health
    identity = None
    if tls.client_cert is not None and tls.client_key is not None:
        identity = f"{tls.client_key.reveal()}\n{tls.client_cert}"
    return Service(
        balance=api.balance.value,
        retry=api.retry.value,
        idle_timeout=api.idle_timeout,
        total_timeout=api.total_timeout,
        max_connections=api.max_connections,
        pool_timeout=api.pool_timeout,
        http2=api.http2,
        tls=Tls(tls.ca_file, identity, tls.server_name),
        health=Health(health.eject_after, health.eject_for, health.path, health.interval),
    )
