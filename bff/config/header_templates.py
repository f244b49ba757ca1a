"""Header values with claims in them: `{sub}`, `{email}`, `mail={email};org={org.id}`. Pure."""

import re
from typing import NamedTuple

# A claim's name or path: https://example.com/roles and cognito:groups are names of claims too.
_CLAIM = re.compile(r"[A-Za-z0-9_.:/@-]{1,200}", re.ASCII)
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PRINTABLE = re.compile(r"[ -~]+", re.ASCII)


class HeaderTemplate(NamedTuple):
    """A header's value. `parts` are literal texts and, where the second half is true, paths of claims."""

    text: str
    parts: tuple[tuple[str, bool], ...]

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that it holds, in their order."""
        return tuple(part for part, is_claim in self.parts if is_claim)


def parse_header_template(text: str) -> HeaderTemplate:
    """Take a template apart; `{{` and `}}` stand for the braces themselves.

    Raises:
        ValueError: what is wrong with it, to be read after its text.
    """
    if not _PRINTABLE.fullmatch(text) or text != text.strip():
        raise ValueError("holds characters that a header's value should not hold, or spaces at an end")
    parts: list[tuple[str, bool]] = []
    literal, at = "", 0
    for found in _PIECE.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        match found[0]:
            case "{{" | "}}":
                literal += found[0][0]
            case "{" | "}":
                raise ValueError("has a brace without its other half; a brace itself is written twice")
            case _:
                if not _CLAIM.fullmatch(found[1]):
                    raise ValueError("has braces around what is no name of a claim")
                if literal:
                    parts.append((literal, False))
                parts.append((found[1], True))
                literal = ""
    if literal := literal + text[at:]:
        parts.append((literal, False))
    return HeaderTemplate(text, tuple(parts))
