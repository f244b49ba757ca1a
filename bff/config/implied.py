"""Roles that imply others, as a closed table. Pure."""

from collections.abc import Mapping, Sequence


def closure(implies: Mapping[str, Sequence[str]]) -> Mapping[str, frozenset[str]]:
    """Return, for every role that implies others, all of them at any remove."""
    return {role: frozenset(_reach(role, implies)) - {role} for role in implies}


def find_cycle(implies: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return a way from a role back to itself, or None."""
    done: set[str] = set()
    for start in implies:
        way: list[str] = []
        if (cycle := _walk(start, implies, way, done)) is not None:
            return cycle
    return None


def _reach(role: str, implies: Mapping[str, Sequence[str]]) -> set[str]:
    found, open_ones = set[str](), [role]
    while open_ones:
        for other in implies.get(open_ones.pop(), ()):
            if other not in found:
                found.add(other)
                open_ones.append(other)
    return found


def _walk(role: str, implies: Mapping[str, Sequence[str]], way: list[str], done: set[str]) -> list[str] | None:
    if role in way:
        return [*way[way.index(role) :], role]
    if role in done:
        return None
    way.append(role)
    for other in implies.get(role, ()):
        if (cycle := _walk(other, implies, way, done)) is not None:
            return cycle
    way.pop()
    done.add(role)
    return None
