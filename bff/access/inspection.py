"""A look at every token that comes at a login or a renewal; what is found is told once a process."""

from collections.abc import Callable

from bff.access.findings import AccessFinding
from bff.access.token_lint import lint_claims
from bff.events import Emit
from bff.oidc.grant import Grant

_MAX_TOLD = 1000


def _keep_quiet(_finding: AccessFinding) -> None:
    """Tell nobody else."""


class TokenInspection:
    """Emits `token_finding` with rule, level and the claim's name: once for each, however many users log in."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._told: set[tuple[str, str]] = set()
        self.found: list[AccessFinding] = []
        self.on_found: Callable[[AccessFinding], None] = _keep_quiet  # whoever else wants to hear of each

    def __call__(self, grant: Grant) -> None:
        """Look at the tokens of a grant."""
        tokens = grant.tokens
        size = len(tokens.id_token) if tokens.id_token is not None else None
        found = lint_claims(grant.claims, "id_token", size)
        if grant.access_claims is not None:
            found += lint_claims(grant.access_claims, "access_token", len(tokens.access_token))
        for finding in found:
            key = (finding.rule, finding.where)
            if key not in self._told and len(self._told) < _MAX_TOLD:
                self._told.add(key)
                self.found.append(finding)
                self.on_found(finding)
                self._emit(
                    "token_finding",
                    {
                        "rule": finding.rule,
                        "level": finding.level.value,
                        "where": finding.where,
                        "source": finding.source,
                        "change": finding.change,
                    },
                )
