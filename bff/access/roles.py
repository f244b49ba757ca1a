"""Roles from claims, whatever shape the issuer gives them, and where each comes from. Pure.

A claim of an unexpected type opens nothing: strings and arrays of strings count, and objects whose keys are the
roles, each with an object or `true` behind it (as Zitadel has it). Nothing else does.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bff.access.claim_paths import claim_values, words_of
from bff.config.implied import closure

MAX_NAME = 256  # characters; longer ones are nobody's role


@dataclass(frozen=True, slots=True)
class RoleOrigin:
    """Where a role comes from: `claim` (and its path), `renamed`, `implied`, `subject` or `assignment`."""

    role: str
    via: str
    of: str  # the claim's path, the role that implies it, the subject, or the end of the assignment
    source: str = ""  # "ID token", "access token"; empty where that says nothing

    def __str__(self) -> str:
        where = f" in the {self.source}" if self.source else ""
        match self.via:
            case "claim":
                return f"claim {self.of}{where}"
            case "renamed":
                return f"renamed from {self.of}{where}"
            case "implied":
                return f"implied by {self.of}"
            case "subject":
                return f"given to the subject {self.of}"
            case _:
                return f"assigned {self.of}"


@dataclass(frozen=True, slots=True)
class RoleMap:
    """`[roles]`, ready for use."""

    paths: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    implies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    subjects: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    max_roles: int = 500


@dataclass(frozen=True, slots=True)
class Found:
    """What the tokens say: the roles, and how many entries they had if that was more than are looked at."""

    roles: frozenset[str]
    entries: int
    is_cut: bool


class RoleReader:
    """Reads roles by a `RoleMap`."""

    def __init__(self, roles: RoleMap) -> None:
        self.map = roles
        self.implied = closure(roles.implies)

    def read(self, sources: Mapping[str, Mapping[str, object]], subject: str) -> Found:
        """Collect the roles of these claim sets (by the name of the token) and of this subject."""
        entries = [role for claims in sources.values() for _, role in entries_of(claims, self.map.paths)]
        kept = entries[: self.map.max_roles]
        given = {self.map.rename.get(role, role) for role in kept} | set(self.map.subjects.get(subject, ()))
        return Found(self.expand(given), len(entries), len(entries) > len(kept))

    def expand(self, roles: Collection[str]) -> frozenset[str]:
        """Add what roles imply, and drop what is not known where that is told."""
        known = self.map.known
        held = {role for role in roles if role in known} if known else set(roles)
        return frozenset(held.union(*(self.implied.get(role, frozenset()) for role in held)))

    def origins(self, sources: Mapping[str, Mapping[str, object]], subject: str) -> Iterator[RoleOrigin]:
        """Tell where each role of `read` comes from; a role may have several origins."""
        entries = [
            (name, path, role)
            for name, claims in sources.items()
            for path, role in entries_of(claims, self.map.paths)
        ]
        direct: dict[str, list[RoleOrigin]] = {}
        for name, path, role in entries[: self.map.max_roles]:
            ours = self.map.rename.get(role, role)
            origin = (
                RoleOrigin(ours, "claim", path, name) if ours == role else RoleOrigin(ours, "renamed", role, name)
            )
            direct.setdefault(ours, []).append(origin)
        for role in self.map.subjects.get(subject, ()):
            direct.setdefault(role, []).append(RoleOrigin(role, "subject", subject))
        for role, origins in direct.items():
            if self.map.known and role not in self.map.known:
                continue
            yield from dict.fromkeys(origins)
            yield from self.implied_by(role)

    def implied_by(self, role: str) -> Iterator[RoleOrigin]:
        """Tell which roles this one brings along."""
        for other in sorted(self.implied.get(role, frozenset())):
            yield RoleOrigin(other, "implied", role)


def entries_of(claims: Mapping[str, object], paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each role entry with the path that it lies under, in the order of the paths."""
    for path in paths:
        for value in claim_values(claims, path):
            for role in _names(value):
                if len(role) <= MAX_NAME:
                    yield path, role


def missing_groups(claims: Mapping[str, object], paths: Sequence[str]) -> list[str]:
    """Return the paths whose claim is not in the token but elsewhere (OIDC Core §5.6.2), as Entra's."""
    elsewhere = claims.get("_claim_names")
    return [path for path in paths if isinstance(elsewhere, Mapping) and path in elsewhere]


def _names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [
            name
            for name, behind in value.items()
            if isinstance(name, str) and name and (behind is True or (isinstance(behind, Mapping) and behind))
        ]
    return words_of(value)
