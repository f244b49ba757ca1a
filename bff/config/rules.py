"""What several keys must be to each other. Pure: settings in, problems out, each with the keys that it looked at.

The first key of a problem is where it is reported. A problem whose keys could not all be read is not reported:
the reader has enough to mend already.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bff.config.addresses import DEFAULT_PORTS, split_listen
from bff.config.findings import Severity
from bff.config.settings import ApiSettings, ClientAuth, Csrf, Settings, TokenKind
from bff.config.toml_lines import Path
from bff.config.values import BadValue, duration_text, quoted

# The parameters of an authorization request that we set ourselves (OIDC Core §3.1.2.1, RFC 7636 §4.3, RFC 9101 §5).
OWN_PARAMETERS = frozenset(
    {
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
MAX_SOCKET_MESSAGE = 16 * 1024 * 1024  # granian drops a socket whose frame is larger, before we see it
ANY_ADDRESS = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule, and the keys it is about. `other` is a second place that the reader must look at."""

    keys: tuple[Path, ...]
    problem: BadValue
    severity: Severity = Severity.ERROR
    other: Path | None = None


def broken_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule that these settings break."""
    for rule in RULES:
        yield from rule(settings)


def _client_credentials(settings: Settings) -> Iterator[Problem]:
    oidc = settings.oidc
    if oidc.client_auth is ClientAuth.PRIVATE_KEY_JWT:
        if oidc.private_key is None:
            yield Problem(
                (("oidc", "private_key"), ("oidc", "client_auth")),
                BadValue("is missing", "a private key in PEM, for private_key_jwt", '{ file = "client-key.pem" }'),
            )
    elif oidc.client_secret is None:
        yield Problem(
            (("oidc", "client_secret"), ("oidc", "client_auth")),
            BadValue("is missing", f"a secret, for {oidc.client_auth}", '{ env = "BFF_CLIENT_SECRET" }'),
        )


def _scopes(settings: Settings) -> Iterator[Problem]:
    if "openid" not in settings.oidc.scopes:
        yield Problem(
            (("oidc", "scopes"),),
            BadValue('does not contain "openid"', 'at least ["openid"] (OIDC Core §3.1.2.1)'),
        )


def _extra_parameters(settings: Settings) -> Iterator[Problem]:
    for name in sorted(OWN_PARAMETERS & settings.oidc.extra_parameters.keys()):
        yield Problem(
            (("oidc", "extra_parameters", name),),
            BadValue(
                "is set by bff itself and cannot be changed",
                "another parameter of the authorization request",
                "every login is a code flow with PKCE S256, state and nonce (RFC 9700 §2.1.1)",
            ),
        )


def _algorithms(settings: Settings) -> Iterator[Problem]:
    if not settings.tokens.algorithms:
        yield Problem(
            (("tokens", "algorithms"),),
            BadValue("accepts no token at all", "at least one algorithm", "leave the key out to get the default"),
        )


def _lifetimes(settings: Settings) -> Iterator[Problem]:
    session, longest = settings.session, settings.tokens.max_session_lifetime
    idle, absolute = ("session", "idle_timeout"), ("session", "absolute_timeout")
    if session.idle_timeout > session.absolute_timeout:
        yield Problem(
            (idle, absolute),
            BadValue(
                "is longer than session.absolute_timeout",
                f"at most {duration_text(session.absolute_timeout)}",
                "a session cannot be idle for longer than it lives",
            ),
        )
    if session.absolute_timeout > longest:
        yield Problem(
            (absolute, ("tokens", "max_session_lifetime")),
            BadValue("is longer than tokens.max_session_lifetime", f"at most {duration_text(longest)}"),
        )
    if settings.tokens.clock_skew > 60:
        yield Problem(
            (("tokens", "clock_skew"),),
            BadValue(
                "accepts tokens long after they expired", "at most a minute", "run NTP on this machine instead"
            ),
            Severity.WARNING,
        )


def _keys(settings: Settings) -> Iterator[Problem]:
    path = ("keys", "secrets")
    secrets = settings.keys.secrets
    if not secrets:
        yield Problem(
            (path,),
            BadValue(
                "holds no key",
                'at least one key: secrets = [{ file = "bff.keys" }]',
                "`bff keys new -o bff.keys` makes the file",
            ),
        )
    if len(set(secrets)) < len(secrets):
        yield Problem((path,), BadValue("holds the same key twice", "each key once"), Severity.WARNING)


def _listeners(settings: Settings) -> Iterator[Problem]:
    server = settings.server
    if server.management_listen == "same":
        return
    host, port = split_listen(server.listen)
    other_host, other_port = split_listen(server.management_listen)
    same_host = host == other_host or (port is not None and bool({host, other_host} & ANY_ADDRESS))
    if port == other_port and same_host:
        yield Problem(
            (("server", "management_listen"), ("server", "listen")),
            BadValue(
                "is the public address (server.listen)",
                "an address of its own",
                'health, metrics and the admin API would be public; write "same" if that is meant',
            ),
        )


def _store(settings: Settings) -> Iterator[Problem]:
    if settings.server.workers > 1 and settings.session.store.reveal() == "memory:":
        yield Problem(
            (("session", "store"), ("server", "workers")),
            BadValue(
                f'is "memory:", which {settings.server.workers} workers cannot share',
                "a store for several processes, or server.workers = 1",
                'use "sqlite:///bff-sessions.db" on one machine, or a redis:// address',
            ),
        )
    elif settings.server.renewal_process and settings.session.store.reveal() == "memory:":
        yield Problem(
            (("session", "store"), ("server", "renewal_process")),
            BadValue(
                'is "memory:", which the renewal process cannot share',
                "a store for several processes, or server.renewal_process = false",
                'use "sqlite:///bff-sessions.db" on one machine, or a redis:// address',
            ),
        )


def _trusted_proxies(settings: Settings) -> Iterator[Problem]:
    for index, network in enumerate(settings.server.trusted_proxies):
        if network.prefixlen == 0:
            yield Problem(
                (("server", "trusted_proxies", index),),
                BadValue("trusts everybody", "your proxies' own networks", "anybody could forge their address"),
                Severity.WARNING,
            )


def _routes(settings: Settings) -> Iterator[Problem]:
    reserved = [settings.server.prefix]
    if settings.server.management_listen == "same":
        reserved.append("/health")
        if settings.admin is not None and settings.admin.token_on_public:
            reserved += ["/admin", "/console"]
    first: dict[str, int] = {}
    for index, route in enumerate(settings.api):
        path = ("api", index, "path")
        if route.path in first:
            other = first[route.path]
            yield Problem(
                (path, ("api", other, "path")),
                BadValue(f"is also the path of route {other}", "one route a path", "merge the two, or remove one"),
            )
        first.setdefault(route.path, index)
        for own in reserved:
            if _is_within(route.path, own) or _is_within(own, route.path):
                yield Problem(
                    (path, ("server", "prefix"), ("server", "management_listen")),
                    BadValue(
                        f"clashes with {quoted(own)}, where bff's own endpoints are",
                        'a path beside it, such as "/api"',
                        "or move bff's endpoints with server.prefix or server.management_listen",
                    ),
                )
        yield from _route(settings, index, route)


def _route(settings: Settings, index: int, route: ApiSettings) -> Iterator[Problem]:
    at: Path = ("api", index)
    if settings.session.cookie_name in route.forward_cookies:
        yield Problem(
            ((*at, "forward_cookies"), ("session", "cookie_name")),
            BadValue("names the session cookie", "other cookies", "the session cookie never leaves bff"),
        )
    if route.csrf is Csrf.OFF and route.token is not TokenKind.NONE:
        yield Problem(
            ((*at, "csrf"), (*at, "token")),
            BadValue(
                "lets every web site call this API in the user's name",
                'true, or "origin" for what cannot send a header',
            ),
            Severity.WARNING,
        )


def _sockets(settings: Settings) -> Iterator[Problem]:
    for index, route in enumerate(settings.api):
        if route.websocket_max_message > MAX_SOCKET_MESSAGE:
            yield Problem(
                (("api", index, "websocket_max_message"),),
                BadValue("is more than the server takes", 'at most "16MiB"', "send more in several messages"),
            )


def _spa(settings: Settings) -> Iterator[Problem]:
    if settings.spa is None:
        return
    given = [key for key in ("directory", "upstream") if getattr(settings.spa, key) is not None]
    if len(given) != 1:
        what = "has both directory and upstream" if given else "has neither directory nor upstream"
        yield Problem(
            (("spa",), ("spa", "directory"), ("spa", "upstream")),
            BadValue(
                what, "exactly one of the two", "directory for built files, upstream for a development server"
            ),
        )


RULES: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _client_credentials,
    _scopes,
    _extra_parameters,
    _algorithms,
    _lifetimes,
    _keys,
    _listeners,
    _store,
    _trusted_proxies,
    _routes,
    _sockets,
    _spa,
)


def _is_within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _port(scheme: str, port: int | None) -> int | None:
    return port if port is not None else DEFAULT_PORTS.get(scheme)
