"""The ways of known providers, on the shapes that they really send."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from bff.errors import GrantRejected
from bff.oidc.client import Client
from bff.oidc.end_session import build_end_session_url
from bff.oidc.metadata import Metadata
from bff.oidc.quirks import quirks_for
from bff.oidc.token_response import parse_token_response
from bff.oidc.transport import Answer

CLIENT = Client(
    "https://op.test",
    "spa",
    "https://app.test/cb",
    "https://app.test/bye",
    client_secret="s",
    scopes=("openid", "email", "offline_access"),
)
METADATA = Metadata("https://op.test/", "https://op.test/a", "https://op.test/t", "https://op.test/j")
WITH_LOGOUT = replace(METADATA, end_session_endpoint="https://op.test/logout")
PROVIDERS = ("generic", "keycloak", "entra", "auth0", "okta", "google", "cognito")


def taken_apart(url: str | None) -> tuple[str, dict[str, str]]:
    assert url is not None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query, keep_blank_values=True))


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_is_known_by_its_name(name):
    """The names of the configuration reference."""
    assert name == quirks_for(name).name


def test_an_unknown_provider_is_refused_with_the_known_ones():
    """A fault of configuration shows at start-up, with its remedy."""
    with pytest.raises(ValueError, match="generic, keycloak, entra, auth0, okta, google, cognito"):
        quirks_for("unheard-of")


# ── logging out ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_logout_url_says_who_we_are_and_where_to_come_back_to():
    """OIDC RP-Initiated Logout §2."""
    url = build_end_session_url("https://op.test/logout?tenant=7", CLIENT, "a.b.c", sub_hint="alice")

    assert taken_apart(url) == (
        "https://op.test/logout",
        {
            "tenant": "7",
            "client_id": "spa",
            "post_logout_redirect_uri": "https://app.test/bye",
            "id_token_hint": "a.b.c",
        },
    )


@pytest.mark.parametrize(
    ("id_token", "wanted", "expected"),
    [
        (None, True, {"logout_hint": "alice"}),
        ("a.b.c", False, {"logout_hint": "alice"}),
        ("x" * 4097, True, {"logout_hint": "alice"}),
        ("x" * 4096, True, {"id_token_hint": "x" * 4096}),
    ],
)
def test_without_a_usable_id_token_the_person_is_named_instead(id_token, wanted, expected):
    """OIDC RP-Initiated Logout §2: a large hint would not survive a URL."""
    client = replace(CLIENT, id_token_hint=wanted)

    _, fields = taken_apart(build_end_session_url("https://op.test/logout", client, id_token, sub_hint="alice"))

    assert expected == {name: value for name, value in fields.items() if name.endswith("_hint")}


def test_nobody_need_be_named_to_log_out():
    """OIDC RP-Initiated Logout §2: every hint is optional."""
    _, fields = taken_apart(build_end_session_url("https://op.test/logout", CLIENT, None))

    assert {"client_id", "post_logout_redirect_uri"} == fields.keys()


@pytest.mark.parametrize("name", ["generic", "keycloak", "entra", "okta", "google"])
def test_a_provider_without_a_logout_endpoint_has_no_logout_url(name):
    """OIDC RP-Initiated Logout §2.1: then the session here is all that ends. Google has none."""
    assert quirks_for(name).end_session(METADATA, CLIENT, "a.b.c", None) is None


def test_auth0_has_a_logout_of_its_own_where_it_publishes_none():
    """`/v2/logout` takes `returnTo`, and `federated` where that was asked for."""
    client = replace(CLIENT, end_session_parameters={"federated": ""})

    url = quirks_for("auth0").end_session(METADATA, client, "a.b.c", None)

    assert taken_apart(url) == (
        "https://op.test/v2/logout",
        {"federated": "", "client_id": "spa", "returnTo": "https://app.test/bye"},
    )


def test_auth0_uses_the_standard_logout_where_it_publishes_one():
    """OIDC RP-Initiated Logout §2."""
    base, fields = taken_apart(quirks_for("auth0").end_session(WITH_LOGOUT, CLIENT, "a.b.c", None))

    assert ("https://op.test/logout", "a.b.c") == (base, fields["id_token_hint"])


@pytest.mark.parametrize("metadata", [METADATA, WITH_LOGOUT])
def test_cognito_logs_out_beside_its_other_endpoints(metadata):
    """The user pool's domain has `/logout`, with `logout_uri`."""
    url = quirks_for("cognito").end_session(metadata, CLIENT, "a.b.c", None)

    assert taken_apart(url) == (
        "https://op.test/logout",
        {"client_id": "spa", "logout_uri": "https://app.test/bye"},
    )


# ── logging in ───────────────────────────────────────────────────────────────────────────────────────────


def test_google_asks_for_a_refresh_token_in_its_own_words():
    """access_type=offline and consent instead of the scope, which Google answers with invalid_scope."""
    fitted = quirks_for("google").fit(CLIENT)

    assert ("openid", "email") == fitted.scopes
    assert {"access_type": "offline", "prompt": "consent"} == fitted.extra_parameters


def test_the_operator_knows_better():
    """What is configured wins over what a provider usually wants."""
    fitted = quirks_for("google").fit(replace(CLIENT, extra_parameters={"access_type": "online", "hd": "x.test"}))

    assert {"access_type": "online", "prompt": "consent", "hd": "x.test"} == fitted.extra_parameters


def test_a_client_that_needs_no_fitting_stays_as_it_is():
    """The specifications are the default."""
    assert replace(CLIENT, extra_parameters={}) == quirks_for("generic").fit(CLIENT)


# ── renewing ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("generic", 400, b'{"error":"invalid_grant"}'),
        (
            "keycloak",
            400,
            b'{"error":"invalid_grant","error_description":"Token is not active"}',
        ),
        (
            "entra",
            400,
            b'{"error":"invalid_grant","error_description":"AADSTS70008: expired","error_codes":[70008]}',
        ),
        (
            "entra",
            400,
            b'{"error":"interaction_required","error_description":"AADSTS50076: MFA","suberror":"basic_action"}',
        ),
        ("auth0", 403, b'{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}'),
        ("auth0", 403, b'{"error":"unauthorized","error_description":"user is blocked"}'),
        ("okta", 400, b'{"error":"invalid_grant","error_description":"The refresh token is invalid or expired."}'),
        ("google", 400, b'{"error":"invalid_grant","error_description":"Token has been expired or revoked."}'),
        ("cognito", 400, b'{"error":"invalid_grant"}'),
    ],
)
def test_each_providers_final_no_is_understood(provider, status, body):
    """RFC 6749 §5.2, and what providers made of it."""
    with pytest.raises(GrantRejected):
        parse_token_response(Answer(status, "application/json", body), quirks_for(provider).fatal_grant_errors)
