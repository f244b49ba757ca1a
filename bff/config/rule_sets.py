"""Rules of one route held against each other: which can never decide, and which leave in doubt what is meant. Pure.

Everything here errs on one side: a rule is called dead only when it surely is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bff.config.conditions import covers, overlaps
from bff.config.implied import closure
from bff.config.settings import AllowSettings, Network

Implies = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two entries, by position, and what is wrong between them."""

    earlier: int
    later: int
    message: str
    expected: str
    hint: str = ""


def find_conflicts(entries: Sequence[AllowSettings], implies: Implies) -> Iterator[Conflict]:
    """Every rule that an earlier one shadows fully, and every pair whose patterns overlap ambiguously."""
    implied = closure(implies)
    for later, entry in enumerate(entries):
        earlier_ones = list(enumerate(entries[:later]))
        shadow = _shadow(entry, earlier_ones, implied)
        if shadow is not None:
            yield Conflict(
                shadow,
                later,
                f"can never decide: {describe(entry)}, as {describe(entries[shadow])} matches before it",
                "a rule that some request reaches",
                "put the narrower rule first, or remove one",
            )
            continue
        for earlier, other in earlier_ones:
            if _is_ambiguous(other, entry):
                yield Conflict(
                    earlier,
                    later,
                    f"is ambiguous: {describe(entry)} and {describe(other)} both fit some paths, "
                    "neither is the more specific, and they decide differently",
                    "patterns that do not overlap, or of which one lies within the other",
                    "write a rule of its own for the paths that fit both",
                )


def late_denials(entries: Sequence[AllowSettings]) -> Iterator[tuple[int, int]]:
    """Pairs of a rule that allows and a later one that denies a part of the same: an exception that comes too late.

    It may be meant (`allow for admin`, then `deny /internal/**`), so it stops nothing.
    """
    for later, entry in enumerate(entries):
        for earlier, other in enumerate(entries[:later]):
            if _hides_part_of_a_denial(other, entry):
                yield earlier, later


def impossible(entry: AllowSettings, implies: Implies) -> str | None:
    """Return why no request can ever fit this entry, or None."""
    implied = closure(implies)
    forbidden = set(entry.none_roles)
    held = set(entry.all_roles).union(*(implied.get(role, frozenset()) for role in entry.all_roles))
    if clash := held & forbidden:
        return f"it demands and forbids the role {min(clash)}"
    barred = [role for role in entry.roles if ({role} | implied.get(role, frozenset())) & forbidden]
    if entry.roles and len(barred) == len(entry.roles):
        return f"it demands one of {', '.join(entry.roles)} and forbids each of them"
    return None


def describe(entry: AllowSettings) -> str:
    """Tell a rule in a few words: `allow GET, HEAD /users/{sub} for reader`."""
    words = ["deny" if entry.deny else "allow", ", ".join(entry.methods) or "any method"]
    if entry.path is not None:
        words.append(entry.path.text)
    if entry.roles:
        words.append("for " + " or ".join(entry.roles))
    if entry.all_roles:
        words.append("for holders of " + " and ".join(entry.all_roles))
    if entry.none_roles:
        words.append("without " + ", ".join(entry.none_roles))
    if entry.scopes:
        words.append("with scope " + " ".join(entry.scopes))
    words += [f"where {claim} {test}" for claim, test in entry.claims.items()]
    words += [f"where {{{parameter}}} is {claim}" for parameter, claim in entry.match.items()]
    if entry.acr:
        words.append("at acr " + " or ".join(entry.acr))
    if entry.amr:
        words.append("by amr " + " or ".join(entry.amr))
    if entry.max_age is not None:
        words.append(f"signed in within {entry.max_age:g} seconds")
    if entry.times:
        words.append("at " + " or ".join(window.text for window in entry.times))
    if entry.networks:
        words.append("from " + " or ".join(map(str, entry.networks)))
    return " ".join(words)


# ── shadows ──────────────────────────────────────────────────────────────────────────────────────────────────


def _shadow(
    entry: AllowSettings, earlier: Sequence[tuple[int, AllowSettings]], implied: Mapping[str, frozenset[str]]
) -> int | None:
    """Return the last of the earlier rules that together match whatever this one matches; None if some is left."""
    last = -1
    for method in entry.methods or (None,):
        for role in entry.roles or (None,):
            part = replace(
                entry,
                methods=(method,) if method is not None else (),
                roles=(role,) if role is not None else (),
            )
            found = next((number for number, other in earlier if _covers(other, part, implied)), None)
            if found is None:
                return None
            last = max(last, found)
    return last


def _covers(wide: AllowSettings, narrow: AllowSettings, implied: Mapping[str, frozenset[str]]) -> bool:
    """Whether every request that fits `narrow` fits `wide`."""
    held = {*narrow.all_roles, *(narrow.roles if len(narrow.roles) == 1 else ())}
    held = held.union(*(implied.get(role, frozenset()) for role in held))
    return (
        (not wide.methods or (bool(narrow.methods) and set(narrow.methods) <= set(wide.methods)))
        and covers(wide.path, narrow.path)
        and (not wide.roles or bool(held & set(wide.roles)))
        and set(wide.all_roles) <= held
        and set(wide.none_roles) <= set(narrow.none_roles)
        and set(wide.scopes) <= set(narrow.scopes)
        and all(_implies_claim(narrow, claim, test) for claim, test in wide.claims.items())
        and _matched(wide) <= _matched(narrow)
        and _is_within(wide.acr, narrow.acr)
        and _is_within(wide.amr, narrow.amr)
        and (wide.max_age is None or (narrow.max_age is not None and narrow.max_age <= wide.max_age))
        and _is_within(wide.times, narrow.times)
        and _is_network_within(wide.networks, narrow.networks)
    )


def _implies_claim(narrow: AllowSettings, claim: str, test: object) -> bool:
    own = narrow.claims.get(claim)
    return own is not None and (own == test or (str(test) == "is present" and own.how != "present"))


def _matched(entry: AllowSettings) -> set[tuple[int, str]]:
    positions = dict(entry.path.parameters) if entry.path is not None else {}
    return {(positions.get(parameter, -1), claim) for parameter, claim in entry.match.items()}


def _is_within(wide: Sequence[object], narrow: Sequence[object]) -> bool:
    """Whether "one of `narrow`" is also "one of `wide`"; empty means no condition."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _is_network_within(wide: Sequence[Network], narrow: Sequence[Network]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(_is_subnet(one, other) for other in wide) for one in narrow)


def _is_subnet(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type] # of one version


# ── doubts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _is_ambiguous(earlier: AllowSettings, later: AllowSettings) -> bool:
    a, b = earlier.path, later.path
    return (
        earlier.deny != later.deny
        and a is not None
        and b is not None
        and a.specificity == b.specificity
        and overlaps(a, b)
        and not covers(a, b)
        and not covers(b, a)
        and _methods_meet(earlier, later)
    )


def _hides_part_of_a_denial(earlier: AllowSettings, later: AllowSettings) -> bool:
    """An exception that comes too late: `allow /** for reader`, then `deny /admin/**`."""
    return (
        later.deny
        and not earlier.deny
        and later.path is not None
        and covers(earlier.path, later.path)
        and not covers(later.path, earlier.path)
        and _methods_meet(earlier, later)
        and not set(earlier.roles) & set(later.none_roles)
    )


def _methods_meet(one: AllowSettings, other: AllowSettings) -> bool:
    return not one.methods or not other.methods or not set(one.methods).isdisjoint(other.methods)
