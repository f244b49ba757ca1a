"""The frozen settings. One field is one key of the configuration file, under the same name.

Durations are seconds, sizes are bytes, secrets are `Secret`. Nothing here reads files or the environment.
The second half of an `Annotated` type names the reader in `bff.config.readers` that the loader uses for the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from bff.config.gateway_settings import GatewaySettings
from bff.config.route_settings import (
    AllowSettings,
    CorsSettings,
    HealthSettings,
    Network,
    RequestHeaderSettings,
    ResponseHeaderSettings,
    TlsSettings,
)
from bff.config.session_settings import BindingMode, OnTooMany, SessionSettings, Trait
from bff.config.tracing_settings import TracingSettings
from bff.config.value_types import (
    AtRest,
    Balance,
    Bytes,
    ClientAuth,
    Count,
    Csrf,
    Listen,
    LogFormat,
    OnViolation,
    PositiveSeconds,
    Rate,
    Retry,
    RoutePath,
    SameSite,
    Seconds,
    Secret,
    Token,
    TokenKind,
    UpstreamUrl,
    WhenFull,
)

__all__ = [
    "AllowSettings",
    "AtRest",
    "Balance",
    "BindingMode",
    "ClientAuth",
    "CorsSettings",
    "Csrf",
    "HealthSettings",
    "LogFormat",
    "Network",
    "OnTooMany",
    "OnViolation",
    "RequestHeaderSettings",
    "ResponseHeaderSettings",
    "Retry",
    "SameSite",
    "Secret",
    "SessionSettings",
    "TlsSettings",
    "TokenKind",
    "Trait",
    "WhenFull",
]  # beside the settings themselves


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`[server]`."""

    listen: Listen = "127.0.0.1:8080"
    workers: Count = 1
    management_listen: Annotated[str, "management address"] = "127.0.0.1:9090"
    trusted_proxies: tuple[Annotated[Network, "network"], ...] = ()
    prefix: RoutePath = "/bff"
    max_header_size: Bytes = 32 * 1024
    max_headers: Count = 100
    max_body_size: Bytes = 10 * 1024 * 1024
    max_concurrent_requests: Count | None = None  # None: any
    max_concurrent_per_session: Count | None = None  # None: any
    max_connections: Count = 8192  # of browsers and proxies, in each worker
    max_websockets: Count = 2000  # in each worker
    max_websockets_per_session: Count = 20  # in each worker
    shutdown_timeout: Seconds = 20.0
    reload_on_change: bool = False
    drain_delay: Seconds = 0.0
    renewal_process: bool | None = None  # None: where there are several workers

    @property
    def renews_apart(self) -> bool:
        """Whether a process of its own makes refresh grants, so that no killed worker takes a token along."""
        return self.workers > 1 if self.renewal_process is None else self.renewal_process


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`[oidc]`."""

    issuer: Annotated[str, "issuer"]
    client_id: str
    client_secret: Secret | None = None
    client_auth: ClientAuth = ClientAuth.BASIC
    private_key: Annotated[Secret, "private key"] | None = None  # PEM, for private_key_jwt
    private_key_id: str | None = None  # the `kid` under which the issuer knows it
    scopes: tuple[Annotated[str, "scope"], ...] = ("openid", "profile", "offline_access")
    provider: Annotated[str, "provider"] = "generic"
    prompt: Annotated[str, "prompt"] | None = None
    extra_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    resource: tuple[Annotated[str, "resource"], ...] = ()  # RFC 8707
    userinfo: bool = False  # ask userinfo at login and merge what the ID token lacks
    id_token_hint: bool = True  # in the redirect of RP-initiated logout
    user_claims: tuple[str, ...] = (
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "email",
        "picture",
    )
    timeout: PositiveSeconds = 10.0
    max_concurrent_renewals: Count = 100  # in all workers together


@dataclass(frozen=True, slots=True)
class KeysSettings:
    """`[keys]`: newest first; at least one."""

    secrets: tuple[Annotated[Secret, "keys"], ...] = ()


@dataclass(frozen=True, slots=True)
class TokensSettings:
    """`[tokens]`."""

    algorithms: tuple[Annotated[str, "algorithm"], ...] = ("RS256", "PS256", "ES256", "EdDSA")
    min_rsa_bits: Annotated[int, "rsa bits"] = 2048
    curves: tuple[Annotated[str, "curve"], ...] = ("P-256", "P-384", "P-521", "Ed25519")
    trusted_issuers: tuple[Annotated[str, "issuer"], ...] = ()  # empty: oidc.issuer alone
    access_token_audience: tuple[str, ...] = ()
    access_token_type: Annotated[str, "access token type"] = "any"
    allow_opaque_access_tokens: bool = True
    required_id_token_claims: tuple[str, ...] = ()
    required_access_token_claims: tuple[str, ...] = ()
    max_access_token_lifetime: PositiveSeconds = 3600.0
    max_id_token_lifetime: PositiveSeconds = 24 * 3600.0
    max_refresh_token_lifetime: PositiveSeconds | None = None  # None: any
    max_session_lifetime: PositiveSeconds = 24 * 3600.0
    on_violation: OnViolation = OnViolation.REJECT
    clock_skew: Seconds = 30.0


@dataclass(frozen=True, slots=True)
class RolesSettings:
    """`[roles]`."""

    claims: tuple[str, ...] = ("roles", "groups", "realm_access.roles")
    rename: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    implies: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    assignments: str | None = None  # a file; see bff.config.assignments
    known: tuple[str, ...] = ()  # empty: any name may be a role
    max_roles: Count = 500


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """One `[[api]]` route."""

    path: RoutePath
    upstream: UpstreamUrl | None = None  # either this one,
    upstreams: tuple[UpstreamUrl, ...] = ()  # or these, all with the same path
    token: Annotated[TokenKind, "token kind"] = TokenKind.USER
    csrf: Annotated[Csrf, "csrf"] = Csrf.HEADER
    websocket: bool = False
    websocket_max_message: Bytes = 1024 * 1024
    websocket_max_queue: Count = 16  # messages of the upstream that wait for a slow browser
    websocket_idle_timeout: PositiveSeconds = 600.0  # without a message either way
    timeout: PositiveSeconds = 30.0  # until the first byte of the answer, and between any two
    connect_timeout: PositiveSeconds = 5.0
    idle_timeout: PositiveSeconds | None = None  # between two bytes of the answer; None: timeout
    total_timeout: PositiveSeconds | None = None  # None: any
    balance: Balance = Balance.LEAST_PENDING
    retry: Retry = Retry.SAFE
    max_connections: Count = 1024  # to each address, from each worker
    pool_timeout: PositiveSeconds = 2.0
    http2: bool = False
    double_slashes: bool = True
    tls: TlsSettings = field(default_factory=TlsSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    max_body_size: Bytes | None = None  # None: the server's
    forward_cookies: tuple[Token, ...] = ()
    allow_set_cookie: bool = False
    allow: tuple[AllowSettings, ...] = ()
    policy: Annotated[str, "callable"] | None = None  # decides in place of `allow`
    request_headers: RequestHeaderSettings = field(default_factory=RequestHeaderSettings)
    response_headers: ResponseHeaderSettings = field(default_factory=ResponseHeaderSettings)
    cors: CorsSettings | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every upstream."""
        return self.upstreams or ((self.upstream,) if self.upstream is not None else ())


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """`[limits]`: how much may be asked in a time; None: any."""

    per_session: Annotated[Rate, "rate"] | None = None
    per_address: Annotated[Rate, "rate"] | None = None
    logins_per_address: Annotated[Rate, "rate"] | None = None


@dataclass(frozen=True, slots=True)
class SpaSettings:
    """`[spa]`: exactly one of the two."""

    directory: str | None = None
    upstream: UpstreamUrl | None = None
    content_security_policy: Annotated[str, "header value"] | None = None  # None: the strict default
    nonce_placeholder: Token | None = None  # in index.html; None: inline parts are known by their hashes
    permissions_policy: Annotated[str, "header value"] | None = None  # None: the strict default


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`[audit]`."""

    sink: Annotated[str, "audit sink"] = "stdout"
    retention: PositiveSeconds = 90 * 86400.0  # in the session store; files are rotated by others
    when_full: WhenFull = WhenFull.DROP
    allowed_calls: Annotated[float, "fraction"] = 0.0  # of the calls that are allowed, how many are recorded


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """`[admin]`: who may use the admin API and the console."""

    token: Annotated[Secret, "operator token"] | None = None  # on the management listener
    token_on_public: bool = False  # where that is the public one: server.management_listen = "same"
    roles: tuple[str, ...] = ()  # of sessions, on the public listener
    networks: tuple[Annotated[Network, "network"], ...] = ()  # empty: any


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """`[review]`: of who has access to what."""

    keep: PositiveSeconds = 400 * 86400.0  # from the last sign of somebody, or from a review
    interval: PositiveSeconds | None = None  # between two reviews; None: none is ever due
    unused: PositiveSeconds = 90 * 86400.0
    ends_soon: PositiveSeconds = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`[log]`."""

    level: Annotated[str, "log level"] = "info"
    format: LogFormat = LogFormat.AUTO
    access: bool = False


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """`[metrics]`."""

    enabled: bool = True
    public: bool = False  # on the public listener too, where that is the management listener as well


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file."""

    public_url: Annotated[str, "origin"]
    oidc: OidcSettings
    server: ServerSettings = field(default_factory=ServerSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    keys: KeysSettings = field(default_factory=KeysSettings)
    tokens: TokensSettings = field(default_factory=TokensSettings)
    roles: RolesSettings = field(default_factory=RolesSettings)
    api: tuple[ApiSettings, ...] = ()
    gateway: GatewaySettings | None = None  # None: bff carries every call itself
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    spa: SpaSettings | None = None
    audit: AuditSettings = field(default_factory=AuditSettings)
    admin: AdminSettings | None = None  # None: the admin API is closed
    review: ReviewSettings = field(default_factory=ReviewSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    tracing: TracingSettings = field(default_factory=TracingSettings)
