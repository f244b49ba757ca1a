"""Roles from claims, whatever shape the issuer gives them. A claim of an unexpected type opens nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_ROLES = 500  # a claim with more is cut: no user holds so many, and every one is compared


def roles_from(
    sources: Sequence[Mapping[str, Any]], paths: Sequence[str], rename: Mapping[str, str]
) -> frozenset[str]:
    """Collect the roles under `paths` in each of the claim sets.

    A path is a claim's name, or names joined by dots (`realm_access.roles`); a name that itself holds dots
    (`https://example.com/roles`) is tried whole first. A list gives its strings, a string its words.
    """
    found: list[str] = []
    for claims in sources:
        for path in paths:
            found.extend(_strings(_at(claims, path)))
    return frozenset(rename.get(role, role) for role in found[:MAX_ROLES])


def _at(claims: Mapping[str, Any], path: str) -> object:
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [word for word in value.replace(",", " ").split() if word]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str) and item]
    return []
