"""What the upstreams of a route must be to each other, and to how they are reached. Pure, as `bff.config.rules`."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from bff.config.addresses import DEFAULT_PORTS, is_address
from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.settings import ApiSettings, Settings
from bff.config.toml_lines import Path
from bff.config.values import BadValue, quoted


def broken_upstream_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule about upstreams that these settings break."""
    for index, route in enumerate(settings.api):
        at: Path = ("api", index)
        yield from _which(at, route, is_carried=settings.gateway is None)
        yield from _loops(at, route, settings.public_url)
        yield from _alike(at, route)
        yield from _tls(at, route)


def _which(at: Path, route: ApiSettings, *, is_carried: bool) -> Iterator[Problem]:
    keys: tuple[Path, ...] = ((*at, "upstream"), (*at, "upstreams"))
    if not route.addresses:
        if not is_carried:  # the gateway knows where it leads
            return
        yield Problem(
            keys, BadValue("is missing", 'one address, or several: upstreams = ["http://a:9001", "http://b:9001"]')
        )
    elif route.upstream is not None and route.upstreams:
        yield Problem(keys, BadValue("stands beside upstreams", "one of the two", "put this one among the others"))


def _loops(at: Path, route: ApiSettings, public_url: str) -> Iterator[Problem]:
    for key, upstream in _named(at, route):
        if _place(upstream) == _place(public_url):
            yield Problem(
                (key, ("public_url",)),
                BadValue(
                    "is our own public_url", "the API's own address", "requests would come back to bff for ever"
                ),
            )


def _alike(at: Path, route: ApiSettings) -> Iterator[Problem]:
    first = None
    seen: set[tuple[str | None, int | None]] = set()
    for key, upstream in _named(at, route):
        first = first if first is not None else _base(upstream)
        if _base(upstream) != first:
            yield Problem(
                (key,),
                BadValue(
                    "has another path than the first one", f"the path {quoted(first or '/')}", "or two routes"
                ),
            )
        if _place(upstream) in seen:
            yield Problem((key,), BadValue("is named twice", "each address once"))
        seen.add(_place(upstream))
    if route.health.path is not None and len(route.addresses) == 1:
        yield Problem(
            ((*at, "health", "path"), (*at, "upstreams")),
            BadValue("checks the only upstream there is", "several upstreams", "there is none to use in its place"),
            Severity.WARNING,
        )


def _tls(at: Path, route: ApiSettings) -> Iterator[Problem]:
    tls = route.tls
    if (tls.client_cert is None) is not (tls.client_key is None):
        missing, given = ("client_key", "client_cert") if tls.client_key is None else ("client_cert", "client_key")
        yield Problem(
            ((*at, "tls", missing), (*at, "tls", given)),
            BadValue("is missing", f"a value, for tls.{given} stands there", "the two are of use together only"),
        )
    is_given = any(part is not None for part in (tls.ca_file, tls.client_cert, tls.client_key, tls.server_name))
    for key, upstream in _named(at, route):
        if is_given and not upstream.startswith("https://"):
            yield Problem(
                (key, (*at, "tls")), BadValue("is not https, and tls would do nothing", "https://, or no tls")
            )
        elif tls.server_name is not None and not is_address(urlsplit(upstream).hostname or ""):
            yield Problem(
                (key, (*at, "tls", "server_name")),
                BadValue(
                    "is a name beside tls.server_name",
                    "an IP address, which that name then stands for",
                    "or drop tls.server_name, and give the upstream the name that its certificate has",
                ),
            )
        if route.http2 and upstream.startswith("unix:"):
            yield Problem(
                (key, (*at, "http2")),
                BadValue("is a socket, where HTTP/2 is not spoken", "http2 = false, or a port"),
            )


def _named(at: Path, route: ApiSettings) -> list[tuple[Path, str]]:
    if route.upstreams:
        return [((*at, "upstreams", index), upstream) for index, upstream in enumerate(route.upstreams)]
    return [((*at, "upstream"), upstream) for upstream in route.addresses]


def _place(upstream: str) -> tuple[str | None, int | None]:
    if upstream.startswith("unix:"):
        return upstream.removeprefix("unix:").partition(":")[0], None
    url = urlsplit(upstream)
    return url.hostname, url.port if url.port is not None else DEFAULT_PORTS.get(url.scheme)


def _base(upstream: str) -> str:
    """The path of an upstream, without a slash at its end."""
    if upstream.startswith("unix:"):
        return upstream.removeprefix("unix:").partition(":")[2].rstrip("/")
    return urlsplit(upstream).path.rstrip("/")
