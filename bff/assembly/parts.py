"""What a caller of `build_app` may put in the place of the real thing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bff.access.principals import Principals
from bff.config.findings import Finding
from bff.config.key_files import KeyFiles
from bff.events import Emit
from bff.oidc.transport import IssuerTransport
from bff.proxy.upstream import Upstream
from bff.session.records import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """None: the real thing."""

    store: Store | None = None
    transport: IssuerTransport | None = None
    upstream: Upstream | None = None
    principals: Principals | None = None
    emit: Emit | None = None
    clock: Callable[[], float] = time.time
    warnings: Sequence[Finding] = ()  # of the loader, shown among the findings
    key_files: KeyFiles | None = None  # to go on with keys that change; None: those of the settings, for good
    metrics_folder: Path | None = None  # where the workers of one server add up their numbers
    serves: bool = True  # the renewal process does not, and is not counted among the workers
    renewals: Path | None = None  # the socket of the process that renews for this worker; None: it does so itself


NOTHING_ELSE = Parts()
