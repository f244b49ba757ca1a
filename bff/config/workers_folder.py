"""Where workers tell their parent process that they are ready: a folder that the parent makes, and removes."""

import os
from pathlib import Path

_VARIABLE = "BFF_WORKERS_READY"  # set by the parent, for its workers alone


def expect_workers(folder: Path) -> None:
    """Have the workers that are started from now on report in this folder."""
    os.environ[_VARIABLE] = str(folder)


def reports_folder() -> Path | None:
    """Return where this worker reports; None where nobody waits for it."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder is not None and Path(folder).is_dir() else None
