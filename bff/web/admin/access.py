"""Decisions explained, routes with their rules, and what breaks good practice."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from litestar import get, post
from litestar.handlers.http_handlers import HTTPRouteHandler
from litestar.params import JSONBody

from bff.access.explain import Explanation
from bff.access.findings import AccessFinding
from bff.access.policy import Allow, Deny, StepUp
from bff.access.question import Advisor, Answer, Question
from bff.access.telling import tell
from bff.session.directory import Directory
from bff.web.admin.answers import (
    DecisionAnswer,
    DecisionQuestion,
    FindingItem,
    FindingList,
    RouteItem,
    RouteList,
    RuleItem,
    Step,
)
from bff.web.admin.errors import InvalidRequest, NotFound
from bff.web.admin.operators import Operator
from bff.web.admin.sessions import build_origin

Findings = Callable[[], Awaitable[Sequence[AccessFinding]]]
_OUTCOMES = {Allow: "allow", Deny: "deny", StepUp: "step_up"}
UNREACHABLE = "route_unreachable"


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A route as it is configured; `key` is where it stands in the configuration, as findings name it."""

    key: str
    path: str
    upstream: str
    token: str
    csrf: str
    websocket: bool
    rules: tuple[str, ...]


def decision_handlers(advisor: Advisor, directory: Directory, clock: Callable[[], float]) -> list[HTTPRouteHandler]:
    """Return `POST /decisions`."""

    @post("/decisions", status_code=200)
    async def decide(operator: Operator, data: JSONBody[DecisionQuestion]) -> DecisionAnswer:
        """Explain whether somebody may do something, in the words of `bff access explain`."""
        now = clock()
        subject, roles = data.subject, data.roles
        if data.session is not None:
            if subject is not None or roles:
                raise InvalidRequest("session: it brings subject and roles: leave subject and roles out.")
            listed = await directory.get(data.session, now)
            if listed is None:
                raise NotFound("No live session has this handle.")
            subject, roles = listed.summary.subject, list(listed.summary.roles)
            operator.acted("decisions.ask", f"session:{data.session}", subject=subject)
        if not data.path.startswith("/"):
            raise InvalidRequest("path: it is a path of the application, such as /api/orders/7.")
        question = Question(
            method=data.method.upper(),
            path=data.path.partition("?")[0],
            subject=subject,
            roles=roles,
            claims=data.claims,
            scope=data.scope,
            address=data.address,
            now=now if data.at is None else data.at,
        )
        return _answer(question, advisor.answer(question))

    return [decide]


def route_handlers(routes: Sequence[RouteInfo], findings: Findings) -> list[HTTPRouteHandler]:
    """Return `GET /routes` and `GET /findings`."""

    @get("/routes")
    async def list_routes() -> RouteList:
        """List the routes, their rules in words and what is to be said about them."""
        found = await findings()
        return RouteList([_route(route, found) for route in routes])

    @get("/findings")
    async def list_findings() -> FindingList:
        """List what breaks good practice in the configuration and in the tokens seen, the worst first."""
        return FindingList([_finding(finding) for finding in await findings()])

    return [list_routes, list_findings]


def _route(route: RouteInfo, findings: Sequence[AccessFinding]) -> RouteItem:
    own = [each for each in findings if each.where == route.key or each.where.startswith(f"{route.key}.")]
    return RouteItem(
        path=route.path,
        upstream=route.upstream,
        token=route.token,
        csrf=route.csrf,
        websocket=route.websocket,
        reachable=all(finding.rule != UNREACHABLE for finding in own),
        rules=[RuleItem(position, text) for position, text in enumerate(route.rules, 1)],
        findings=[_finding(finding) for finding in own],
    )


def _finding(finding: AccessFinding) -> FindingItem:
    return FindingItem(
        finding.level.value, finding.rule, finding.where, finding.message, finding.source, finding.change
    )


def _answer(question: Question, answer: Answer) -> DecisionAnswer:
    explanation = answer.explanation
    decision = explanation.decision if explanation is not None else None
    rule = decision.rule if decision is not None else None
    return DecisionAnswer(
        outcome=_OUTCOMES[type(decision)] if decision is not None else "no_route",  # type: ignore[arg-type]
        route=explanation.route if explanation is not None else None,
        rule=None if rule is None or rule < 0 else rule + 1,
        reason=decision.reason if isinstance(decision, Deny) else None,
        needed=list(explanation.needed) if explanation is not None else [],
        roles=sorted(answer.roles),
        origins=[build_origin(origin) for origin in answer.origins],
        steps=_steps(explanation),
        text=tell(question, answer),
    )


def _steps(explanation: Explanation | None) -> list[Step]:
    rules = explanation.rules if explanation is not None else ()
    return [Step(trace.position + 1, trace.text, trace.fits, ", ".join(trace.lacks)) for trace in rules]
