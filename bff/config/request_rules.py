"""What the headers and the origins of a route must be. Pure, as `bff.config.rules` is."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.settings import ApiSettings, CorsSettings, Settings, TokenKind
from bff.config.toml_lines import Path
from bff.config.values import BadValue, is_token, quoted

# What frames a message, ends at the next hop, names the target, or says who calls: bff's own, in both directions
# (RFC 9110 §7.6.1, RFC 9112 §6, browser-based apps §6.1.3).
_OWN = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect",
        "http2-settings", "content-length", "host", "via", "x-request-id",
    }
)  # fmt: skip
_OWN_UP = _OWN | {"authorization", "dpop", "cookie", "x-csrf", "forwarded", "traceparent"}
_OWN_UP_PREFIXES = ("x-forwarded", "proxy-", "sec-websocket-", ":")
_OWN_DOWN = _OWN | {"set-cookie", "set-cookie2", "date", "vary", "www-authenticate", "location"}
_OWN_DOWN_PREFIXES = ("access-control-", "proxy-", "sec-websocket-", ":")
_SET_BY_US = frozenset({"content-security-policy", "x-content-type-options"})  # in the place of the upstream's


def broken_request_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule about headers and origins that these settings break."""
    for index, route in enumerate(settings.api):
        at: Path = ("api", index)
        yield from _request_headers((*at, "request_headers"), route)
        yield from _response_headers((*at, "response_headers"), route)
        if route.cors is not None:
            yield from _cors((*at, "cors"), route, route.cors, settings.public_url)
    yield from _limits(settings)
    yield from _page_headers(settings)


def _page_headers(settings: Settings) -> Iterator[Problem]:
    """What a development server says of its own pages stands."""
    if settings.spa is None or settings.spa.upstream is None:
        return
    for name in ("content_security_policy", "nonce_placeholder", "permissions_policy"):
        if getattr(settings.spa, name) is not None:
            yield Problem(
                (("spa", name), ("spa", "upstream")),
                BadValue("has no effect with spa.upstream", "spa.directory", "the server behind us sends its own"),
                Severity.WARNING,
            )


def _limits(settings: Settings) -> Iterator[Problem]:
    """A limit by address needs addresses."""
    if not settings.server.listen.startswith("unix:") or settings.server.trusted_proxies:
        return
    for name in ("per_address", "logins_per_address"):
        if getattr(settings.limits, name) is not None:
            yield Problem(
                (("limits", name), ("server", "listen"), ("server", "trusted_proxies")),
                BadValue(
                    "limits nobody: through a unix socket no browser has an address",
                    "server.trusted_proxies with the proxy in front",
                    "its X-Forwarded-For tells the addresses",
                ),
                Severity.WARNING,
            )


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _request_headers(at: Path, route: ApiSettings) -> Iterator[Problem]:
    rules = route.request_headers
    yield from _names((*at, "set"), rules.set, _OWN_UP, _OWN_UP_PREFIXES)
    yield from _names((*at, "secrets"), rules.secrets, _OWN_UP, _OWN_UP_PREFIXES)
    for position, name in enumerate(rules.remove):
        yield from _name((*at, "remove", position), name, _OWN_UP, _OWN_UP_PREFIXES)
    texts = {name.lower() for name in rules.set}
    for name, secret in rules.secrets.items():
        if name.lower() in texts:
            yield Problem(((*at, "secrets", name),), BadValue("is in `set` as well", "each header once"))
        value = secret.reveal()
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            yield Problem(
                ((*at, "secrets", name),),
                BadValue("holds what no header can", "printable ASCII without spaces at its ends (RFC 9110 §5.5)"),
            )
    if route.token is TokenKind.NONE:
        for name, template in rules.set.items():
            if template.claims:
                yield Problem(
                    ((*at, "set", name), (*at[:-1], "token")),
                    BadValue(
                        "holds a claim, yet this route knows no user",
                        'a fixed text, or token = "user" or "user_optional"',
                        'with token = "none" no session is looked for',
                    ),
                )


def _response_headers(at: Path, route: ApiSettings) -> Iterator[Problem]:
    rules = route.response_headers
    yield from _names((*at, "set"), rules.set, _OWN_DOWN, _OWN_DOWN_PREFIXES)
    for position, name in enumerate(rules.remove):
        path = (*at, "remove", position)
        yield from _name(path, name, _OWN_DOWN, _OWN_DOWN_PREFIXES)
        if name.lower() in _SET_BY_US:
            yield Problem(
                (path,),
                BadValue(
                    f"{quoted(name)} of the upstream never passes, and ours stays",
                    "another header",
                    "to have another value, name it in `set`",
                ),
            )


def _names(at: Path, names: Iterable[str], own: frozenset[str], prefixes: tuple[str, ...]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name in names:
        yield from _name((*at, name), name, own, prefixes)
        if name.lower() in first:
            yield Problem(
                ((*at, name),),
                BadValue(f"is the same header as {quoted(first[name.lower()])}", "each header once"),
                other=(*at, first[name.lower()]),
            )
        first.setdefault(name.lower(), name)


def _name(path: Path, name: str, own: frozenset[str], prefixes: tuple[str, ...]) -> Iterator[Problem]:
    plain = name.lower()
    if plain in own or plain.startswith(prefixes):
        hint = "cross-origin calls are allowed with `cors`" if plain.startswith("access-control-") else ""
        yield Problem(
            (path,), BadValue(f"{quoted(name)} is bff's own and cannot be changed", "another header", hint)
        )
    elif "_" in name:
        right = quoted(name.replace("_", "-"))
        yield Problem(
            (path,),
            BadValue(
                f"{quoted(name)} has an underscore, which many servers drop or read as a hyphen",
                "a name without underscores",
                f"did you mean {right}?",
            ),
        )
    elif not is_token(name):
        yield Problem((path,), BadValue("is no name of a header", "letters, digits and hyphens (RFC 9110 §5.1)"))


# ── other origins ────────────────────────────────────────────────────────────────────────────────────────────


def _cors(at: Path, route: ApiSettings, cors: CorsSettings, public_url: str) -> Iterator[Problem]:
    if not cors.origins:
        yield Problem(
            ((*at, "origins"), at),
            BadValue("names no origin", 'at least one, such as ["https://admin.example.com"]'),
        )
    for position, origin in enumerate(cors.origins):
        path = (*at, "origins", position)
        if origin == public_url:
            yield Problem(
                (path, ("public_url",)),
                BadValue("is our own public_url", "another origin", "our own pages may call every route"),
            )
        elif cors.credentials and not _may_be_same_site(origin, public_url):
            yield Problem(
                (path, ("public_url",), (*at, "credentials")),
                BadValue(
                    "is another site than public_url: browsers do not send the session cookie from there",
                    "an origin below the same domain, and of the same scheme",
                    "the cookie is SameSite; give the application on that site a bff of its own",
                ),
                Severity.WARNING,
            )
    if not cors.credentials and route.token is TokenKind.USER:
        yield Problem(
            ((*at, "credentials"), at, (*at[:-1], "token")),
            BadValue(
                "is false, so that nobody who calls from there is signed in",
                'true, or token = "user_optional" or "none" for this route',
            ),
        )


def _may_be_same_site(one: str, other: str) -> bool:
    """Whether two origins may be of one site; false only when they certainly are not.

    What a registrable domain is says a list of public suffixes, which changes; two labels in common are the least.
    """
    a, b = urlsplit(one), urlsplit(other)
    if a.scheme != b.scheme:
        return False
    if a.hostname == b.hostname:
        return True
    ends = [(host or "").split(".")[-2:] for host in (a.hostname, b.hostname)]
    return len(ends[0]) == 2 and ends[0] == ends[1] and not ends[0][-1].isdigit()
