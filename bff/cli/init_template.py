"""The commented bff.toml that `bff init` writes, for each provider. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

KEY_FILE = "bff.keys"
SECRET_VARIABLE = "BFF_CLIENT_SECRET"


@dataclass(frozen=True, slots=True)
class Provider:
    """What differs between providers in a first configuration.

    Attributes:
        title: the name for people.
        issuer: how its issuers look.
        note: what to see to on its side.
        scopes: what to ask for.
        role_claims: where its roles are found.
        more: further lines of `[oidc]`, as comments or keys.
    """

    title: str
    issuer: str
    note: str
    scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    role_claims: tuple[str, ...] = ("roles", "groups")
    more: tuple[str, ...] = ()


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "generic": Provider(
            "an OpenID provider",
            "https://id.example.com",
            "Register a confidential web application with the authorization code flow and PKCE.",
        ),
        "keycloak": Provider(
            "Keycloak",
            "https://keycloak.example.com/realms/main",
            "Create an OpenID Connect client with client authentication on and only the standard flow.",
            role_claims=("realm_access.roles", "groups"),
        ),
        "entra": Provider(
            "Microsoft Entra ID",
            "https://login.microsoftonline.com/TENANT_ID/v2.0",
            "Register an application of the Web platform; define app roles to find them in the token.",
            more=("# For an access token to your own API, ask for its scope: api://API_CLIENT_ID/access",),
        ),
        "auth0": Provider(
            "Auth0",
            "https://TENANT.eu.auth0.com/",
            "Create a Regular Web Application. The issuer ends with a slash.",
            more=(
                "# Without an audience Auth0's access token is for Auth0 alone, and no JWT.",
                '# extra_parameters = { audience = "https://api.example.com" }',
            ),
        ),
        "okta": Provider(
            "Okta",
            "https://ORG.okta.com/oauth2/default",
            "Create an OIDC Web Application; allow the refresh token grant; add a groups claim for roles.",
            role_claims=("groups",),
        ),
        "google": Provider(
            "Google",
            "https://accounts.google.com",
            "Create an OAuth client of the type Web application. Google knows no roles and no logout of its own.",
            scopes=("openid", "profile", "email"),
        ),
        "cognito": Provider(
            "Amazon Cognito",
            "https://cognito-idp.REGION.amazonaws.com/USER_POOL_ID",
            "Create an app client with a secret and the authorization code grant.",
            scopes=("openid", "profile", "email"),
            role_claims=("cognito:groups",),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a first configuration must know."""

    provider: str
    issuer: str
    client_id: str
    public_url: str
    upstream: str


def build_config(answers: Answers) -> str:
    """The whole file."""
    provider = PROVIDERS[answers.provider]
    more = "".join(f"{line}\n" for line in provider.more)
    return f"""\
# bff, in front of {provider.title}. Every key: docs/configuration.md. Check this file with: bff check
# A key can be overridden by the environment: BFF__SECTION__KEY, such as BFF__SERVER__LISTEN.

# The origin that the browser sees. The cookie, the redirect URI and every origin check follow from it.
public_url = {_toml(answers.public_url)}

[server]
{_assigned("listen", _listen(answers.public_url))}# or "unix:/run/bff.sock"
workers = 1                              # processes
# renewal_process = true                 # one more, there if workers > 1: a killed worker loses no refresh token
management_listen = "127.0.0.1:9090"     # health and metrics: keep it away from the public
trusted_proxies = []                     # networks of the proxies in front, whose X-Forwarded-* are believed

[oidc]
# {provider.note}
issuer = {_toml(answers.issuer)}
client_id = {_toml(answers.client_id)}
client_secret = {{ env = "{SECRET_VARIABLE}" }}   # or {{ file = "client-secret" }}; never in this file
client_auth = "client_secret_basic"      # or "client_secret_post", or "private_key_jwt" with private_key
scopes = {_toml(provider.scopes)}
provider = {_toml(answers.provider)}
{more}
[session]
store = "sqlite:///bff-sessions.db"      # or "redis://host:6379/0" for several machines, "memory:" for a try
idle_timeout = "1h"                      # a session unused for this long ends
absolute_timeout = "12h"                 # and after this long in any case
renew_ahead = "60s"                      # tokens are renewed in the background this long before they expire

[keys]
secrets = [{{ file = "{KEY_FILE}" }}]        # made by bff init; a new one in front: bff keys rotate {KEY_FILE}

[tokens]
algorithms = ["RS256", "PS256", "ES256", "EdDSA"]
access_token_audience = []               # name your API's audience to have access tokens checked before use
max_access_token_lifetime = "1h"
clock_skew = "30s"

[roles]
claims = {_toml(provider.role_claims)}
# rename = {{ "their-admins" = "admin" }}

# One [[api]] for each upstream. /api/orders on our side becomes the upstream's own path.
[[api]]
path = "/api"
upstream = {_toml(answers.upstream)}
timeout = "30s"
# Without `allow` any signed-in user may call it. With it, what no entry allows is denied:
# allow = [
#   {{ methods = ["GET"], roles = ["reader", "admin"] }},
#   {{ methods = ["POST", "PUT", "PATCH", "DELETE"], roles = ["admin"] }},
# ]

# The page itself: built files, or a development server.
# [spa]
# directory = "dist"                     # or upstream = "http://127.0.0.1:5173"

[audit]
sink = "stdout"                          # or "file:audit.jsonl", or "store": the session store

# Who may look at sessions, rules and the audit log, and end sessions: nobody, until this says so.
# [admin]
# token = {{ file = "admin.token" }}       # (umask 077; bff keys new > admin.token); for http://127.0.0.1:9090/console/
# roles = ["admin"]                      # of sessions; for /bff/console/

[log]
level = "info"
format = "auto"                          # JSON unless on a terminal
"""


def next_steps(answers: Answers, config: str) -> str:
    """What is left to do, by hand and at the provider."""
    base = answers.public_url
    return f"""\
Next:
  1. Register these with {PROVIDERS[answers.provider].title}, to the letter:
       redirect URI              {base}/bff/callback
       post-logout redirect URI  {base}/
       back-channel logout URI   {base}/bff/backchannel-logout
  2. Give bff the client's secret where you start it:
       export {SECRET_VARIABLE}=…        (or set client_secret = {{ file = "…" }})
  3. bff check -c {config}
  4. bff run -c {config}"""


def _listen(public_url: str) -> str:
    """Where to listen. On localhost without TLS nothing is in front of us, and the browser's port is ours."""
    parts = urlsplit(public_url)
    port = (parts.port or 80) if parts.scheme == "http" else 8080
    return f"[::1]:{port}" if parts.hostname == "::1" else f"127.0.0.1:{port}"


def _assigned(key: str, value: str) -> str:
    """A line that leaves room for a comment."""
    return f"{key} = {_toml(value)}".ljust(41)


def _toml(value: str | tuple[str, ...]) -> str:
    """A string or an array of strings. JSON's escapes are TOML's, all but that of DEL."""
    written = json.dumps(value, ensure_ascii=False)
    return written.replace("\x7f", "\\u007f")
