"""From a grant's validated claims to a principal, and from a principal to what it may be at this moment."""

from collections.abc import Mapping
from dataclasses import replace

from bff.access.assigned import Assigned
from bff.access.inspection import TokenInspection
from bff.access.roles import RoleOrigin, RoleReader, missing_groups
from bff.events import Emit, ignore
from bff.oidc.grant import Grant
from bff.session.principal import Principal

_ID_TOKEN, _ACCESS_TOKEN = "ID token", "access token"


class Principals:
    """Reads roles where the configuration says they are. Called at login and at every renewal.

    What the tokens say and what a subject always holds becomes part of the principal; assigned roles do not, for
    they come and go between two renewals: `now` adds those of the moment.
    """

    def __init__(self, issuer: str, reader: RoleReader, assigned: Assigned, emit: Emit = ignore) -> None:
        self.inspection = TokenInspection(emit)
        self._issuer = issuer
        self._reader = reader
        self._assigned = assigned
        self._emit = emit
        self._latest: dict[str, tuple[Principal, frozenset[str], Principal]] = {}

    def __call__(self, grant: Grant) -> Principal:
        """Return who this grant is for."""
        subject = str(grant.claims["sub"])
        self.inspection(grant)
        found = self._reader.read(_sources(grant), subject)
        if found.is_cut:
            kept = self._reader.map.max_roles
            self._emit("roles_cut", {"subject": subject, "entries": found.entries, "kept": kept})
        for path in missing_groups(grant.claims, self._reader.map.paths):
            self._emit("roles_elsewhere", {"subject": subject, "claim": path})
        return Principal(issuer=self._issuer, subject=subject, roles=found.roles, claims=grant.claims)

    def now(self, principal: Principal, now: float) -> Principal:
        """Return the principal with the roles that are assigned at this moment. No I/O."""
        assigned = self._assigned.roles(principal.subject, now)
        if not assigned:
            return principal
        latest = self._latest.get(principal.subject)
        if latest is None or latest[0] is not principal or latest[1] is not assigned:
            whole = replace(principal, roles=principal.roles | assigned)
            latest = self._latest[principal.subject] = (principal, assigned, whole)
        return latest[2]

    def origins(self, grant: Grant, now: float) -> list[RoleOrigin]:
        """Tell where every role comes from, for those who explain and review."""
        subject = str(grant.claims["sub"])
        return [*self._reader.origins(_sources(grant), subject), *self._assigned.origins(subject, now)]

    def origins_of(self, principal: Principal, now: float) -> list[RoleOrigin]:
        """Do the same for a session of which only subject and roles are known: the rest came with the tokens."""
        subject = principal.subject
        told = [*self._reader.origins({}, subject), *self._assigned.origins(subject, now)]
        rest = principal.roles - {origin.role for origin in told}
        tokens = [
            RoleOrigin(role, "claim", " or ".join(self._reader.map.paths), "tokens")
            for role in sorted(rest)
            if not any(role in self._reader.implied.get(other, frozenset()) for other in principal.roles)
        ]
        implied = [
            RoleOrigin(role, "implied", other)
            for role in sorted(rest)
            for other in sorted(principal.roles)
            if role in self._reader.implied.get(other, frozenset())
        ]
        return [*tokens, *implied, *told]


def _sources(grant: Grant) -> Mapping[str, Mapping[str, object]]:
    if grant.access_claims is None:
        return {_ID_TOKEN: grant.claims}
    return {_ID_TOKEN: grant.claims, _ACCESS_TOKEN: grant.access_claims}
