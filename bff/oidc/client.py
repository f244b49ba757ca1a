"""Our registration at the issuer, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


@dataclass(frozen=True, slots=True)
class Client:
    """What the issuer knows us by (OIDC Core §3.1.2.1, §9). Secrets do not show in `repr`.

    Raises `ValueError` when the parts do not fit together: an unknown `auth_method`, a method without its secret
    or key, or scopes without `openid`.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    post_logout_redirect_uri: str
    auth_method: str = "client_secret_basic"  # or "client_secret_post", "private_key_jwt"
    client_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)  # PEM
    private_key_id: str | None = None  # the `kid` under which the issuer knows it
    scopes: tuple[str, ...] = ("openid",)
    prompt: str | None = None  # for every login that does not ask for its own
    extra_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    resource: tuple[str, ...] = ()  # RFC 8707
    id_token_hint: bool = True  # send it at RP-initiated logout
    end_session_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.auth_method not in AUTH_METHODS:
            raise ValueError(f"auth_method must be one of {', '.join(AUTH_METHODS)}")
        if self.auth_method == "private_key_jwt":
            if not self.private_key:
                raise ValueError("private_key_jwt needs a private key")
        elif not self.client_secret:
            raise ValueError(f"{self.auth_method} needs a client secret")
        if "openid" not in self.scopes:
            raise ValueError("scopes must contain openid (OIDC Core §3.1.2.1)")
