"""Every token from outside goes through here: taken apart, its signature checked, its claims held to the rules."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bff.errors import CallbackRejected, LogoutTokenRejected, TokenRejected
from bff.oidc import access_token as access_tokens
from bff.oidc import id_token as id_tokens
from bff.oidc import logout_token as logout_tokens
from bff.oidc import userinfo as userinfos
from bff.oidc.attempt import LoginAttempt
from bff.oidc.client import Client
from bff.oidc.events import OnEvent
from bff.oidc.jose import TokenFault, UnverifiedToken, VerificationKey, looks_like_jwt, parse_token
from bff.oidc.key_cache import KeyCache
from bff.oidc.logout_token import LogoutNotice
from bff.oidc.operator_rules import (
    broken_by_access_token,
    broken_by_id_token,
    broken_by_key,
    refresh_token_lives_for,
)
from bff.oidc.quirks import Quirks
from bff.oidc.rules import TokenRules, rule_of
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
            token, key = await self._signed_id_token(raw)
            claims = id_tokens.check_login_id_token(
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
            raise self._rejected("id_token", fault) from fault
        self._hold("id_token", broken_by_id_token(token, key, self._rules))
        return claims

    async def renewed_claims(self, raw: str, previous: Mapping[str, Any], access_token: str) -> Mapping[str, Any]:
        """Return the claims of a renewal's ID token. Raises `TokenRejected`."""
        try:
            token, key = await self._signed_id_token(raw)
            claims = id_tokens.check_renewed_id_token(
                token,
                previous,
                access_token,
                client=self._client,
                rules=self._rules,
                quirks=self._quirks,
                now=self._clock(),
            )
        except TokenFault as fault:
            raise self._rejected("id_token", fault) from fault
        self._hold("id_token", broken_by_id_token(token, key, self._rules))
        return claims

    async def access_claims(self, response: TokenResponse) -> Mapping[str, Any] | None:
        """Return the claims of a JWT access token when an audience is configured, else None.

        Opaque tokens have none. A broken rule raises `TokenRejected`, or is told as an event where it is to warn;
        then no claim is believed of a token that did not pass, however long it may live. The refresh token that
        came along is held to its rule as well.
        """
        claims: Mapping[str, Any] | None = None
        if not looks_like_jwt(response.access_token):
            if not self._rules.allow_opaque_access_tokens:
                self._violated(rejected("access_token", "opaque"))
        elif self._rules.access_token_audience:
            try:
                claims = await self._checked_access_token(response.access_token)
            except TokenFault as fault:
                self._violated(rejected("access_token", fault.reason))
        self._check_refresh_token(response)
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
            key = await self._keys.check_signature(token, logout_tokens.REQUIRED, trusted=False)
        except TokenFault as fault:
            raise LogoutTokenRejected(fault.reason) from fault
        # Told only of tokens that the issuer signed: anybody may post the others, as often as they like.
        for reason in broken_by_key(key, self._rules):
            self._tell("logout_token", reason, rejects=not self._rules.warn_only)
            if not self._rules.warn_only:
                raise LogoutTokenRejected(reason)
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

    async def _signed_id_token(self, raw: str) -> tuple[UnverifiedToken, VerificationKey]:
        token = parse_token(raw, self._rules.algorithms, id_tokens.MAX_SIZE)
        return token, await self._keys.check_signature(token, id_tokens.REQUIRED, trusted=True)

    async def _checked_access_token(self, raw: str) -> Mapping[str, Any]:
        token = parse_token(raw, self._rules.algorithms, access_tokens.MAX_SIZE)
        key = await self._keys.check_signature(token, access_tokens.REQUIRED, trusted=True)
        claims = access_tokens.check_access_token(
            token, client=self._client, rules=self._rules, quirks=self._quirks, now=self._clock()
        )
        self._hold("access_token", broken_by_access_token(token, key, self._rules))
        return claims

    def _check_refresh_token(self, response: TokenResponse) -> None:
        longest = self._rules.max_refresh_token_lifetime
        if longest is None:
            return
        lives_for = refresh_token_lives_for(response.refresh_token, response.refresh_expires_in, self._clock())
        if lives_for is not None and lives_for > longest + self._rules.clock_skew:
            self._violated(rejected("refresh_token", "lifetime_exceeded"))

    # ── broken rules ─────────────────────────────────────────────────────────────────────────────────────

    def _hold(self, token: str, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self._violated(rejected(token, reason))

    def _rejected(self, token: str, fault: TokenFault) -> TokenRejected:
        """Tell of a token that breaks what cannot be waived, and return the error."""
        self._tell(token, fault.reason, rejects=True)
        return rejected(token, fault.reason)

    def _violated(self, error: TokenRejected) -> None:
        """Tell of a token that breaks the operator's rules, and raise unless that is only to be told."""
        self._tell(str(error.members["token"]), str(error.members["reason"]), rejects=not self._rules.warn_only)
        if not self._rules.warn_only:
            raise error

    def _tell(self, token: str, reason: str, *, rejects: bool) -> None:
        outcome = "rejected" if rejects else "accepted"
        fields = {"rule": rule_of(reason, token), "token": token, "reason": reason, "outcome": outcome}
        self._on_event("token_rule_violated", fields)
