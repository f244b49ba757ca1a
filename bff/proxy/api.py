"""The way of one API request, in the order in which things are decided."""

import time
from collections import defaultdict
from collections.abc import Callable

from bff.access.auditing.calls import UNRECORDED, CallRecording
from bff.access.facts import RequestFacts
from bff.access.policy import Allow, Deny, StepUp, decide
from bff.errors import (
    AccessDenied,
    BffError,
    CookieUnreadable,
    CrossSiteRequest,
    CsrfHeaderRequired,
    MethodNotAllowed,
    SessionExpired,
    SessionRequired,
    StepUpRequired,
)
from bff.events import TRACE, Emit, Trace
from bff.http.cookies import has_cookie, read_cookie
from bff.http.methods import ALLOW, NEVER_FORWARDED
from bff.http.origins import check_same_origin
from bff.http.problems import build_problem_response
from bff.http.targets import check_query, check_single_slashes, check_target
from bff.proxy.asgi import Receive, Scope, Send
from bff.proxy.body import check_size, read_away
from bff.proxy.call import Call
from bff.proxy.challenge import wanted_login
from bff.proxy.cors import is_preflight
from bff.proxy.forward import Forwarder
from bff.proxy.forwarded import new_request_id
from bff.proxy.front import Front
from bff.proxy.head import HeaderLimits, RequestHead, read_head
from bff.proxy.limits import OPEN_GATE, Gate
from bff.proxy.routes import Route
from bff.proxy.timing import UNTIMED, Meter, Timing, Unmeasured
from bff.session.binding import Binding, came_from
from bff.session.freshness import Freshness
from bff.session.live import LiveSession, scope_of
from bff.session.principal import Principal
from bff.session.renewal import Renewer
from bff.session.resolved import Gone, Unreadable, refusal_of
from bff.session.sessions import Sessions

_UNMEASURED = Unmeasured()

PrincipalNow = Callable[[Principal, float], Principal]
NoteUse = Callable[[LiveSession, str, str, int, float], None]  # by which rule of a route a method was let through
OriginCheck = Callable[..., None]  # takes what `check_same_origin` takes, and raises what that raises


def _note_nothing(_live: LiveSession, _route: str, _method: str, _rule: int, _now: float) -> None:
    """Nobody reviews what is used."""


class ApiProxy:
    """Decides and forwards. One for all routes of a worker."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        renewer: Renewer,
        forward: Forwarder,
        front: Front,
        own_origin: str,
        cookie_name: str,
        cookie_deletion: bytes,
        limits: HeaderLimits,
        emit: Emit,
        clock: Callable[[], float] = time.time,
        principal_now: PrincipalNow | None = None,
        gate: Gate = OPEN_GATE,
        calls: defaultdict[str, int] | None = None,
        note_use: NoteUse = _note_nothing,
        recording: CallRecording = UNRECORDED,
        meter: Meter = _UNMEASURED,
        binding: Binding | None = None,
    ) -> None:
        """`calls` is where requests are counted by route; `note_use` hears which rule let a call through."""
        self._note_use, self._recording, self.meter = note_use, recording, meter
        self._sessions, self._renewer, self._binding = sessions, renewer, binding
        self._forward = forward
        self._front = front
        self._own_origin = own_origin.encode("ascii")
        self._cookie_name = cookie_name.encode("ascii")
        self._cookie_deletion = cookie_deletion
        self._limits = limits
        self._emit = emit
        self._clock = clock
        self._per_address, self._per_session, self._crowd = gate.per_address, gate.per_session, gate.crowd
        self.calls = calls if calls is not None else defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)  # requests by the code of our answer
        self._principal_now = principal_now  # with the roles that are assigned at the moment

    async def __call__(self, scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
        """Serve one request whose path belongs to `route`."""
        request_id = new_request_id()
        self.calls[route.path] += 1
        decided, method = False, scope["method"]
        meter = self.meter if not route.is_page else _UNMEASURED  # a page's is that of the app's files
        timing = Timing(method)
        meter.under_way += 1
        try:
            if method in NEVER_FORWARDED or not method.isupper():
                raise MethodNotAllowed(allow=ALLOW)
            check_origin = check_same_origin
            if route.cors is not None:
                check_origin = route.cors.check_origin
                plain, send = send, route.cors.answering(send, scope["headers"])
                if method == "OPTIONS" and is_preflight(scope["headers"]):
                    await route.cors.answer_preflight(plain, self._read(scope)[0].origin)
                    timing.answer(204)
                    return
            call = await self.admit(scope, method, route, rest, request_id, check_origin, timing=timing)
            decided = True
            if self._crowd is None:
                await self._forward(scope, receive, send, call)
            else:
                with self._crowd.place(call.live.session.handle if call.live is not None else None):
                    await self._forward(scope, receive, send, call)
        except BffError as error:
            await read_away(receive, scope["headers"], error)
            await self._refuse(send, error, request_id, timing)
        except Exception as error:  # a mistake of ours: told, and answered if nothing has been answered yet
            self._emit("request.crashed", {"request_id": request_id, "error": type(error).__name__})
            if decided:
                raise
            await self._refuse(send, BffError(), request_id, timing)
        finally:
            meter.under_way -= 1
            timing.end()
            meter.note(route, timing)

    async def admit(
        self,
        scope: Scope,
        method: str,
        route: Route,
        rest: str,
        request_id: str,
        check_origin: OriginCheck,
        read: tuple[RequestHead, str] | None = None,
        timing: Timing = UNTIMED,
    ) -> Call:
        """Take the steps that decide, whoever carries the call out; raises what `_refuse` answers.

        `read` are the headers and the browser's address where somebody else has read them, and checked the target.
        """
        head, address = read or self._read(scope)
        if not route.double_slashes:
            check_single_slashes(scope["raw_path"])
        TRACE.set(Trace(request_id, address))
        self._recording.check()
        if self._per_address is not None:
            await self._per_address.check_address(address)
        try:
            check_origin(
                mode=route.csrf,
                method=method,
                own_origin=self._own_origin,
                origin=head.origin,
                sec_fetch_site=head.sec_fetch_site,
                has_header=head.csrf,
            )
        except (CsrfHeaderRequired, CrossSiteRequest) as error:
            self._emit("access.denied", {"route": route.path, "method": method, "reason": error.code})
            raise
        if route.cors is not None:
            route.cors.forget_credentials(head)
        check_size(head, route.max_body_size)
        live = await self._session(route, head, scope, address)
        if self._per_session is not None and live is not None:
            await self._per_session.check(live.session.handle)
        authorization, now = None, self._clock()
        if live is not None and route.sends_token:
            if now >= live.times.renew_at:
                await self._keep_fresh(live, now)
                now = self._clock()
            authorization = live.authorization
        rule = -1
        if not route.policy.is_open:
            facts = RequestFacts(method, rest, now, address, scope_of(live))
            rule = self._authorize(route, facts, live, request_id)
        if live is not None:
            self._note_use(live, route.path, method, rule, now)
        if self._recording.is_drawn():
            self._tell_allowed(route, method, rule, live)
        if route.request_rules is not None:
            head.forward = route.request_rules.apply(head.forward, self._principal(live, self._clock()))
        return Call(route, rest, head, address, authorization, request_id, method, live, timing)

    def allows(self, call: Call) -> bool:
        """Decide anew on a call that stays open, for its user's roles or claims have changed."""
        if call.route.policy.is_open:
            return True
        facts = RequestFacts(call.method, call.rest, self._clock(), call.address, scope_of(call.live))
        try:
            self._authorize(call.route, facts, call.live, call.request_id)
        except BffError:
            return False
        except Exception as error:  # noqa: BLE001 -- a mistake of ours: told, and nothing stays open by it
            self._emit("request.crashed", {"request_id": call.request_id, "error": type(error).__name__})
            return False
        return True

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, scope: Scope) -> tuple[RequestHead, str]:
        """Return the headers and the browser's address of a request that is unambiguous and for our host."""
        check_target(scope["raw_path"])
        check_query(scope["query_string"])
        head = read_head(scope["headers"], max_headers=self._limits.count, max_size=self._limits.size)
        return head, self._front.check_peer(scope["client"], head)

    async def _session(self, route: Route, head: RequestHead, scope: Scope, address: str) -> LiveSession | None:
        cookie = read_cookie(head.cookies, self._cookie_name) if head.cookies else None
        found: Gone | Unreadable | None = None
        if cookie is None and has_cookie(head.cookies, self._cookie_name):
            found = Unreadable()
        elif cookie is not None and (route.needs_session or route.sends_token):
            now = self._clock()
            resolved = self._sessions.peek(cookie, now) or await self._sessions.load(cookie, now)
            if isinstance(resolved, LiveSession):
                if self._binding is not None:
                    self._binding.check(resolved, came_from(scope["headers"], address))
                self._sessions.slide(resolved, now)
                return resolved
            found = resolved
        if not route.needs_session:
            return None
        raise refusal_of(found)

    async def _keep_fresh(self, live: LiveSession, now: float) -> None:
        state = live.freshness(now)
        if state is Freshness.DUE:
            self._renewer.renew_soon(live, now)
        elif state is Freshness.EXPIRED:
            await self._renewer.renewed(live)
            self._emit("renewal.waited", {"session": live.session.handle, "seconds": round(self._clock() - now, 3)})
        elif state is Freshness.DEAD:
            await self._sessions.end(live, "tokens_expired", now)
            raise SessionExpired(reason="tokens_expired")

    def _authorize(self, route: Route, facts: RequestFacts, live: LiveSession | None, request_id: str) -> int:
        """Return the rule that allows it; raises what is said otherwise."""
        principal = self._principal(live, facts.now)
        decision = decide(route.policy, facts, principal)
        if isinstance(decision, Allow):
            return decision.rule
        self._emit(
            "access.denied",
            {
                "route": route.path,
                "method": facts.method,
                "reason": decision.reason if isinstance(decision, Deny) else "step_up_required",
                "rule": decision.rule,
                "subject": principal.subject if principal is not None else None,
                "session": live.session.handle if live is not None else None,
                "address": facts.address,
                "request_id": request_id,
            },
        )
        if isinstance(decision, StepUp):
            error = StepUpRequired()
            error.members.update(wanted_login(decision))
            raise error
        if principal is None and route.sends_token:
            raise SessionRequired
        raise AccessDenied(reason=decision.reason)

    def _tell_allowed(self, route: Route, method: str, rule: int, live: LiveSession | None) -> None:
        self._recording.note_allowed(
            {
                "route": route.path,
                "method": method,
                "rule": rule if rule >= 0 else None,
                "subject": live.principal.subject if live is not None else None,
                "session": live.session.handle if live is not None else None,
            }
        )

    def _principal(self, live: LiveSession | None, now: float) -> Principal | None:
        if live is None or self._principal_now is None:
            return live.principal if live is not None else None
        return self._principal_now(live.principal, now)

    async def _refuse(self, send: Send, error: BffError, request_id: str, timing: Timing) -> None:
        self.refused[error.code] += 1
        status, headers, body = build_problem_response(error, request_id)
        timing.answer(status)
        if isinstance(error, CookieUnreadable):
            headers.append((b"set-cookie", self._cookie_deletion))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
