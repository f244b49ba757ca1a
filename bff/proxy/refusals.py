"""When the upstream says 401 to a token that is not expired: renewed once, or the login asked for is (RFC 9470)."""

from collections.abc import Callable
from typing import Protocol

from bff.access.facts import RequestFacts
from bff.access.strength import Acr, MaxAge
from bff.errors import IssuerUnavailable, SessionStoreUnavailable, StepUpRequired
from bff.events import Emit
from bff.proxy.call import Call
from bff.proxy.challenge import Challenge, parse_challenge
from bff.session.live import LiveSession
from bff.session.renewal import Renewer

_YOUNG = 30.0  # seconds: a token is not renewed earlier than that, or a broken API would have us hammer the issuer


class Answered(Protocol):
    """The head of an answer, to a request or to the opening of a socket."""

    headers: list[tuple[bytes, bytes]]


class Refusals:
    """Finds out what can be done about one."""

    def __init__(self, renewer: Renewer, clock: Callable[[], float], emit: Emit) -> None:
        self._renewer = renewer
        self._clock = clock
        self._emit = emit

    async def another(self, call: Call, response: Answered) -> str | None:
        """Return a credential to try again with; None when the refusal stands.

        Raises:
            StepUpRequired: a new login is asked for, and would help.
            SessionExpired: the issuer would not renew; the session is over.
        """
        live, used = call.live, call.authorization
        if live is None or used is None or not self._check(call, live, response).doubts_token:
            return None
        if live.authorization == used and self._may_renew(call, live):
            try:
                await self._renewer.renewed(live, refused=live.version)
            except (IssuerUnavailable, SessionStoreUnavailable):
                return None  # told by the renewal itself; the session lives on, and so does the refusal
        return live.authorization if live.authorization != used else None

    def renew_later(self, call: Call, response: Answered) -> None:
        """Begin what helps the next call, where this one cannot be repeated; raises what `another` raises."""
        live, used = call.live, call.authorization
        if live is None or used is None or not self._check(call, live, response).doubts_token:
            return
        if live.authorization == used and self._may_renew(call, live):
            self._renewer.renew_soon(live, self._clock(), refused=live.version)

    def _check(self, call: Call, live: LiveSession, response: Answered) -> Challenge:
        challenge = parse_challenge(response.headers)
        if challenge.wants_login and not self._is_met(call, live, challenge):
            error = StepUpRequired()
            if challenge.acr_values:
                error.members["acr_values"] = " ".join(challenge.acr_values)
            if challenge.max_age is not None:
                error.members["max_age"] = challenge.max_age
            raise error
        return challenge

    def _is_met(self, call: Call, live: LiveSession, challenge: Challenge) -> bool:
        """Whether the login has been of what is asked for, so that another one would change nothing."""
        facts = RequestFacts(call.method, call.rest, self._clock(), call.address, "")
        wanted: list[Acr | MaxAge] = []
        if challenge.acr_values:
            wanted.append(Acr(challenge.acr_values))
        if challenge.max_age is not None:
            wanted.append(MaxAge(challenge.max_age))
        return bool(wanted) and all(condition.holds(facts, live.principal) for condition in wanted)

    def _may_renew(self, call: Call, live: LiveSession) -> bool:
        now = self._clock()
        tokens = live.tokens
        if tokens.refresh_token is None or now < max(tokens.issued_at + _YOUNG, live.retry_at) or live.ended:
            return False
        self._emit(
            "renewal.forced",
            {"session": live.session.handle, "route": call.route.path, "request_id": call.request_id},
        )
        return True
