"""What the settings alone tell once they are valid: addresses that do not fit, keys that cannot sign. Pure."""

from urllib.parse import urlsplit

from bff.access.configured import load_function
from bff.cli.checks.outcome import Outcome, Status
from bff.config.addresses import DEFAULT_PORTS, LOOPBACK_HOSTS, is_loopback, split_listen
from bff.config.settings import Settings
from bff.oidc.jose import load_signing_key


def check_secrets(settings: Settings) -> list[Outcome]:
    """That the secrets are there, loading has seen to; a private key must also be one that can sign."""
    count = len(settings.keys.secrets)
    outcomes = [Outcome(Status.OK, "secrets", f"all are there; {count} {'key' if count == 1 else 'keys'}")]
    if settings.oidc.private_key is not None:
        try:
            load_signing_key(settings.oidc.private_key.reveal())
        except ValueError:
            advice = "use an RSA key of 2048 bits or more, an EC key on P-256, P-384 or P-521, or Ed25519"
            return [Outcome(Status.FAIL, "secrets", "oidc.private_key cannot sign client assertions", advice)]
    return outcomes


def check_policies(settings: Settings) -> list[Outcome]:
    """Whether every callable that decides on a route can be imported."""
    outcomes = []
    for api in settings.api:
        if api.policy is not None:
            try:
                load_function(api.policy)
            except ValueError as error:
                advice = "install the module, or put it into the working directory"
                outcomes.append(Outcome(Status.FAIL, "policy", f"{api.path}: {error}", advice))
            else:
                outcomes.append(Outcome(Status.OK, "policy", f"{api.path} is decided by {api.policy}"))
    return outcomes


def check_addresses(settings: Settings) -> list[Outcome]:
    """Whether what the browser is told leads to where we listen, as far as that can be known from here."""
    public = urlsplit(settings.public_url)
    port = public.port or DEFAULT_PORTS[public.scheme]
    host, listen_port = split_listen(settings.server.listen)
    if is_loopback(public) and public.scheme == "http" and port != listen_port:
        return [
            Outcome(
                Status.WARN,
                "addresses",
                f"the browser is sent to {settings.public_url}, and bff listens on {settings.server.listen}",
                "give both the same port, unless something else listens there and passes requests on",
            )
        ]
    is_behind_proxy = public.scheme == "https"
    is_apart = listen_port is not None and host not in LOOPBACK_HOSTS
    if is_behind_proxy and is_apart and not settings.server.trusted_proxies:
        return [
            Outcome(
                Status.WARN,
                "addresses",
                "server.trusted_proxies is empty: the proxy that ends TLS will be taken for every browser",
                "name its network, so that upstreams and the audit log learn the browsers' addresses",
            )
        ]
    return [Outcome(Status.OK, "addresses", f"{settings.public_url} in public, {settings.server.listen} here")]
