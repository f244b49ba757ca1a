"""Where the processes of one `bff run` meet: a folder that the parent makes, for them alone, and removes."""

import os
from pathlib import Path

_VARIABLE = "BFF_WORKERS_READY"  # set by the parent, for its workers alone
_RENEWALS = "BFF_RENEWALS"  # likewise


def expect_workers(folder: Path) -> None:
    """Have the workers that are started from now on report in this folder."""
    os.environ[_VARIABLE] = str(folder)


def reports_folder() -> Path | None:
    """Return where this worker reports; None where nobody waits for it."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder is not None and Path(folder).is_dir() else None


def renewals_address(folder: Path) -> Path:
    """Return the socket of the renewal process, and have the workers that are started from now on ask there."""
    address = folder / "renewals"
    os.environ[_RENEWALS] = str(address)
    return address


def find_renewals() -> Path | None:
    """Return the socket of the renewal process; None where workers renew themselves."""
    address = os.environ.get(_RENEWALS)
    return Path(address) if address is not None else None
