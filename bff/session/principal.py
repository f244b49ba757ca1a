"""Who is calling, as the policy and the upstream see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Principal:
    """Derived from validated claims. The user's key is (issuer, subject), never an e-mail (OIDC Core §5.7)."""

    issuer: str
    subject: str
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
