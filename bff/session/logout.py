"""The ends of a session: by its user, and by the issuer over the back channel."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError
from bff.errors import BadRequest
from bff.events import Emit
from bff.http.cookies import CookieWriter, has_cookie, read_cookie
from bff.http.return_to import parse_return_to
from bff.oidc.relying_party import RelyingParty
from bff.session.binding import Binding, CameFrom
from bff.session.ending import LOGGED_OUT, REMEMBER
from bff.session.live import LiveSession
from bff.session.login import Redirect
from bff.session.records import Ended, Store, StoredSession
from bff.session.sessions import Sessions
from bff.session.ticket import parse_ticket
from bff.session.vault import Vault

_CONTINUE_FOR = 60  # seconds in which a page may follow the URL that POST gave it
_PURPOSE = b"logout-continuation"
_PAGE = 200
_SLACK = 5.0  # seconds between the issuer's clock and ours


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The session has ended here; `next_url` is a path of ours that goes on to the issuer."""

    next_url: str
    cookies: tuple[bytes, ...]


class Logout:
    """RP-initiated logout, and OIDC Back-Channel Logout 1.0."""

    def __init__(
        self,
        *,
        relying_party: RelyingParty,
        sessions: Sessions,
        store: Store,
        vault: Vault,
        cookie: CookieWriter,
        prefix: str,
        clock: Callable[[], float],
        emit: Emit,
        binding: Binding | None = None,
    ) -> None:
        self._binding = binding
        self._relying_party = relying_party
        self._sessions = sessions
        self._store = store
        self._vault = vault
        self._cookie = cookie
        self._prefix = prefix
        self._clock = clock
        self._emit = emit
        self._continuation = Envelope(vault.ring, _PURPOSE)

    async def by_navigation(
        self, handle: str | None, return_to: str | None, cookies: Sequence[bytes], came: CameFrom
    ) -> Redirect:
        """End the session whose public handle was named, and go to the issuer's end_session endpoint.

        The handle is what another site cannot know: it keeps an image tag from logging people out.

        Raises:
            BadRequest: the handle is not this session's.
            ReturnToRefused: `return_to` is not a path here.
            SessionElsewhere: the session is bound to another browser.
            SessionStoreUnavailable: it cannot be ended everywhere now, and has not been.
        """
        target = parse_return_to(return_to, forbidden_prefix=self._prefix)
        found = await self._sessions.resolve(read_cookie(cookies, self._cookie.name))
        if not isinstance(found, LiveSession):
            # Signed out already. Or another site's link brought the browser here, and SameSite=Strict kept the
            # cookie back: deleting what did not come would let any page sign people out.
            is_sent = has_cookie(cookies, self._cookie.name)
            return Redirect(target, (self._cookie.deletion,) if is_sent else ())
        self._check_browser(found, came)
        if handle != found.session.handle:
            raise BadRequest("Logging out by GET needs ?sid= with this session's own id, as logout_url gives it.")
        await self._end(found)
        location = await self._end_session_url(found.tokens.id_token, found.principal.subject)
        return Redirect(location or target, (self._cookie.deletion,))

    async def by_script(self, cookies: Sequence[bytes], came: CameFrom) -> LoggedOut:
        """End the session; the page then navigates to `next_url`, which script cannot read a token from.

        Raises:
            SessionElsewhere: the session is bound to another browser.
            SessionStoreUnavailable: it cannot be ended everywhere now, and has not been.
        """
        cookie = read_cookie(cookies, self._cookie.name)
        found = await self._sessions.resolve(cookie)
        if not isinstance(found, LiveSession):
            return LoggedOut("/", (self._cookie.deletion,))
        self._check_browser(found, came)
        await self._end(found, keep_sealed=True)
        sealed = self._continuation.seal(found.ticket.build(), self._clock()).decode("ascii")
        return LoggedOut(f"{self._prefix}/logout?continue={sealed}", (self._cookie.deletion,))

    async def resume(self, continuation: str) -> Redirect:
        """Go on to the issuer after `by_script`. Good for a minute; anything else just goes home."""
        now = self._clock()
        try:
            payload, _ = self._continuation.open(continuation.encode(), now, max_age=_CONTINUE_FOR)
            ticket = parse_ticket(payload)
            ended = await self._store.load(ticket.store_key, now) if ticket is not None else None
            if ticket is None or not isinstance(ended, Ended) or ended.sealed is None:
                return Redirect("/")
            session = self._vault.open(ended.key, ended.sealed, ticket)
        except CannotOpenError:
            return Redirect("/")
        location = await self._end_session_url(session.tokens.id_token, session.principal.subject)
        return Redirect(location or "/")

    async def by_issuer(self, logout_token: str) -> int:
        """End every session that a valid logout token names; return how many.

        Raises:
            LogoutTokenRejected: the token is not valid.
            IssuerUnavailable, SessionStoreUnavailable: try again.
        """
        notice = await self._relying_party.check_logout_token(logout_token)
        now = self._clock()
        jti = b"jti:" + hashlib.sha256(f"{notice.issuer}\0{notice.jti}".encode()).digest()
        if await self._store.recall(jti, now) is not None:
            return 0  # a replay changes nothing, and the issuer's own second try is no error
        subjects = self._vault.subject_hashes(notice.issuer, notice.sub) if notice.sub is not None else []
        sids = self._vault.issuer_sid_hashes(notice.issuer, notice.sid) if notice.sid is not None else []
        # First what a login under way must see, then the sessions: no order of events leaves one alive.
        for name in sids or subjects:
            await self._store.remember(LOGGED_OUT + name, now, now + REMEMBER, notice.iat)
        ended = 0
        after = b""
        while True:
            # A `sid` names one session of the issuer's; only without it are all of the subject's meant (§2.7).
            page = await self._store.find(
                now=now, subjects=() if sids else subjects, issuer_sids=sids, after=after, limit=_PAGE
            )
            for record in page:
                after = record.key
                # A replayed token must not end what began after it.
                if record.created_at <= notice.iat + _SLACK and await self._sessions.end_key(
                    record.key, "backchannel_logout", now
                ):
                    ended += 1
                    fields = {"session": record.handle, "subject": self._subject_of(record), "by": "issuer"}
                    self._emit("logout.backchannel", fields)
            if len(page) < _PAGE:
                break
        # Only now: had the store failed half-way, the issuer's next try would have to do the rest.
        await self._store.remember(jti, now, max(notice.exp, now) + REMEMBER)
        return ended

    async def _end(self, live: LiveSession, *, keep_sealed: bool = False) -> None:
        await self._sessions.end(live, "logout", self._clock(), keep_sealed=keep_sealed)
        fields = {"session": live.session.handle, "subject": live.principal.subject, "by": "user"}
        self._emit("logout.done", fields)

    def _check_browser(self, live: LiveSession, came: CameFrom) -> None:
        if self._binding is not None:
            self._binding.check(live, came)

    def _subject_of(self, record: StoredSession) -> str | None:
        try:
            return self._vault.open_summary(record).subject
        except CannotOpenError:  # sealed with a key that is gone
            return None

    async def _end_session_url(self, id_token: str | None, subject: str) -> str | None:
        return await self._relying_party.end_session_url(id_token, sub_hint=subject)
