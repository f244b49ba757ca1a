"""The tables within `[[api]]`. As `bff.config.settings`, whose part they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Annotated

from bff.config.conditions import ClaimTest, PathPattern, TimeWindow
from bff.config.header_templates import HeaderTemplate
from bff.config.value_types import Certificates, Count, PositiveSeconds, Seconds, Secret, Token

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AllowSettings:
    """One entry of `allow` in `[[api]]`: everything that it asks must hold. Empty: any signed-in user."""

    methods: tuple[Annotated[str, "method"], ...] = ()
    roles: tuple[str, ...] = ()  # one of them
    all_roles: tuple[str, ...] = ()
    none_roles: tuple[str, ...] = ()
    path: Annotated[PathPattern, "path pattern"] | None = None  # below the route; None: any
    scopes: tuple[Annotated[str, "scope"], ...] = ()  # all of them
    claims: Mapping[str, Annotated[ClaimTest, "claim test"]] = field(default_factory=lambda: MappingProxyType({}))
    match: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # parameter to claim
    acr: tuple[str, ...] = ()  # one of them
    amr: tuple[str, ...] = ()  # one of them
    max_age: PositiveSeconds | None = None  # since the login (`auth_time`)
    times: tuple[Annotated[TimeWindow, "time window"], ...] = ()  # one of them
    networks: tuple[Annotated[Network, "network"], ...] = ()  # one of them
    deny: bool = False


@dataclass(frozen=True, slots=True)
class RequestHeaderSettings:
    """`request_headers` of `[[api]]`: what goes up, beside what bff sets itself."""

    set: Mapping[str, Annotated[HeaderTemplate, "header template"]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    secrets: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))  # such as keys to an API
    remove: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseHeaderSettings:
    """`response_headers` of `[[api]]`: what of an upstream's answer comes down."""

    set: Mapping[str, Annotated[str, "header value"]] = field(default_factory=lambda: MappingProxyType({}))
    remove: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """`cors` of `[[api]]`: other origins whose pages may call this route."""

    origins: tuple[Annotated[str, "origin"], ...] = ()
    methods: tuple[Annotated[str, "method"], ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: tuple[Token, ...] = ("Content-Type",)  # that a page may send; X-CSRF always
    expose: tuple[Token, ...] = ()  # of the answer, that a page may read
    credentials: bool = False
    max_age: Seconds = 600.0


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`tls` of `[[api]]`: how https upstreams are believed, and how they believe us."""

    ca_file: Annotated[Certificates, "certificates"] | None = None  # beside the system's
    client_cert: Annotated[Certificates, "certificates"] | None = None
    client_key: Annotated[Secret, "private key"] | None = None
    server_name: Annotated[str, "host"] | None = None  # in place of the address in the URL


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """`health` of `[[api]]`: when one of several upstreams is left out."""

    eject_after: Count = 3  # failures in a row
    eject_for: PositiveSeconds = 10.0  # the first time
    path: Annotated[str, "target"] | None = None  # asked for every `interval`
    interval: PositiveSeconds = 10.0
