"""What breaks good practice, as a value: how bad, by whose rule, and what to change."""

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """How bad it is. Only an error fails `bff access lint` by itself."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class AccessFinding:
    """One finding.

    Attributes:
        level: how bad it is.
        rule: a stable word.
        where: the key of the configuration, or the kind of token and the claim's name; never a value.
        message: what was found.
        source: whose rule it is: an RFC's section, an item of OWASP ASVS 5.0.
        change: what to do.
    """

    level: Level
    rule: str
    where: str
    message: str
    source: str
    change: str

    def __str__(self) -> str:
        text = (
            f"{self.level.upper():<7} {self.rule}: {self.where}: {self.message} ({self.source})\n"
            f"        → {self.change}"
        )
        # Names of claims come from outside: nothing in them may steer a terminal.
        return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
