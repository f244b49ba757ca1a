"""Every token from outside goes through here: taken apart, its signature checked, its claims held to the rules."""

from collections.abc import Callable, Mapping
from typing import Any

from bff.errors import CallbackRejected, LogoutTokenRejected, TokenRejected
from bff.oidc import access_token as access_tokens
from bff.oidc import id_token as id_tokens
from bff.oidc import logout_token as logout_tokens
from bff.oidc import userinfo as userinfos
from bff.oidc.attempt import LoginAttempt
from bff.oidc.client import Client
from bff.oidc.events import OnEvent
from bff.oidc.jose import TokenFault, UnverifiedToken, looks_like_jwt, parse_token
from bff.oidc.key_cache import KeyCache
from bff.oidc.logout_token import LogoutNotice
from bff.oidc.quirks import Quirks
from bff.oidc.rules import TokenRules
from bff.oidc.token_response import TokenResponse, rejected

_NOT_OUR_LOGIN = frozenset({"nonce_missing", "nonce_mismatch"})


class TokenChecker:
    """Checks tokens for one client. Raises `IssuerUnavailable` when the keys for it cannot be had now."""

    def __init__(
        self,
        client: Client,
        rules: TokenRules,
        quirks: Quirks,
        keys: KeyCache,
        clock: Callable[[], float],
        on_event: OnEvent,
    ) -> None:
        self._client = client
        self._rules = rules
        self._quirks = quirks
        self._keys = keys
        self._clock = clock
        self._on_event = on_event

    async def login_claims(self, raw: str, attempt: LoginAttempt, access_token: str) -> Mapping[str, Any]:
        """Return the claims of the ID token that ends a login.

        Raises `CallbackRejected` when it belongs to another attempt: then the code was not this browser's, and the
        issuer is not to blame. Raises `TokenRejected` for any other fault.
        """
        try:
            token = await self._signed_id_token(raw)
            return id_tokens.check_login_id_token(
                token,
                attempt,
                access_token,
                client=self._client,
                rules=self._rules,
                quirks=self._quirks,
                now=self._clock(),
            )
        except TokenFault as fault:
            if fault.reason in _NOT_OUR_LOGIN:
                raise CallbackRejected(fault.reason) from fault
            raise rejected("id_token", fault.reason) from fault

    async def renewed_claims(self, raw: str, previous: Mapping[str, Any], access_token: str) -> Mapping[str, Any]:
        """Return the claims of a renewal's ID token. Raises `TokenRejected`."""
        try:
            token = await self._signed_id_token(raw)
            return id_tokens.check_renewed_id_token(
                token,
                previous,
                access_token,
                client=self._client,
                rules=self._rules,
                quirks=self._quirks,
                now=self._clock(),
            )
        except TokenFault as fault:
            raise rejected("id_token", fault.reason) from fault

    async def access_claims(self, response: TokenResponse) -> Mapping[str, Any] | None:
        """Return the claims of a JWT access token when an audience is configured, else None.

        Opaque tokens have none. A broken rule raises `TokenRejected`, or is told as an event where it is to warn;
        then no claim is believed of a token that did not pass, however long it may live.
        """
        claims: Mapping[str, Any] | None = None
        if self._rules.access_token_audience and looks_like_jwt(response.access_token):
            try:
                claims = await self._checked_access_token(response.access_token)
            except TokenFault as fault:
                self._violated(rejected("access_token", fault.reason))
        lives_for = response.expires_in if claims is None else access_tokens.lifetime(claims, self._clock())
        if lives_for is not None and lives_for > self._rules.max_access_token_lifetime + self._rules.clock_skew:
            self._violated(
                TokenRejected(
                    f"The identity provider's access token lives for {lives_for:.0f} seconds; "
                    f"tokens.max_access_token_lifetime allows {self._rules.max_access_token_lifetime:.0f}.",
                    token="access_token",
                    reason="lifetime_exceeded",
                )
            )
        return claims

    async def logout_notice(self, raw: str) -> LogoutNotice:
        """Return what a logout token asks for. Raises `LogoutTokenRejected`.

        It may come from anyone: what can be seen without cryptography and without the issuer is looked at first.
        """
        try:
            token = parse_token(raw, self._rules.algorithms, logout_tokens.MAX_SIZE)
            notice = logout_tokens.check_logout_token(
                token, client=self._client, rules=self._rules, now=self._clock()
            )
            await self._keys.check_signature(token, logout_tokens.REQUIRED, trusted=False)
        except TokenFault as fault:
            raise LogoutTokenRejected(fault.reason) from fault
        return notice

    async def userinfo_claims(self, userinfo: Mapping[str, Any] | str, sub: str) -> Mapping[str, Any]:
        """Return the claims of a userinfo answer, plain or signed, about this person. Raises `TokenRejected`."""
        try:
            if isinstance(userinfo, str):
                token = parse_token(userinfo, self._rules.algorithms, userinfos.MAX_SIZE)
                await self._keys.check_signature(token, userinfos.REQUIRED, trusted=True)
                userinfos.check_signed_userinfo(token, self._client, self._rules, self._clock())
                userinfo = token.claims
            return userinfos.check_userinfo(userinfo, sub)
        except TokenFault as fault:
            raise rejected("userinfo", fault.reason) from fault

    async def _signed_id_token(self, raw: str) -> UnverifiedToken:
        token = parse_token(raw, self._rules.algorithms, id_tokens.MAX_SIZE)
        await self._keys.check_signature(token, id_tokens.REQUIRED, trusted=True)
        return token

    async def _checked_access_token(self, raw: str) -> Mapping[str, Any]:
        token = parse_token(raw, self._rules.algorithms, access_tokens.MAX_SIZE)
        await self._keys.check_signature(token, access_tokens.REQUIRED, trusted=True)
        return access_tokens.check_access_token(
            token, client=self._client, rules=self._rules, quirks=self._quirks, now=self._clock()
        )

    def _violated(self, error: TokenRejected) -> None:
        if not self._rules.warn_only:
            raise error
        self._on_event("token_rule_violated", {"token": "access_token", "reason": error.members["reason"]})
