"""What `[roles]`, `[tokens]` and the entries of `allow` must be to each other. Pure, as `bff.config.rules` is."""

from collections.abc import Iterator, Mapping

from bff.config.findings import Severity
from bff.config.implied import find_cycle
from bff.config.rule_sets import find_conflicts, impossible
from bff.config.rules import Problem
from bff.config.settings import AllowSettings, ApiSettings, Settings, TokenKind
from bff.config.toml_lines import Path
from bff.config.values import BadValue, did_you_mean, quoted

# What an entry can only ask of somebody who is signed in.
OF_USERS = ("roles", "all_roles", "none_roles", "scopes", "claims", "match", "acr", "amr", "max_age")
STRENGTH = ("acr", "amr", "max_age")  # of the login; a new one could bring it


def broken_access_rules(settings: Settings) -> Iterator[Problem]:
    """Every rule about access that these settings break."""
    yield from _trusted_issuers(settings)
    yield from _implied(settings)
    yield from _role_names(settings)
    for index, route in enumerate(settings.api):
        yield from _route(settings, index, route)


def roles_named(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every place where the settings name a role of ours, and the role."""
    roles = settings.roles
    for theirs, ours in roles.rename.items():
        yield ("roles", "rename", theirs), ours
    for role, others in roles.implies.items():
        yield ("roles", "implies", role), role
        for position, other in enumerate(others):
            yield ("roles", "implies", role, position), other
    for subject, held in roles.subjects.items():
        for position, role in enumerate(held):
            yield ("roles", "subjects", subject, position), role
    for index, route in enumerate(settings.api):
        for number, entry in enumerate(route.allow):
            for key in ("roles", "all_roles", "none_roles"):
                for position, role in enumerate(getattr(entry, key)):
                    yield ("api", index, "allow", number, key, position), role


def _trusted_issuers(settings: Settings) -> Iterator[Problem]:
    trusted = settings.tokens.trusted_issuers
    if trusted and settings.oidc.issuer not in trusted:
        yield Problem(
            (("tokens", "trusted_issuers"), ("oidc", "issuer")),
            BadValue("does not hold oidc.issuer", f"an array with {quoted(settings.oidc.issuer)} in it"),
        )
    if not settings.tokens.curves and any(name.startswith("E") for name in settings.tokens.algorithms):
        yield Problem(
            (("tokens", "curves"), ("tokens", "algorithms")),
            BadValue("names no curve, yet tokens.algorithms has some that need one", "at least one curve"),
        )


def _implied(settings: Settings) -> Iterator[Problem]:
    cycle = find_cycle(settings.roles.implies)
    if cycle is not None:
        yield Problem(
            (("roles", "implies", cycle[0]), ("roles", "implies")),
            BadValue("implies itself: " + " → ".join(cycle), "roles that imply lesser ones, in no circle"),
        )


def _role_names(settings: Settings) -> Iterator[Problem]:
    known, renamed = settings.roles.known, settings.roles.rename
    by_spelling: dict[str, str] = {}
    for path, role in roles_named(settings):
        if known and role not in known:
            yield Problem(
                (path, ("roles", "known")),
                BadValue(f"{quoted(role)} is not in roles.known", "a known role", did_you_mean(role, known)),
            )
        elif not known and role in renamed and role not in renamed.values():
            yield Problem(
                (path, ("roles", "rename")),
                BadValue(
                    f"{quoted(role)} is unknown: roles.rename makes it {quoted(renamed[role])}",
                    quoted(renamed[role]),
                ),
                Severity.WARNING,
            )
        elif not known:
            first = by_spelling.setdefault(_spelling(role), role)
            if first != role:
                yield Problem(
                    (path,),
                    BadValue(
                        f"{quoted(role)} is unknown, and elsewhere {quoted(first)} is written",
                        "one spelling for one role",
                        "roles.known = [...] makes this an error",
                    ),
                    Severity.WARNING,
                )


def _spelling(role: str) -> str:
    return "".join(char for char in role.casefold() if char.isalnum())


def _route(settings: Settings, index: int, route: ApiSettings) -> Iterator[Problem]:
    at: Path = ("api", index)
    if route.policy is not None and route.allow:
        yield Problem(
            ((*at, "policy"), (*at, "allow")),
            BadValue("stands beside `allow`", "one of the two", "the callable alone decides"),
        )
    for number, entry in enumerate(route.allow):
        here: Path = (*at, "allow", number)
        yield from _entry(here, entry, settings.roles.implies)
        asked = [key for key in OF_USERS if getattr(entry, key)]
        if route.token is TokenKind.NONE and asked:
            yield Problem(
                ((*at, "allow"), (*at, "token")),
                BadValue(f"asks for {asked[0]} on a route without a user", "a token of the user, or no such rule"),
            )
    for conflict in find_conflicts(route.allow, settings.roles.implies):
        here = (*at, "allow", conflict.later)
        yield Problem(
            (here, (*at, "allow")),
            BadValue(conflict.message, conflict.expected, conflict.hint),
            other=(*at, "allow", conflict.earlier),
        )


def _entry(here: Path, entry: AllowSettings, implies: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    names = dict(entry.path.parameters) if entry.path is not None else {}
    for parameter in entry.match:
        if parameter not in names:
            yield Problem(
                ((*here, "match", parameter), (*here, "path")),
                BadValue(
                    "is no parameter of `path`, so the rule can never match",
                    "one of " + ", ".join(names) if names else "a `path` with parameters, such as /users/{sub}",
                    did_you_mean(parameter, names),
                ),
            )
    for key in STRENGTH:
        if entry.deny and getattr(entry, key):
            yield Problem(
                ((*here, key), (*here, "deny")),
                BadValue(
                    "would deny those who signed in as strongly as it asks",
                    f"no {key} beside deny",
                    f"write a rule that allows with {key}; what no rule allows is denied",
                ),
            )
    if (reason := impossible(entry, implies)) is not None:
        yield Problem((here, (*here[:3],)), BadValue(f"can never match: {reason}", "a rule that some request fits"))
