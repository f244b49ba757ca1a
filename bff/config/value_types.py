"""What the values of settings are: secrets, words that mean something, and aliases.

The second half of an `Annotated` type names the reader in `bff.config.readers` that the loader uses for the key.
"""

import enum
from typing import Annotated, NamedTuple


class Secret:
    """A value that prints as `***`. `reveal()` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Certificates(str):
    """Certificates in PEM, one or several."""

    __slots__ = ()


class Rate(NamedTuple):
    """So many in so many seconds."""

    amount: int
    seconds: int


class ClientAuth(enum.StrEnum):
    """How the client authenticates at the token endpoint (OIDC Core §9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"


class SameSite(enum.StrEnum):
    """The SameSite attribute of the session cookie."""

    STRICT = "strict"
    LAX = "lax"


class TokenKind(enum.StrEnum):
    """Which token a route puts on the upstream request."""

    USER = "user"
    USER_OPTIONAL = "user_optional"
    NONE = "none"


class Csrf(enum.StrEnum):
    """How a route is defended against cross-site requests."""

    HEADER = "header"
    ORIGIN = "origin"
    OFF = "off"


class Balance(enum.StrEnum):
    """Which of several upstreams carries the next call."""

    LEAST_PENDING = "least_pending"
    ROUND_ROBIN = "round_robin"


class Retry(enum.StrEnum):
    """Which calls are sent once more when no answer came."""

    SAFE = "safe"  # GET, HEAD and OPTIONS
    IDEMPOTENT = "idempotent"  # PUT and DELETE as well, without a body
    NEVER = "never"


class OnViolation(enum.StrEnum):
    """What happens to a token that breaks a rule of `[tokens]`."""

    REJECT = "reject"
    WARN = "warn"


class WhenFull(enum.StrEnum):
    """What happens while audit lines cannot be written."""

    DROP = "drop"  # go on; what no longer fits is lost, and counted
    REFUSE = "refuse"  # answer API calls and logins with 503


class LogFormat(enum.StrEnum):
    """How log lines look."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class AtRest(enum.StrEnum):
    """Which keys open a stored session record."""

    COOKIE = "cookie"
    SERVER = "server"


Seconds = Annotated[float, "duration"]
PositiveSeconds = Annotated[float, "positive duration"]
Bytes = Annotated[int, "size"]
Count = Annotated[int, "count"]
Token = Annotated[str, "token"]
Listen = Annotated[str, "listen address"]
RoutePath = Annotated[str, "route path"]
UpstreamUrl = Annotated[str, "upstream"]
