"""What in the configuration breaks good practice. Pure: settings in, findings out.

Each rule is one function. What cannot be meant stops the start (`bff.config`); here is what may be meant, and
should be known.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from urllib.parse import urlsplit

from bff.access.findings import AccessFinding, Level
from bff.access.request_lint import cross_origin_findings, limit_findings
from bff.config.access_rules import roles_named
from bff.config.findings import Finding
from bff.config.implied import closure
from bff.config.rule_sets import describe, late_denials
from bff.config.settings import AllowSettings, AtRest, ClientAuth, Csrf, OnViolation, SameSite, Settings, TokenKind
from bff.config.sources import dotted

_HOUR, _DAY = 3600.0, 86400.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Lint = Callable[[Settings], Iterator[AccessFinding]]


def lint_settings(settings: Settings) -> list[AccessFinding]:
    """Return every finding, the worst first."""
    order = list(Level)
    found = [finding for rule in RULES for finding in rule(settings)]
    return sorted(found, key=lambda finding: order.index(finding.level))


def merge_findings(
    settings: Settings, warnings: Iterable[Finding], others: Iterable[AccessFinding] = ()
) -> list[AccessFinding]:
    """Return what the linter finds, what the loader warned of beside it and what else was seen, the worst first."""
    linted = lint_settings(settings)
    told = {finding.where for finding in linted}
    found = [*linted, *(_of_warning(warning) for warning in warnings if warning.key not in told), *others]
    return sorted(found, key=lambda finding: list(Level).index(finding.level))


def _of_warning(warning: Finding) -> AccessFinding:
    """A warning of the loader, such as a secret that stands in the file."""
    return AccessFinding(
        Level.WARNING,
        "configuration",
        warning.key or warning.where,
        f"{warning.message} ({warning.where})",
        "OWASP ASVS 13.3.1" if "secret" in warning.message else "docs/configuration.md",
        "; ".join(part for part in (warning.expected, warning.hint) if part) or "mend it",
    )


def _token_lifetimes(settings: Settings) -> Iterator[AccessFinding]:
    tokens = settings.tokens
    if tokens.max_access_token_lifetime > _HOUR:
        yield AccessFinding(
            Level.WARNING,
            "access_token_lifetime",
            "tokens.max_access_token_lifetime",
            "access tokens may live longer than an hour",
            "RFC 6750 §5.3",
            "set it to an hour or less; bff renews them without anybody noticing",
        )
    if tokens.max_refresh_token_lifetime is None:
        yield AccessFinding(
            Level.INFO,
            "refresh_token_lifetime",
            "tokens.max_refresh_token_lifetime",
            "a refresh token may live for ever",
            "RFC 9700 §4.14.2",
            "set the longest life that the provider is to give one",
        )


def _token_rules(settings: Settings) -> Iterator[AccessFinding]:
    tokens = settings.tokens
    if tokens.on_violation is OnViolation.WARN:
        yield AccessFinding(
            Level.WARNING,
            "rules_not_enforced",
            "tokens.on_violation",
            "tokens that break the rules are accepted",
            "RFC 8725 §3.1",
            'set it to "reject" once no token_rule_violated comes any more',
        )
    if not tokens.access_token_audience:
        yield AccessFinding(
            Level.WARNING,
            "audience_not_checked",
            "tokens.access_token_audience",
            "access tokens are passed on whomever they are for",
            "RFC 8725 §3.9, RFC 9068 §4",
            "name the audience of the APIs, if the provider's access tokens are JWTs",
        )
    elif tokens.access_token_type == "any":
        yield AccessFinding(
            Level.INFO,
            "type_not_demanded",
            "tokens.access_token_type",
            "an access token need not say that it is one",
            "RFC 8725 §3.11, RFC 9068 §2.1",
            'set it to "at+jwt" if the provider says so in its tokens',
        )
    pkcs1 = [name for name in tokens.algorithms if name.startswith("RS")]
    if pkcs1:
        yield AccessFinding(
            Level.INFO,
            "algorithm_weak",
            "tokens.algorithms",
            f"{', '.join(pkcs1)} use PKCS #1 v1.5 padding, which high-security profiles rule out",
            "FAPI 2.0 §5.4",
            "have the provider sign with PS256, ES256 or EdDSA, and name only those",
        )


def _sessions(settings: Settings) -> Iterator[AccessFinding]:
    session = settings.session
    if session.absolute_timeout > _DAY:
        yield AccessFinding(
            Level.WARNING,
            "session_lifetime",
            "session.absolute_timeout",
            "a session may live longer than a day",
            "OWASP ASVS 7.3.2",
            "set it to a working day",
        )
    if session.idle_timeout > 4 * _HOUR:
        yield AccessFinding(
            Level.WARNING,
            "idle_lifetime",
            "session.idle_timeout",
            "an unattended session stays open for more than four hours",
            "OWASP ASVS 7.3.1",
            "set it to an hour or less",
        )
    if session.same_site is SameSite.LAX:
        yield AccessFinding(
            Level.WARNING,
            "cookie_weaker",
            "session.same_site",
            "other sites' links bring the session cookie along",
            "OWASP ASVS 3.3.2",
            'set it to "strict": the page asks for its session by a same-origin call, so that costs nothing',
        )
    if session.at_rest is AtRest.SERVER:
        yield AccessFinding(
            Level.INFO,
            "sessions_open_with_server_key",
            "session.at_rest",
            "whoever has the store and the key file can read every token",
            "OWASP ASVS 13.3.1",
            'set it to "cookie" unless operators must revoke refresh tokens at once',
        )


def _client(settings: Settings) -> Iterator[AccessFinding]:
    if settings.oidc.client_auth is not ClientAuth.PRIVATE_KEY_JWT:
        yield AccessFinding(
            Level.INFO,
            "client_secret_shared",
            "oidc.client_auth",
            "the provider knows the secret with which we prove who we are",
            "RFC 9700 §2.5",
            "use private_key_jwt where the provider offers it",
        )


def _network(settings: Settings) -> Iterator[AccessFinding]:
    for index, network in enumerate(settings.server.trusted_proxies):
        if network.prefixlen < (8 if network.version == 4 else 32):
            yield AccessFinding(
                Level.ERROR if network.prefixlen == 0 else Level.WARNING,
                "trusted_proxies_wide",
                f"server.trusted_proxies.{index}",
                "anybody in this network can say which address they have",
                "OWASP ASVS 4.1.3",
                "name your proxies' own addresses",
            )
    management = settings.server.management_listen
    if management == "same" or management.startswith(("0.0.0.0:", "[::]:")):
        yield AccessFinding(
            Level.WARNING,
            "management_exposed",
            "server.management_listen",
            "health, metrics and the admin API can be reached from outside",
            "OWASP ASVS 13.4.5",
            "listen on an address that only operators reach",
        )


def _routes(settings: Settings) -> Iterator[AccessFinding]:
    for index, route in enumerate(settings.api):
        at = f"api.{index}"
        if route.token is not TokenKind.NONE and route.csrf is Csrf.OFF:
            yield AccessFinding(
                Level.ERROR,
                "csrf_off",
                f"{at}.csrf",
                f"every web site can call {route.path} in the user's name",
                "OWASP ASVS 3.5.1",
                'set it to true, or to "origin" for what cannot send a header',
            )
        if route.token is not TokenKind.NONE and not route.allow and route.policy is None:
            yield AccessFinding(
                Level.WARNING,
                "route_without_rules",
                f"{at}.allow",
                f"whoever is signed in may do anything on {route.path}",
                "OWASP ASVS 8.2.1",
                "say who may do what, with `allow`",
            )
        for earlier, later in late_denials(route.allow):
            yield AccessFinding(
                Level.WARNING,
                "denial_partly_hidden",
                f"{at}.allow.{later}",
                f"{describe(route.allow[earlier])} allows a part of it first: {describe(route.allow[later])}",
                "OWASP ASVS 8.3.1",
                "put denials before what they are exceptions to, unless that is meant",
            )
        in_clear = any(
            url.scheme == "http" and url.hostname not in _LOOPBACK for url in map(urlsplit, route.addresses)
        )
        if in_clear and route.token is not TokenKind.NONE:
            yield AccessFinding(
                Level.INFO,
                "upstream_in_clear",
                f"{at}.upstream",
                "access tokens cross the network without TLS",
                "RFC 6750 §5.3, RFC 9700 §2.6",
                "use https, unless something below (a mesh, a tunnel) encrypts",
            )


def _roles(settings: Settings) -> Iterator[AccessFinding]:
    roles = settings.roles
    in_rules = {role for path, role in roles_named(settings) if path[0] == "api"}
    implied = closure(roles.implies)
    opens = in_rules | {role for role, others in implied.items() if others & in_rules}
    if any(route.policy is not None for route in settings.api):
        return  # what a callable asks for cannot be known
    told: set[str] = set()
    for path, role in [*roles_named(settings), *((("roles", "known"), role) for role in roles.known)]:
        if path[0] != "roles" or role in opens or role in told:
            continue
        told.add(role)
        is_rename = path[1] == "rename"
        yield AccessFinding(
            Level.WARNING,
            "rename_unused" if is_rename else "role_opens_nothing",
            dotted(path),
            f"no rule asks for the role {role}",
            "OWASP ASVS 8.2.1",
            "remove the renaming, or write the rule" if is_rename else "remove the role, or write the rule",
        )


def unreachable_routes(settings: Settings, held: Collection[str] | None) -> Iterator[AccessFinding]:
    """Return the routes that nobody can reach who holds none but these roles (None: any that there may be).

    The linter asks with the roles that are known, a review with those that it has seen.
    """
    implied = closure(settings.roles.implies)
    everything = None if held is None else set(held).union(*(implied.get(role, frozenset()) for role in held))
    for index, route in enumerate(settings.api):
        if route.allow and not any(_can_fit(entry, everything) for entry in route.allow if not entry.deny):
            yield AccessFinding(
                Level.ERROR,
                "route_unreachable",
                f"api.{index}.allow",
                f"nobody can reach {route.path}: no rule allows anybody with the roles that there are",
                "OWASP ASVS 8.2.1",
                "give somebody such a role, add a rule that allows, or remove the route",
            )


def _can_fit(entry: AllowSettings, held: Collection[str] | None) -> bool:
    if held is None:
        return True
    return (not entry.roles or not set(entry.roles).isdisjoint(held)) and set(entry.all_roles) <= set(held)


def _reach(settings: Settings) -> Iterator[AccessFinding]:
    yield from unreachable_routes(settings, settings.roles.known or None)


RULES: tuple[Lint, ...] = (
    _token_lifetimes,
    _token_rules,
    _sessions,
    _client,
    _network,
    _routes,
    cross_origin_findings,
    limit_findings,
    _reach,
    _roles,
)
