"""What one check found."""

import enum
from dataclasses import dataclass

from bff.config import Finding, Severity


class Status(enum.StrEnum):
    """How bad it is. Only FAIL makes `bff check` fail."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of `bff check`.

    Attributes:
        status: how bad it is.
        check: what was looked at: `configuration`, `issuer`, `store`, …
        message: what was found.
        advice: what to do; empty when all is well.
        why: what it comes from, or what comes of it, where that can be said.
    """

    status: Status
    check: str
    message: str
    advice: str = ""
    why: str = ""

    def __str__(self) -> str:
        advice = f" → {self.advice}" if self.advice else ""
        why = f" ({self.why})" if self.why else ""
        line = f"{self.status:<4}  {self.check}: {self.message}{why}{advice}"
        # Parts of it may come from the issuer: nothing in it may steer a terminal.
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def outcome_of(finding: Finding) -> Outcome:
    """A mistake in the configuration as a line."""
    status = Status.FAIL if finding.severity is Severity.ERROR else Status.WARN
    subject = f"{finding.key} " if finding.key else ""
    expected = f"expected {finding.expected}" if finding.expected else ""
    advice = "; ".join(part for part in (expected, finding.hint) if part)
    return Outcome(status, "configuration", f"{finding.where}: {subject}{finding.message}", advice)
