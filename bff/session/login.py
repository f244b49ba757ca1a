"""The login: from the page's wish to a session."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bff.errors import (
    CallbackRejected,
    GrantRejected,
    IssuerUnavailable,
    SessionStoreUnavailable,
    TokenRejected,
)
from bff.events import Emit
from bff.http.cookies import CookieWriter, read_cookie
from bff.http.return_to import parse_return_to
from bff.oidc.attempt import LoginAttempt, check_callback, new_attempt, parse_callback, parse_login_parameters
from bff.oidc.grant import Grant
from bff.oidc.relying_party import RelyingParty
from bff.session.abandoning import abandon
from bff.session.attempts import LIFETIME, AttemptCookies, PendingLogin
from bff.session.beginning import Beginning, build_cookie
from bff.session.binding import Binding, CameFrom
from bff.session.ending import LOGGED_OUT, REASON, REVOKED_BEFORE
from bff.session.live import LiveSession
from bff.session.most_sessions import MostSessions
from bff.session.principal import Principal
from bff.session.records import Store, StoredSession
from bff.session.revocation import Revocations
from bff.session.sessions import Sessions
from bff.session.vault import Vault

# What the issuer answers when it would have to show something (OIDC Core §3.1.2.6).
_SILENT_NO = frozenset(
    {
        "provider_login_required",
        "provider_interaction_required",
        "provider_consent_required",
        "provider_account_selection_required",
    }
)
PrincipalOf = Callable[[Grant], Principal]
Redeem = Callable[[str, LoginAttempt], Awaitable[Grant]]
OnLogin = Callable[[Principal, float], None]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the browser goes next, and the cookies it takes along."""

    location: str
    cookies: tuple[bytes, ...] = ()


def _always() -> None:
    """Whatever happens may happen."""


def _ignore(_principal: Principal, _now: float) -> None:
    """Nobody wants to hear of logins."""


class LoginFailed(CallbackRejected):
    """A login that ended badly, with what the page needs to offer another try."""

    def __init__(self, cause: CallbackRejected, return_to: str, cookie: bytes | None) -> None:
        super().__init__(cause.reason, cause.detail, status=cause.http_status)
        self.return_to = return_to
        self.cookie = cookie  # ends the attempt


class Login:
    """Begins and finishes logins."""

    def __init__(
        self,
        *,
        relying_party: RelyingParty,
        issuer: str,
        sessions: Sessions,
        store: Store,
        vault: Vault,
        attempts: AttemptCookies,
        cookie: CookieWriter,
        principal_of: PrincipalOf,
        redeem: Redeem,
        revocations: Revocations,
        prefix: str,
        clock: Callable[[], float],
        emit: Emit,
        on_login: OnLogin = _ignore,
        check_recorded: Callable[[], None] = _always,
        most: MostSessions | None = None,
        binding: Binding | None = None,
    ) -> None:
        self._most = most
        self._binding = binding
        self._on_login = on_login
        self._check_recorded = check_recorded  # raises `AuditUnavailable` while logins may not go unrecorded
        self._relying_party = relying_party
        self._issuer = issuer
        self._sessions = sessions
        self._store = store
        self._vault = vault
        self._attempts = attempts
        self._cookie = cookie
        self._principal_of = principal_of
        self._redeem_code = redeem
        self._revocations = revocations
        self._prefix = prefix
        self._clock = clock
        self._emit = emit

    async def begin(
        self,
        query: bytes,
        return_to: str | None,
        cookies: Sequence[bytes],
        came: CameFrom,
        remember: bool | None = None,
    ) -> Redirect:
        """Send the browser to the issuer. `remember` None: as the session that the browser has now.

        Raises:
            ReturnToRefused, BadRequest: the page asked for something it may not.
            IssuerUnavailable: there is no metadata to begin with.
            AuditUnavailable: it could not be recorded now.
        """
        self._check_recorded()
        now = self._clock()
        parameters = parse_login_parameters(query)
        attempt = new_attempt(
            return_to=parse_return_to(return_to, forbidden_prefix=self._prefix),
            issuer=self._issuer,
            now=now,
            max_age=parameters.max_age,
            acr_values=parameters.acr_values,
        )
        location = await self._relying_party.authorization_url(attempt, parameters.extras)
        current = await self._current(cookies)
        is_same = current is None or self._binding is None or self._binding.is_same(current, came)
        pending = PendingLogin(
            attempt,
            silent=parameters.prompt == "none",
            replaces=current.key if current is not None else None,
            remember=remember if remember is not None else current is not None and current.session.is_remembered,
            is_elsewhere=not is_same,
        )
        return Redirect(location, tuple(self._attempts.begin(pending, cookies, now)))

    async def finish(self, query: bytes, cookies: Sequence[bytes], came: CameFrom) -> Redirect:
        """Check the issuer's answer, redeem the code and begin a session under a new id.

        Raises:
            LoginFailed: the answer is not to our question, or does not hold.
            GrantRejected, TokenRejected: the issuer refused the code, or what it gave for it breaks a rule.
            IssuerUnavailable, SessionStoreUnavailable, AuditUnavailable: it could not be finished now.
        """
        self._check_recorded()
        now = self._clock()
        callback = parse_callback(query)
        pending = self._attempts.find(callback.state, cookies, now)
        if pending is None and await self._current(cookies) is not None:
            return Redirect("/")  # the back button, or a second click: nothing to do, and nothing was taken
        await self._relying_party.ensure_ready()  # a worker that has just started may still be asking
        try:
            attempt = pending.attempt if pending is not None else None
            code = check_callback(
                callback,
                attempt,
                iss_required=self._relying_party.iss_required,
                now=now,
                max_age_of_attempt=LIFETIME,
            )
            if pending is None:
                raise CallbackRejected("no_attempt")
            return await self._redeem(code, pending, came, now)
        except CallbackRejected as error:
            self._emit("login.failed", {"reason": error.reason})
            if pending is None:
                raise LoginFailed(error, "/", None) from error
            ended = self._attempts.deletion(pending.attempt.state)
            if pending.silent and error.reason in _SILENT_NO:
                return Redirect(pending.attempt.return_to, (ended,))
            raise LoginFailed(error, pending.attempt.return_to, ended) from error
        except (GrantRejected, TokenRejected, IssuerUnavailable, SessionStoreUnavailable) as error:
            self._emit("login.failed", {"reason": error.code})
            raise

    async def _redeem(self, code: str, pending: PendingLogin, came: CameFrom, now: float) -> Redirect:
        attempt = pending.attempt
        # RFC 9700 §4.2.4: one use, whatever the number of tabs, clicks, workers and machines.
        name = b"login:" + hashlib.sha256(attempt.state.encode()).digest()
        if not await self._store.remember(name, now, now + LIFETIME):
            raise CallbackRejected("already_used")
        grant = await self._redeem_code(code, attempt)
        now = self._clock()
        try:
            principal = self._principal_of(grant)
            traits = self._binding.traits_of(came) if self._binding is not None else {}
            beginning = Beginning(self._sessions.limits.remembers and pending.remember, traits)
            live, value = await self._sessions.create(grant, principal, now, beginning)
        except Exception:
            self._revocations.later(grant.tokens, None)  # nobody will ever use them
            raise
        try:
            await self._take_place(live, grant, pending, now)
        except SessionStoreUnavailable:
            self._sessions.background.start(abandon(self._sessions, live, self._clock), "abandon-session")
            raise
        self._on_login(principal, now)
        self._emit(
            "login.done",
            {
                "subject": principal.subject,
                "session": live.session.handle,
                "access_token_lifetime": grant.tokens.lifetime,
            },
        )
        cookie = build_cookie(self._cookie, live.session, value, now)
        return Redirect(attempt.return_to, (self._attempts.deletion(attempt.state), cookie))

    async def _take_place(self, live: LiveSession, grant: Grant, pending: PendingLogin, now: float) -> None:
        # Only now: either a back-channel logout or a revocation finds the session, or we find them.
        logged_out = await self._was_logged_out(grant, live.principal)
        if logged_out or await self._was_revoked(live):
            await self._sessions.end(live, "backchannel_logout" if logged_out else REASON, now)
            raise CallbackRejected("logged_out_meanwhile")
        replaced = await self._replaced(pending, live.principal)
        if self._most is not None:
            await self._most.admit(live, besides=replaced)
        if replaced is not None:
            await self._sessions.end_key(replaced, "replaced", now)

    async def _was_logged_out(self, grant: Grant, principal: Principal) -> bool:
        """Whether a back-channel logout overtook this login. In the same second, the logout wins."""
        now = self._clock()
        issued_at = float(grant.claims.get("iat", now))
        names = self._vault.subject_hashes(principal.issuer, principal.subject)
        if isinstance(sid := grant.claims.get("sid"), str):
            names += self._vault.issuer_sid_hashes(principal.issuer, sid)
        for name in names:
            logged_out_at = await self._store.recall(LOGGED_OUT + name, now)
            if logged_out_at is not None and issued_at <= logged_out_at:
                return True
        return False

    async def _was_revoked(self, live: LiveSession) -> bool:
        """Whether an operator ended everything that began before some moment, and this began before it."""
        revoked_before = await self._store.recall(REVOKED_BEFORE, self._clock())
        return revoked_before is not None and live.session.created_at < revoked_before

    async def _replaced(self, pending: PendingLogin, principal: Principal) -> bytes | None:
        """The session that this login takes the place of. A copied cookie ends nobody else's."""
        if pending.replaces is None or not pending.is_elsewhere:
            return pending.replaces
        record = await self._store.load(pending.replaces, self._clock())
        own = self._vault.subject_hashes(principal.issuer, principal.subject)
        return pending.replaces if isinstance(record, StoredSession) and record.subject in own else None

    async def _current(self, cookies: Sequence[bytes]) -> LiveSession | None:
        """The session that the browser has now, if it is alive."""
        found = await self._sessions.resolve(read_cookie(cookies, self._cookie.name))
        return found if isinstance(found, LiveSession) else None
