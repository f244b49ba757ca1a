"""Who acts, and the audit line that each act leaves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency

from bff.events import Emit

Kind = Literal["session", "token"]
STATE_KEY = "operator"
_SECRET = re.compile(r"[A-Za-z0-9_-]{64,}")  # a cookie or a token that somebody pasted into a field


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who was let in.

    Attributes:
        name: the subject of a session; `token` for whoever holds the token.
        kind: how they proved it.
        address: theirs, as far as it can be believed.
        request_id: of the call, for the logs.
        emit: where acts are told.
        claims: of a session's user, those that pages may know.
    """

    name: str
    kind: Kind
    address: str
    request_id: str
    emit: Emit
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def acted(self, act: str, target: str = "", outcome: str = "ok", **fields: object) -> None:
        """Tell the audit log of an act or of a look at personal data; `target` names whom or what it was about.

        `outcome` is `ok`, `denied` or `failed`.
        """
        self.emit(
            "admin.act",
            {
                "operator": self.name,
                "kind": self.kind,
                "act": act,
                "target": target,
                "outcome": outcome,
                "address": self.address,
                "request_id": self.request_id,
                **fields,
            },
        )


Operator: TypeAlias = NamedDependency[Actor]  # how a handler asks for whoever acts


def describe_filters(filters: Mapping[str, object]) -> str:
    """Return what a list was asked for, as the audit log names it; a subject may be as long as a secret."""
    return " ".join(
        f"{name}:{value if name == 'subject' else _SECRET.sub('***', str(value))}"
        for name, value in filters.items()
        if value not in {None, ""}
    )


def provide_operator(request: Request[Any, Any, State]) -> Actor:
    """Return the operator whom the guard let in."""
    actor: Actor = request.state[STATE_KEY]
    return actor
