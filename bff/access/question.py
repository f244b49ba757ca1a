"""A question about access, as the command line, test files and the console ask it; and its answer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bff.access.explain import Explanation, explain
from bff.access.facts import RequestFacts
from bff.access.policy import Policy
from bff.access.principals import Principals
from bff.access.roles import RoleOrigin, RoleReader
from bff.session.principal import Principal


@dataclass(frozen=True, slots=True)
class Question:
    """May somebody do this?

    Attributes:
        method: upper case.
        path: of the request, as the browser sends it, without a query.
        subject: None and no roles: nobody is signed in.
        roles: what the tokens say; implied, constant and assigned ones are added.
        claims: of the ID token.
        scope: of the access token.
        address: of the browser.
        now: epoch seconds.
    """

    method: str
    path: str
    subject: str | None = None
    roles: Sequence[str] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    scope: str = ""
    address: str = ""
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided, for whom, and where their roles come from. No explanation: no route fits the path."""

    explanation: Explanation | None
    roles: frozenset[str]
    origins: tuple[RoleOrigin, ...]


class Advisor:
    """Answers questions by the policies of a configuration, as the proxy would decide."""

    def __init__(self, policies: Mapping[str, Policy], reader: RoleReader, principals: Principals) -> None:
        self._policies = policies
        self._reader = reader
        self._principals = principals

    def answer(self, question: Question) -> Answer:
        """Answer."""
        principal = self._principal(question)
        origins = () if principal is None else tuple(self._principals.origins_of(principal, question.now))
        if principal is not None:
            principal = self._principals.now(principal, question.now)
        found = self.route_of(question.path)
        explanation = None
        if found is not None:
            route, rest = found
            facts = RequestFacts(question.method, rest, question.now, question.address, question.scope)
            explanation = explain(route, self._policies[route], facts, principal)
        return Answer(explanation, principal.roles if principal is not None else frozenset(), origins)

    def route_of(self, path: str) -> tuple[str, str] | None:
        """Return the route with the longest path that fits on whole segments, and the rest of the path."""
        fitting = [route for route in self._policies if path == route or path.startswith(f"{route}/")]
        if not fitting:
            return None
        route = max(fitting, key=len)
        return route, path[len(route) :]

    def _principal(self, question: Question) -> Principal | None:
        if question.subject is None and not question.roles and not question.claims:
            return None
        subject = question.subject or str(question.claims.get("sub", "somebody"))
        reader = self._reader
        roles = reader.expand({*question.roles, *reader.map.subjects.get(subject, ())})
        return Principal("", subject, roles, {"sub": subject, **question.claims})
