"""The relying party: what we ask of the issuer, in the order in which we ask it.

`IssuerUnavailable` is never a reason to log anyone out. `GrantRejected` and `TokenRejected` are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from bff.errors import (
    BffError,
    CallbackRejected,
    GrantRejected,
    IssuerUnavailable,
    MetadataInvalid,
    RenewalUnchecked,
    TokenRejected,
)
from bff.oidc import keys
from bff.oidc.attempt import LoginAttempt, build_authorization_url
from bff.oidc.client import Client
from bff.oidc.client_auth import ClientAuthenticator
from bff.oidc.discovery import Discovery
from bff.oidc.events import OnEvent, ignore_event
from bff.oidc.grant import Grant
from bff.oidc.key_cache import KeyCache
from bff.oidc.logout_token import LogoutNotice
from bff.oidc.metadata import Metadata
from bff.oidc.quirks import Quirks, quirks_for
from bff.oidc.rules import TokenRules
from bff.oidc.token_checker import TokenChecker
from bff.oidc.token_response import (
    ClientRefused,
    TokenResponse,
    build_token_set,
    parse_token_response,
    refusal,
    rejected,
)
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import Answer, IssuerTransport
from bff.oidc.userinfo import parse_userinfo

REFRESH_INTERVAL = 3600.0  # seconds between two readings of the issuer's metadata
T = TypeVar("T")
_GENERIC = quirks_for("generic")
# RFC 7009 §2.2.1: the server cannot revoke this kind, or does not know the token. Either way we are done.
_NOTHING_TO_REVOKE = frozenset({"unsupported_token_type", "invalid_token"})


class RelyingParty:
    """Us at one issuer, for any number of requests at once on one event loop."""

    def __init__(
        self,
        client: Client,
        rules: TokenRules,
        transport: IssuerTransport,
        *,
        quirks: Quirks = _GENERIC,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        on_event: OnEvent = ignore_event,
        on_unused: Callable[[TokenSet], None] = lambda _: None,
    ) -> None:
        """Take it all in. `on_unused` is handed tokens that were granted and will not be used, to be revoked."""
        self.client = quirks.fit(client)
        self._quirks = quirks
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._on_event = on_event
        self._on_unused = on_unused
        self._authenticator = ClientAuthenticator(self.client)
        self._discovery = Discovery(
            client, transport, algorithms=rules.algorithms, monotonic=monotonic, on_event=on_event
        )
        self._keys = KeyCache(self._fetch_jwks, monotonic=monotonic, on_event=on_event)
        self._checker = TokenChecker(self.client, rules, quirks, self._keys, clock, on_event)
        self._keeping_fresh: asyncio.Task[None] | None = None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begin to learn about the issuer in the background, and go on until it works. Never raises."""
        self._keeping_fresh = self._keeping_fresh or asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Let go of every task and connection."""
        if self._keeping_fresh is not None:
            self._keeping_fresh.cancel()
            await asyncio.wait([self._keeping_fresh])
            self._keeping_fresh = None
        await self._discovery.close()
        await self._keys.close()
        await self._transport.close()

    async def ensure_ready(self) -> None:
        """Have the metadata, asking now if there are none. Raises `IssuerUnavailable`."""
        await self._discovery.ensure()

    @property
    def ready(self) -> bool:
        """Whether logins can begin: the issuer's metadata are known."""
        return self._discovery.metadata is not None

    @property
    def last_error(self) -> str | None:
        """What went wrong last with metadata or keys, as a sentence for operators; None while all is well."""
        return self._discovery.last_error or self._keys.last_error

    @property
    def iss_required(self) -> bool:
        """Whether every authorization response bears `iss` (RFC 9207 §2.4).

        Raises `IssuerUnavailable` while there are no metadata to say so: await `ensure_ready` first.
        """
        if self._discovery.metadata is None:
            raise IssuerUnavailable(self._discovery.last_error)
        return self._discovery.metadata.iss_parameter_supported

    # ── logging in ───────────────────────────────────────────────────────────────────────────────────────

    async def authorization_url(self, attempt: LoginAttempt, extras: Mapping[str, str]) -> str:
        """Return where to send the browser. Raises `IssuerUnavailable`, quickly while the issuer is known dead."""
        metadata = await self._discovery.ensure()
        return build_authorization_url(metadata.authorization_endpoint, self.client, attempt, extras)

    async def redeem(self, code: str, attempt: LoginAttempt) -> Grant:
        """Turn the code of a checked callback into tokens that belong to this attempt (RFC 6749 §4.1.3).

        Raises `GrantRejected`, `TokenRejected` (with `token` and `reason` as members) or `IssuerUnavailable`;
        `CallbackRejected` when the code or the attempt is not of this login: `issuer_mismatch`, `nonce_mismatch`,
        `nonce_missing`. No token is used before all have passed.
        """
        if attempt.issuer != self.client.issuer:  # RFC 9700 §4.4.2: never show one issuer another one's code
            raise CallbackRejected("issuer_mismatch")
        metadata = await self._discovery.ensure()
        await self._keys.ensure()
        response = await self._request_tokens(
            metadata,
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.client.redirect_uri),
            ("code_verifier", attempt.code_verifier),
        )
        received_at = self._clock()
        with self._unused_after(response, BffError):
            if response.id_token is None:
                raise rejected("id_token", "missing")
            claims = await self._checker.login_claims(response.id_token, attempt, response.access_token)
            access_claims = await self._checker.access_claims(response)
        scope = " ".join(self.client.scopes)  # RFC 6749 §5.1: when it is omitted, it is what was asked for
        tokens = build_token_set(response, access_claims, received_at, id_token=response.id_token, scope=scope)
        return Grant(tokens, claims, access_claims)

    # ── staying logged in ────────────────────────────────────────────────────────────────────────────────

    async def renew(self, tokens: TokenSet, claims: Mapping[str, Any]) -> Grant:
        """Use the refresh token (RFC 6749 §6). What the issuer leaves out stays as it was.

        Raises `GrantRejected` or `TokenRejected` when the session is over, and `IssuerUnavailable` for everything
        that is not the person's fault. An answer that cannot be checked for lack of keys raises `RenewalUnchecked`
        with the new refresh token, since the old one may be spent; nothing else of it is to be used.
        """
        if tokens.refresh_token is None:
            raise GrantRejected("invalid_grant", "There is no refresh token to renew the session with.")
        metadata = await self._discovery.ensure()
        await self._keys.ensure()
        response = await self._request_tokens(
            metadata, ("grant_type", "refresh_token"), ("refresh_token", tokens.refresh_token)
        )
        received_at = self._clock()
        renewed = None
        with self._unused_after(response, TokenRejected):
            if response.id_token is not None:
                check = self._checker.renewed_claims(response.id_token, claims, response.access_token)
                renewed = await self._checked("id_token", check, response.refresh_token)
            check_access = self._checker.access_claims(response)
            access_claims = await self._checked("access_token", check_access, response.refresh_token)
        token_set = build_token_set(
            response,
            access_claims,
            received_at,
            refresh_token=tokens.refresh_token,
            id_token=tokens.id_token if renewed is None else response.id_token,
            scope=tokens.scope,
        )
        return Grant(token_set, claims if renewed is None else renewed, access_claims)

    async def userinfo(self, access_token: str, sub: str) -> Mapping[str, Any]:
        """Return the claims of the userinfo endpoint about exactly this person (OIDC Core §5.3).

        Raises `TokenRejected`, `IssuerUnavailable`, or `MetadataInvalid` when the issuer has no such endpoint.
        """
        metadata = await self._discovery.ensure()
        if metadata.userinfo_endpoint is None:
            raise MetadataInvalid("The discovery document has no userinfo_endpoint.")
        answer = await self._transport.get_userinfo(metadata.userinfo_endpoint, access_token)
        return await self._checker.userinfo_claims(parse_userinfo(answer), sub)

    # ── logging out ──────────────────────────────────────────────────────────────────────────────────────

    async def revoke(self, tokens: TokenSet) -> None:
        """Revoke the refresh token, then the access token (RFC 7009 §2.1).

        Raises `IssuerUnavailable` at the first that could not be revoked. Nothing to do where the issuer has no
        revocation endpoint.
        """
        metadata = await self._discovery.ensure()
        if metadata.revocation_endpoint is None:
            return
        for hint, token in (("refresh_token", tokens.refresh_token), ("access_token", tokens.access_token)):
            if token is not None:
                await self._revoke(metadata, metadata.revocation_endpoint, token, hint)

    async def end_session_url(self, id_token: str | None, *, sub_hint: str | None = None) -> str | None:
        """Return where the browser ends its session at the issuer, None if that is not to be had. Never raises."""
        try:
            metadata = await self._discovery.ensure()
        except IssuerUnavailable:
            return None
        return self._quirks.end_session(metadata, self.client, id_token, sub_hint)

    async def check_logout_token(self, token: str) -> LogoutNotice:
        """Return what a back-channel logout token asks for (OIDC Back-Channel Logout §2.6).

        Raises `LogoutTokenRejected`, or `IssuerUnavailable` when there are no keys at all. That its `jti` is new is
        for the caller to see to.
        """
        return await self._checker.logout_notice(token)

    # ── the exchanges ────────────────────────────────────────────────────────────────────────────────────

    async def _request_tokens(self, metadata: Metadata, *grant: tuple[str, str]) -> TokenResponse:
        form = [*grant, *(("resource", resource) for resource in self.client.resource)]
        answer = await self._post(metadata, metadata.token_endpoint, form)
        try:
            return parse_token_response(answer, self._quirks.fatal_grant_errors)
        except ClientRefused as exc:
            self._on_event("client_refused", {"status": exc.http_status, "error": exc.error})
            raise

    @contextmanager
    def _unused_after(self, response: TokenResponse, refusal: type[BffError]) -> Iterator[None]:
        """Hand on what was granted when it is refused: a refresh token that nobody keeps is one to steal."""
        try:
            yield
        except refusal:
            self._on_unused(build_token_set(response, None, self._clock(), id_token=None, scope=""))
            raise

    async def _revoke(self, metadata: Metadata, endpoint: str, token: str, hint: str) -> None:
        answer = await self._post(metadata, endpoint, [("token", token), ("token_type_hint", hint)])
        document = answer.json_object()
        if 200 <= answer.status < 300:
            return
        if answer.status == 400 and document is not None and document.get("error") in _NOTHING_TO_REVOKE:
            return
        error = refusal(answer, document)
        if isinstance(error, ClientRefused):
            self._on_event("client_refused", {"status": error.http_status, "error": error.error})
        raise error

    async def _post(self, metadata: Metadata, endpoint: str, form: Sequence[tuple[str, str]]) -> Answer:
        credentials = self._authenticator.credentials(metadata, self._clock())
        return await self._transport.post_form(endpoint, [*form, *credentials.form], credentials.headers)

    async def _checked(self, token: str, check: Awaitable[T], refresh_token: str | None) -> T:
        """Return what a check of a renewal's token finds; `RenewalUnchecked` when its key is not to be had."""
        cause: IssuerUnavailable | TokenRejected
        try:
            return await check
        except IssuerUnavailable as error:
            cause, reason = error, "keys_unavailable"
        except TokenRejected as error:
            reason = str(error.members["reason"])
            if reason != "unknown_key":
                raise
            cause = error
        self._on_event("renewal_unchecked", {"token": token, "reason": reason})
        raise RenewalUnchecked(refresh_token) from cause

    async def _fetch_jwks(self) -> Mapping[str, Any]:
        metadata = await self._discovery.ensure()
        return await self._transport.get_json(metadata.jwks_uri, max_size=keys.MAX_DOCUMENT)

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self._discovery.refresh()
                await self._keys.ensure()
            except IssuerUnavailable as exc:
                await self._sleep(float(exc.retry_after or 1))
            else:
                await self._sleep(REFRESH_INTERVAL)
