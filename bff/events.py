"""What happened, told by every room to whoever listens (logs, audit): a stable name and plain fields.

Fields never hold a token, a code, a cookie, a verifier or a secret.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import NamedTuple

Emit = Callable[[str, Mapping[str, object]], None]


class Trace(NamedTuple):
    """The request that something happens for."""

    request_id: str
    address: str = ""  # of the browser, as far as the peer may be believed; empty where nobody has looked yet


# Set where a request comes in. Work that it begins, and that outlives it, is told under its id too.
TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)


def ignore(_name: str, _fields: Mapping[str, object]) -> None:
    """Listen to nothing."""


def to_each(*listeners: Emit) -> Emit:
    """Tell each of them, in this order."""

    def emit(name: str, fields: Mapping[str, object]) -> None:
        for listener in listeners:
            listener(name, fields)

    return emit
