"""Where the workers of one run add up their numbers: a folder that the parent makes, and removes."""

import os
from pathlib import Path

_VARIABLE = "BFF_WORKERS_METRICS"  # set by the parent, for its workers alone


def share_metrics(folder: Path) -> None:
    """Have the workers that are started from now on meet below this folder."""
    shared = folder / "metrics"
    shared.mkdir()
    os.environ[_VARIABLE] = str(shared)


def metrics_folder() -> Path | None:
    """Return where this worker finds the others; None where nobody has started it beside others."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder is not None and Path(folder).is_dir() else None
