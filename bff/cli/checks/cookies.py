"""What a browser will make of our cookies and addresses. Pure."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from bff.cli.checks.outcome import Outcome, Status
from bff.config.addresses import LOOPBACK_HOSTS, is_address, is_loopback, split_listen
from bff.config.settings import SameSite, Settings


def check_cookies(settings: Settings) -> list[Outcome]:
    """Whether the browser keeps them, and when it sends them."""
    return [_kept(settings), _sent(settings), *_across_sites(settings)]


def check_management(settings: Settings) -> Outcome:
    """Whether health, metrics and the admin API are for operators alone, as far as the settings tell."""
    listen = settings.server.management_listen
    if listen == "same":
        why = "they are on the public listener"
        advice = (
            "keep /health, /metrics and /admin from the public in the proxy, or give them an address of their own"
        )
        return Outcome(
            Status.WARN, "management", "operators' paths are public unless a proxy is in between", advice, why
        )
    host, port = split_listen(listen)
    if port is None or host in LOOPBACK_HOSTS or _is_private(host):
        return Outcome(Status.OK, "management", f"operators' paths are on {listen} alone")
    why = "whoever reaches this machine there reads health and metrics, and may try tokens on the admin API"
    advice = "listen on 127.0.0.1 or a private address, or see that the firewall lets operators in alone"
    return Outcome(Status.WARN, "management", f"operators' paths are on {listen}", advice, why)


def _kept(settings: Settings) -> Outcome:
    public, name = urlsplit(settings.public_url), settings.session.cookie_name
    if public.scheme == "https":
        return Outcome(Status.OK, "cookie", f"{name} is Secure, and {settings.public_url} is https")
    if is_loopback(public):
        why = "browsers take Secure cookies from localhost over http; Safari does not"
        return Outcome(Status.OK, "cookie", f"{name} works at {settings.public_url}: {why}")
    advice = "set public_url to https://…, and end TLS in the proxy"
    why = f"{name} is Secure: over http no browser keeps it, and each login ends signed out"
    return Outcome(Status.FAIL, "cookie", f"{settings.public_url} is http", advice, why)


def _sent(settings: Settings) -> Outcome:
    if settings.session.same_site is SameSite.STRICT:
        message = "SameSite=Strict: links from elsewhere arrive without it, and the page asks again by itself"
        return Outcome(Status.OK, "cookie", message)
    message = "SameSite=Lax: it comes along with links from elsewhere"
    advice = 'use "strict" unless the first request of a page already needs the session'
    return Outcome(
        Status.WARN, "cookie", message, advice, 'routes by csrf = "origin" rest on Fetch Metadata alone then'
    )


def _across_sites(settings: Settings) -> list[Outcome]:
    """Pages of other sites, which the browser sends no SameSite cookie for."""
    ours = _site(settings.public_url)
    outcomes = []
    for api in settings.api:
        if api.cors is None or not api.cors.credentials:
            continue
        strangers = sorted(origin for origin in api.cors.origins if _site(origin) != ours)
        if strangers:
            why = "the browser sends no SameSite cookie from another site, whatever CORS allows"
            advice = "serve these pages from a subdomain of this site, or let them in without credentials"
            message = f"{api.path}: pages of {', '.join(strangers)} never bring the session along"
            outcomes.append(Outcome(Status.WARN, "cookie", message, advice, why))
    return outcomes


def _site(origin: str) -> tuple[str, str]:
    """About the registrable domain: a scheme and the last two labels, too wide where a suffix has a dot itself."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    return parts.scheme, host if is_address(host) else ".".join(host.split(".")[-2:])


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified
