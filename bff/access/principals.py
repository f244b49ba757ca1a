"""From a grant's validated claims to a principal."""

from collections.abc import Mapping, Sequence

from bff.access.roles import roles_from
from bff.oidc.grant import Grant
from bff.session.principal import Principal


class Principals:
    """Reads roles where the configuration says they are. Called at login and at every renewal."""

    def __init__(self, issuer: str, paths: Sequence[str], rename: Mapping[str, str]) -> None:
        self._issuer = issuer
        self._paths = tuple(paths)
        self._rename = dict(rename)

    def __call__(self, grant: Grant) -> Principal:
        """Return who this grant is for."""
        sources = [grant.claims] if grant.access_claims is None else [grant.claims, grant.access_claims]
        return Principal(
            issuer=self._issuer,
            subject=str(grant.claims["sub"]),
            roles=roles_from(sources, self._paths, self._rename),
            claims=grant.claims,
        )
