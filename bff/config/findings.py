"""What is wrong with a configuration, and where: every mistake at once, never with a secret in it."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """Whether start-up stops."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, told so that the reader can mend it without opening the manual.

    Attributes:
        severity: an error stops start-up, a warning is logged.
        file: the file, or the name of the environment variable or command line option that gave the value.
        line: the line in that file from 1; None when there is none to point at.
        key: the dotted key, array entries by number from 0: `api.0.path`. Empty for the file as a whole.
        message: what is wrong.
        expected: what would be right; empty when the message says it.
        hint: what to do; empty when that is plain.
    """

    severity: Severity
    file: str
    line: int | None
    key: str
    message: str
    expected: str = ""
    hint: str = ""

    @property
    def where(self) -> str:
        """`bff.toml:12`, or the file or variable alone."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        lines = [f"{self.where}: {self.severity}: {subject}{self.message}"]
        if self.expected:
            lines.append(f"    expected: {self.expected}")
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding stops start-up."""
    return any(finding.severity is Severity.ERROR for finding in findings)


class ConfigError(Exception):
    """The configuration cannot be used. `findings` holds every error and every warning met on the way."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(self.findings)

    def __str__(self) -> str:
        count = sum(finding.severity is Severity.ERROR for finding in self.findings)
        head = f"the configuration has {count} {'error' if count == 1 else 'errors'}"
        return "\n".join([head, *map(str, self.findings)])
