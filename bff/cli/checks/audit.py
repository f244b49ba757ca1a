"""Whether the audit log can be written where the settings put it, by whoever runs this."""

import os
from pathlib import Path

from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import Settings


def check_audit(settings: Settings) -> list[Outcome]:
    """Look, and write nothing."""
    sink = settings.audit.sink
    if sink == "store":
        return [Outcome(Status.OK, "audit", "lines go to the session store")]
    if sink == "stdout":
        return [Outcome(Status.OK, "audit", "lines go to standard output")]
    path = Path(sink.removeprefix("file:"))
    if not path.parent.is_dir():
        advice = "make it, for the user that runs bff alone (mode 0700)"
        return [Outcome(Status.FAIL, "audit", f"the directory {path.parent} does not exist", advice)]
    for place in (path, path.with_name(path.name + ".head")):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            advice = "let it belong to the user that runs bff"
            return [Outcome(Status.FAIL, "audit", f"{place} cannot be written", advice)]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        advice = "let it belong to the user that runs bff"
        return [Outcome(Status.FAIL, "audit", f"the directory {path.parent} cannot be written", advice)]
    return [Outcome(Status.OK, "audit", f"lines go to {path}")]
