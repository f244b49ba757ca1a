"""What the issuer has on file about us: tried out, not believed. Nothing is logged in, granted or changed."""

import json
import secrets
import time
from urllib.parse import parse_qs, urlsplit

from bff.cli.checks.asking import Head, NoAnswer, ask
from bff.cli.checks.outcome import Outcome, Status
from bff.config.settings import Settings
from bff.errors import IssuerUnavailable
from bff.from_settings import build_client
from bff.oidc.attempt import build_authorization_url, new_attempt
from bff.oidc.client import Client
from bff.oidc.client_auth import ClientAuthenticator
from bff.oidc.metadata import Metadata
from bff.oidc.transport import Answer, IssuerTransport

_KNOWS_US = "invalid_grant"  # RFC 6749 §5.2: said after the client has been authenticated


def tell_addresses(settings: Settings) -> Outcome:
    """What is to be registered, to the letter."""
    client = build_client(settings)
    logout = f"{settings.public_url}{settings.server.prefix}/backchannel-logout"
    return Outcome(
        Status.OK,
        "registration",
        f"to be registered at the issuer: redirect URI {client.redirect_uri}, "
        f"post-logout redirect URI {client.post_logout_redirect_uri}, back-channel logout {logout}",
    )


async def check_redirect(metadata: Metadata, settings: Settings) -> Outcome:
    """Begin a login that shows no page: a registered redirect URI gets it back at once (OIDC Core §3.1.2.6)."""
    client = build_client(settings)
    attempt = new_attempt(return_to="/", issuer=metadata.issuer, now=time.time())
    url = build_authorization_url(metadata.authorization_endpoint, client, attempt, {"prompt": "none"})
    try:
        head = await ask(url, settings.oidc.timeout, {"accept": "text/html"})
    except NoAnswer as error:
        advice = "see that people's browsers reach it, whatever this machine does"
        return Outcome(
            Status.WARN, "registration", "the authorization endpoint does not answer", advice, str(error)
        )
    return assess_redirect(head, client)


def assess_redirect(head: Head, client: Client) -> Outcome:
    """What the answer to such a request says."""
    location = head.headers.get("location", "")
    advice = f"register {client.redirect_uri} to the letter as a redirect URI of the client {client.client_id}"
    if location.partition("?")[0].partition("#")[0] == client.redirect_uri:
        error = parse_qs(urlsplit(location).query).get("error", [""])[0][:60]
        if error in {
            "",
            "login_required",
            "interaction_required",
            "consent_required",
            "account_selection_required",
        }:
            return Outcome(Status.OK, "registration", f"the issuer sends logins back to {client.redirect_uri}")
        return Outcome(
            Status.WARN,
            "registration",
            f"the issuer sends logins back with the error {error}",
            "look at the client's registration: response type code, scopes, PKCE",
            "logins may end so too",
        )
    if head.status in {400, 401, 403, 404, 422}:
        message = f"the issuer refuses a login with status {head.status}"
        why = "as a rule the redirect URI or the client id is not what is registered there"
        return Outcome(Status.FAIL, "registration", message, advice, why)
    message = f"the issuer did not send a login back here at once (status {head.status})"
    why = "some issuers show a page of theirs first; an unknown redirect URI can look the same"
    return Outcome(Status.WARN, "registration", message, f"try a login; if it fails there, {advice}", why)


async def check_credentials(metadata: Metadata, settings: Settings, transport: IssuerTransport) -> Outcome:
    """Redeem a code that never was: an issuer that knows us complains of the code, another one of us."""
    client = build_client(settings)
    form = [
        ("grant_type", "authorization_code"),
        ("code", "bff-doctor-" + secrets.token_urlsafe(16)),
        ("redirect_uri", client.redirect_uri),
        ("code_verifier", secrets.token_urlsafe(32)),
    ]
    try:
        credentials = ClientAuthenticator(client).credentials(metadata, time.time())
        answer = await transport.post_form(metadata.token_endpoint, [*form, *credentials.form], credentials.headers)
    except IssuerUnavailable as error:
        advice = "see that this machine may reach the token endpoint: every login and renewal needs it"
        return Outcome(Status.FAIL, "registration", "the token endpoint does not answer", advice, error.detail)
    except ValueError as error:
        advice = "see that oidc.private_key can sign"
        return Outcome(Status.FAIL, "registration", "no client assertion can be made", advice, str(error))
    return assess_credentials(answer, settings)


def assess_credentials(answer: Answer, settings: Settings) -> Outcome:
    """What the answer to a code that never was says."""
    try:
        error = str(json.loads(answer.body).get("error", ""))[:60]
    except (ValueError, AttributeError):
        error = ""
    method, client_id = settings.oidc.client_auth.value, settings.oidc.client_id
    if error == "invalid_client" or answer.status == 401:
        return Outcome(
            Status.FAIL,
            "registration",
            f"the issuer does not accept the client {client_id} with {method}",
            "compare oidc.client_id, the secret or key, and oidc.client_auth with the registration there",
            "the secret is another or has expired, the client unknown, or the method not the one registered",
        )
    if error == _KNOWS_US:
        return Outcome(Status.OK, "registration", f"the issuer knows the client {client_id} and takes its {method}")
    message = (
        f"the token endpoint answered {answer.status} {error or 'without a known error'} to a code that never was"
    )
    why = "so it cannot be said whether the credentials are right"
    return Outcome(Status.WARN, "registration", message, "try a login", why)
