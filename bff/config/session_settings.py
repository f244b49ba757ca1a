"""`[session]`: where sessions lie, how long they live, and how many. Part of `bff.config.settings`."""

import enum
from dataclasses import dataclass, field
from typing import Annotated

from bff.config.value_types import AtRest, Count, PositiveSeconds, SameSite, Seconds, Secret


class OnTooMany(enum.StrEnum):
    """What happens when a user signs in in more places than allowed."""

    END_OLDEST = "end_oldest"
    REFUSE = "refuse"  # the new login


class BindingMode(enum.StrEnum):
    """What happens to a request whose browser does not look like the one that signed in."""

    OFF = "off"
    REPORT = "report"  # it is told, and goes on
    ENFORCE = "enforce"  # it is refused; the session lives on


class Trait(enum.StrEnum):
    """What a browser can be told by."""

    USER_AGENT = "user_agent"  # its family and system; versions change too often
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`[session]`."""

    # A secret, because it may hold a password.
    store: Annotated[Secret, "store"] = field(default_factory=lambda: Secret("sqlite:///bff-sessions.db"))
    cookie_name: Annotated[str, "cookie name"] = "__Host-bff"
    same_site: SameSite = SameSite.STRICT
    idle_timeout: PositiveSeconds = 3600.0
    absolute_timeout: PositiveSeconds = 12 * 3600.0
    remember_idle_timeout: PositiveSeconds | None = None  # None: nobody is remembered
    remember_absolute_timeout: PositiveSeconds | None = None  # None: absolute_timeout
    max_per_user: Count | None = None  # None: any
    on_too_many: OnTooMany = OnTooMany.END_OLDEST
    binding: BindingMode = BindingMode.OFF
    binding_traits: tuple[Trait, ...] = (Trait.USER_AGENT, Trait.NETWORK)
    binding_ipv4_prefix: Annotated[int, "ipv4 prefix"] = 24
    binding_ipv6_prefix: Annotated[int, "ipv6 prefix"] = 56
    renew_ahead: Seconds = 60.0
    at_rest: AtRest = AtRest.COOKIE
    cache_size: Count = 10_000
    store_timeout: PositiveSeconds = 2.0
    store_grace: Seconds = 0.0  # for how long warm sessions go on without the store
