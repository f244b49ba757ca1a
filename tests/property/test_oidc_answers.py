"""Whatever the issuer, the browser or a page sends: an answer or a declared error."""

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from bff.errors import BadRequest, BffError, CallbackRejected, MetadataInvalid
from bff.oidc.attempt import (
    LoginAttempt,
    build_authorization_url,
    check_callback,
    parse_callback,
    parse_login_parameters,
)
from bff.oidc.client import Client
from bff.oidc.end_session import build_end_session_url
from bff.oidc.keys import parse_jwks
from bff.oidc.metadata import parse_metadata
from bff.oidc.token_response import LIFETIMES, build_token_set, parse_token_response
from bff.oidc.transport import Answer
from bff.oidc.userinfo import parse_userinfo

NOW = 1_800_000_000.0
ISSUER = "https://op.test"
CLIENT = Client(ISSUER, "spa", "https://app.test/cb", "https://app.test/", client_secret="s")
ATTEMPT = LoginAttempt("the-state", "the-nonce", "v" * 43, "/", ISSUER, NOW)

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
media_types = st.sampled_from(["application/json", "text/html", "application/jwt", "application/x+json", ""])
texts = st.text(st.characters(codec="utf-8"), max_size=30)

# Members that are right now and then, so that the deeper checks are reached.
token_documents = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.one_of(st.just("at"), values),
        "token_type": st.one_of(st.just("Bearer"), values),
        "expires_in": values,
        "refresh_token": values,
        "id_token": values,
        "scope": values,
        "error": st.one_of(st.sampled_from(["invalid_grant", "server_error", "invalid_client"]), values),
    },
)


@given(st.integers(100, 599), media_types, st.one_of(st.binary(max_size=50), token_documents))
def test_any_answer_of_the_token_endpoint_is_tokens_or_a_declared_error(status, media_type, document):
    """RFC 6749 §5: and tokens always live for a while from now."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = Answer(status, media_type, body)
    try:
        response = parse_token_response(answer, {"invalid_grant"})
    except BffError:
        return
    tokens = build_token_set(response, None, NOW, id_token=response.id_token, scope="openid")
    assert NOW + LIFETIMES[0] <= tokens.expires_at <= NOW + LIFETIMES[1]
    assert tokens.access_token.isascii()
    assert tokens.access_token.isprintable()
    assert " " not in tokens.access_token


@given(st.integers(100, 599), media_types, st.one_of(st.binary(max_size=50), values))
def test_any_answer_of_the_userinfo_endpoint_is_claims_or_a_declared_error(status, media_type, document):
    """OIDC Core §5.3."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    try:
        found = parse_userinfo(Answer(status, media_type, body))
    except BffError:
        return
    assert isinstance(found, dict | str)


urls = st.one_of(st.just("https://op.test/x"), texts, texts.map(lambda text: f"https://{text}"), values)


@given(
    st.fixed_dictionaries(
        {"issuer": st.one_of(st.just(ISSUER), values)},
        optional=dict.fromkeys(
            (
                "authorization_endpoint",
                "token_endpoint",
                "jwks_uri",
                "userinfo_endpoint",
                "revocation_endpoint",
                "end_session_endpoint",
                "code_challenge_methods_supported",
                "authorization_response_iss_parameter_supported",
            ),
            urls,
        ),
    )
)
def test_any_discovery_document_is_metadata_or_refused(document: dict[str, Any]):
    """OIDC Discovery §4.3: and every endpoint in it is https."""
    try:
        metadata = parse_metadata(document, ISSUER)
    except MetadataInvalid:
        return
    for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
        assert url.startswith("https://") or urlsplit(url).scheme == "https"
        assert urlsplit(url).hostname


@given(values)
def test_any_key_set_is_keys_or_refused(document):
    """RFC 7517 §5."""
    try:
        keys = parse_jwks(document if isinstance(document, dict) else {"keys": document})
    except MetadataInvalid:
        return
    assert keys


names = st.sampled_from(["code", "state", "iss", "error", "error_description", "foo", "code[]", ""])
queries = st.one_of(
    st.text(max_size=80),
    st.binary(max_size=80),
    st.lists(st.tuples(names, texts), max_size=6).map(urlencode),
    st.lists(st.tuples(names, st.sampled_from(["the-state", ISSUER, "x", ""])), max_size=6).map(urlencode),
)


@given(queries, st.booleans())
def test_any_callback_gives_a_code_of_this_attempt_or_is_refused(query, iss_required):
    """RFC 6749 §4.1.2, RFC 9207 §2.4: a code only ever comes with our state, once, and with no wrong issuer."""
    try:
        code = check_callback(parse_callback(query), ATTEMPT, iss_required=iss_required, now=NOW)
    except CallbackRejected as error:
        assert error.reason.replace("_", "").isalpha()
        return
    fields = parse_qs(query if isinstance(query, str) else query.decode("ascii"), keep_blank_values=True)
    assert ([code], ["the-state"]) == (fields["code"], fields["state"])
    assert fields.get("iss", [""]) in ([ISSUER], [""])


@given(
    st.one_of(
        st.text(max_size=80),
        st.binary(max_size=80),
        st.lists(
            st.tuples(
                st.sampled_from(["prompt", "login_hint", "ui_locales", "acr_values", "max_age", "scope"]), texts
            ),
            max_size=5,
        ).map(urlencode),
    )
)
def test_any_login_request_is_read_or_refused_and_changes_nothing_that_we_fix(query):
    """OIDC Core §3.1.2.1: what passes arrives as it was, and each parameter once."""
    try:
        chosen = parse_login_parameters(query)
    except BadRequest:
        return
    attempt = LoginAttempt(
        "the-state", "the-nonce", "v" * 43, "/", ISSUER, NOW, max_age=chosen.max_age, acr_values=chosen.acr_values
    )
    pairs = parse_qsl(urlsplit(build_authorization_url(f"{ISSUER}/a", CLIENT, attempt, chosen.extras)).query)
    fields = dict(pairs)
    assert len(pairs) == len(fields)
    assert ("openid", "code", "spa", "S256") == tuple(
        fields[name] for name in ("scope", "response_type", "client_id", "code_challenge_method")
    )
    assert (chosen.login_hint, chosen.prompt) == (fields.get("login_hint"), fields.get("prompt"))


@given(st.dictionaries(texts, texts, max_size=3), texts)
def test_no_extra_parameter_can_bend_a_url_to_another_place(extra, hint):
    """RFC 9700 §4.11: whatever is added stays in the query."""
    client = Client(
        ISSUER,
        "spa",
        "https://app.test/cb",
        "https://app.test/",
        client_secret="s",
        extra_parameters=extra,
        end_session_parameters=extra,
    )
    for url in (
        build_authorization_url(f"{ISSUER}/a?tenant={quote('1&2')}", client, ATTEMPT, {"login_hint": hint}),
        build_end_session_url(f"{ISSUER}/a", client, None, sub_hint=hint),
    ):
        parts = urlsplit(url)
        assert ("https", "op.test", "/a", "") == (parts.scheme, parts.netloc, parts.path, parts.fragment)
        assert "spa" == parse_qs(parts.query)["client_id"][0]
