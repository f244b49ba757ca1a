"""What `[tracing]` needs. Pure, but for a look whether a package is there."""

from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from bff.config.addresses import is_loopback
from bff.config.findings import Severity
from bff.config.rules import Problem
from bff.config.settings import Settings
from bff.config.values import BadValue


def broken_tracing_rules(settings: Settings) -> Iterator[Problem]:
    """Yield what keeps traces from being written."""
    tracing = settings.tracing
    if tracing.enabled and not is_installed():
        yield Problem(
            (("tracing", "enabled"),),
            BadValue(
                "needs OpenTelemetry, which is not installed", "false", "install the extra: pip install 'bff[otel]'"
            ),
        )
    url = urlsplit(tracing.endpoint or "")
    if tracing.enabled and tracing.headers and url.scheme == "http" and not is_loopback(url):
        yield Problem(
            (("tracing", "endpoint"), ("tracing", "headers")),
            BadValue("sends tracing.headers in the clear", "https://, or a collector on this machine"),
            Severity.WARNING,
        )


def is_installed() -> bool:
    """Whether the extra is there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
