"""`[tracing]`: where spans go. As `bff.config.settings`, whose part it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from bff.config.value_types import Secret


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """`[tracing]`. What is not said here, the `OTEL_…` variables of the environment say."""

    enabled: bool = False
    endpoint: Annotated[str, "collector"] | None = None  # of OTLP over HTTP; None: OTEL_EXPORTER_OTLP_ENDPOINT
    headers: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))  # for the collector
    service_name: str | None = None  # None: OTEL_SERVICE_NAME, else "bff"
    sample: Annotated[float, "fraction"] = 1.0  # of the traces that begin here
    continue_browsers: bool = False  # go on with the traces that browsers begin
