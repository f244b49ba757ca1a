"""What login is asked for: by a 401 of an upstream (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9470 §3), or by a rule."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bff.access.policy import StepUp

_SCHEMES = frozenset({"bearer", "dpop"})
# A scheme, or one parameter: its value is a token or a quoted string, in which a backslash quotes what follows.
_PART = re.compile(
    r"""[\s,]*(?:
        (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*
            (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[!#$%&'*+.^_`|~0-9A-Za-z-]+))(?=[\s,]|\Z)
        |(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
            (?:[ ]+(?P<opaque>[A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|\Z)))?(?=[\s,]|\Z)
    )""",
    re.VERBOSE,
)
_ACR_VALUES = re.compile(
    r"[!#-\[\]-~]{1,200}(?: [!#-\[\]-~]{1,200}){0,9}"
)  # as a scope's: nothing to break out with
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The first challenge for a token: why it was refused, and what login would do. Empty where it does not say."""

    error: str = ""
    acr_values: tuple[str, ...] = ()  # one of them
    max_age: int | None = None  # seconds since the login

    @property
    def wants_login(self) -> bool:
        """Whether the token is good and the login behind it is not (RFC 9470 §3)."""
        return self.error == "insufficient_user_authentication"

    @property
    def doubts_token(self) -> bool:
        """Whether another token of the same login might be accepted (RFC 6750 §3.1)."""
        return self.error in {"", "invalid_token"}


def parse_challenge(headers: Iterable[tuple[bytes, bytes]]) -> Challenge:
    """Return what an answer's headers ask for. What is malformed, or could break out of a URL, is left out."""
    for name, value in headers:
        if name == b"www-authenticate":
            parameters = _parameters(value.decode("latin-1"))
            if parameters is not None:
                return _build(parameters)
    return Challenge()


def _parameters(text: str) -> dict[str, str] | None:
    """The parameters of the first challenge for a token; None when there is none."""
    found: dict[str, str] | None = None
    at = 0
    while (part := _PART.match(text, at)) is not None:
        at = part.end()
        if part["scheme"] is not None:
            if found is not None:
                break
            found = {} if part["scheme"].lower() in _SCHEMES else None
        elif found is not None:
            value = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
            found.setdefault(part["name"].lower(), value)
    return found


def _build(parameters: dict[str, str]) -> Challenge:
    acr_values, max_age = parameters.get("acr_values", ""), parameters.get("max_age", "")
    return Challenge(
        error=parameters.get("error", ""),
        acr_values=tuple(acr_values.split(" ")) if _ACR_VALUES.fullmatch(acr_values) else (),
        max_age=int(max_age) if _SECONDS.fullmatch(max_age) else None,
    )


def wanted_login(decision: StepUp) -> dict[str, str | int]:
    """Return what the page hands to the login endpoint, under the names that it has there."""
    wanted: dict[str, str | int] = {}
    if decision.acr_values:
        wanted["acr_values"] = " ".join(decision.acr_values)
    if decision.max_age is not None:
        wanted["max_age"] = int(decision.max_age)
    if decision.amr_values:
        wanted["amr_values"] = " ".join(decision.amr_values)
    return wanted
