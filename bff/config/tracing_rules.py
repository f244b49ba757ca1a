"""What `[tracing]` needs. Pure, but for a look whether a package is there."""

from collections.abc import Iterator
from importlib.util import find_spec

from bff.config.rules import Problem
from bff.config.settings import Settings
from bff.config.values import BadValue


def broken_tracing_rules(settings: Settings) -> Iterator[Problem]:
    """Yield what keeps traces from being written."""
    if settings.tracing.enabled and not is_installed():
        yield Problem(
            (("tracing", "enabled"),),
            BadValue(
                "needs OpenTelemetry, which is not installed", "false", "install the extra: pip install 'bff[otel]'"
            ),
        )


def is_installed() -> bool:
    """Whether the extra is there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
