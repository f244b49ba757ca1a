"""This room's values from the settings: policies, the reader of roles, principals."""

import sys
from importlib import import_module
from pathlib import Path

from bff.access.assigned import Assigned
from bff.access.conditions import (
    AllRoles,
    AnyRole,
    Claim,
    Condition,
    Matches,
    Networks,
    NoRole,
    Scopes,
    build_path,
    build_times,
)
from bff.access.policy import Allow, Deny, Policy, PolicyFunction, Rule, StepUp, build_policy
from bff.access.principals import Principals
from bff.access.question import Advisor
from bff.access.roles import RoleMap, RoleReader
from bff.access.strength import Acr, Amr, MaxAge
from bff.config.assignments import read_assignments
from bff.config.rule_sets import describe
from bff.config.settings import AllowSettings, ApiSettings, RolesSettings, Settings, TokenKind
from bff.events import Emit, ignore

# Where known providers put roles, beside the usual places.
PROVIDER_CLAIMS = {"keycloak": ("resource_access.{client_id}.roles",), "cognito": ("cognito:groups",)}


def build_role_map(settings: Settings) -> RoleMap:
    """Return `[roles]`, ready for use."""
    roles = settings.roles
    paths = roles.claims
    if paths == RolesSettings().claims:
        paths += PROVIDER_CLAIMS.get(settings.oidc.provider, ())
    return RoleMap(
        paths=tuple(path.replace("{client_id}", settings.oidc.client_id) for path in paths),
        rename=roles.rename,
        implies=roles.implies,
        subjects=roles.subjects,
        known=frozenset(roles.known),
        max_roles=roles.max_roles,
    )


def build_assigned(settings: Settings, reader: RoleReader) -> Assigned:
    """Return the table of assignments. Raises `ConfigError` when its file cannot be used."""
    file = settings.roles.assignments
    return Assigned(reader, read_assignments(Path(file)) if file is not None else ())


def build_principals(settings: Settings, assigned: Assigned, reader: RoleReader, emit: Emit = ignore) -> Principals:
    """Return what makes principals of grants."""
    return Principals(settings.oidc.issuer, reader, assigned, emit)


def build_route_policy(api: ApiSettings) -> Policy:
    """Return what decides on a route. Raises `ValueError` when its callable cannot be had."""
    return build_policy(
        [build_rule(position, entry) for position, entry in enumerate(api.allow)],
        for_anybody=api.token is TokenKind.NONE,
        function=load_function(api.policy) if api.policy is not None else None,
    )


def build_rule(position: int, entry: AllowSettings) -> Rule:
    """Compile one entry of `allow`; what a new login could mend is asked last."""
    return Rule(
        position=position,
        methods=frozenset(entry.methods),
        conditions=tuple(_conditions(entry)),
        strength=tuple(_strength(entry)),
        outcome=Deny("denied_by_rule", rule=position) if entry.deny else Allow(position),
        text=describe(entry),
        # Where only methods of authentication are asked for, the issuer is at least to ask anew.
        step_up=StepUp(position, entry.acr, entry.max_age if entry.max_age or not entry.amr else 0.0, entry.amr),
    )


def load_function(where: str) -> PolicyFunction:
    """Import `package.module:name`; what is not installed is looked for in the working directory.

    Raises:
        ValueError: there is no such callable; the message says why.
    """
    module, _, name = where.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # behind all else: it must not stand in for anybody
    try:
        function = getattr(import_module(module), name)
    except Exception as error:
        raise ValueError(f"the policy {where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ValueError(f"the policy {where} is not callable")  # noqa: TRY004 - a value of the file
    loaded: PolicyFunction = function
    return loaded


def _conditions(entry: AllowSettings) -> list[Condition]:
    found: list[Condition] = []
    if entry.path is not None:
        found.append(build_path(entry.path, denies=entry.deny))
    if entry.roles:
        found.append(AnyRole(frozenset(entry.roles)))
    if entry.all_roles:
        found.append(AllRoles(frozenset(entry.all_roles)))
    if entry.none_roles:
        found.append(NoRole(frozenset(entry.none_roles)))
    if entry.scopes:
        found.append(Scopes(frozenset(entry.scopes)))
    positions = dict(entry.path.parameters) if entry.path is not None else {}
    found += [
        Matches(parameter, positions[parameter], claim, denies=entry.deny)
        for parameter, claim in entry.match.items()
    ]
    found += [Claim(claim, test) for claim, test in entry.claims.items()]
    if entry.networks:
        found.append(Networks(entry.networks))
    if entry.times:
        found.append(build_times(entry.times))
    return found


def _strength(entry: AllowSettings) -> list[Condition]:
    found: list[Condition] = []
    if entry.acr:
        found.append(Acr(entry.acr))
    if entry.amr:
        found.append(Amr(entry.amr))
    if entry.max_age is not None:
        found.append(MaxAge(entry.max_age))
    return found


def build_advisor(settings: Settings) -> Advisor:
    """Return what answers questions by these settings. Raises `ValueError` and `ConfigError` as the server does."""
    reader = RoleReader(build_role_map(settings))
    principals = build_principals(settings, build_assigned(settings, reader), reader)
    return Advisor({api.path: build_route_policy(api) for api in settings.api}, reader, principals)
