"""The login attempt: secrets, authorization request, authorization response."""

import base64
import hashlib
import re
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from bff.errors import CallbackRejected
from bff.oidc.attempt import (
    CallbackParameters,
    LoginAttempt,
    build_authorization_url,
    check_callback,
    new_attempt,
    parse_callback,
)
from bff.oidc.client import Client

NOW = 1_800_000_000.0
ISSUER = "https://op.test"
CLIENT = Client(
    issuer=ISSUER,
    client_id="spa",
    redirect_uri="https://app.test/bff/callback",
    post_logout_redirect_uri="https://app.test/",
    client_secret="secret",
    scopes=("openid", "profile"),
)
ATTEMPT = LoginAttempt(
    state="the-state",
    nonce="the-nonce",
    code_verifier="v" * 43,
    return_to="/",
    issuer=ISSUER,
    started_at=NOW,
)


def attempt_now() -> LoginAttempt:
    return new_attempt(return_to="/orders", issuer=ISSUER, now=NOW)


def fields_of(url: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert len(pairs) == len(dict(pairs)), "RFC 6749 §3.1: no parameter twice"
    return dict(pairs)


def rejected(query: str | bytes, attempt: LoginAttempt | None = ATTEMPT, **options: object) -> str:
    with pytest.raises(CallbackRejected) as caught:
        check_callback(parse_callback(query), attempt, **{"iss_required": False, "now": NOW, **options})
    return caught.value.reason


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_secret_of_a_hundred_attempts_is_another_one():
    """RFC 9700 §2.1.1: state, nonce and verifier are bound to one transaction."""
    attempts = [attempt_now() for _ in range(100)]
    secrets = {secret for a in attempts for secret in (a.state, a.nonce, a.code_verifier)}

    assert 300 == len(secrets)


def test_a_verifier_has_256_bits_in_the_characters_that_are_allowed():
    """RFC 7636 §4.1, §7.1: 43 to 128 unreserved characters with 256 bits of entropy."""
    drawn = []

    def random(size: int) -> bytes:
        drawn.append(size)
        return bytes(range(size))

    attempt = new_attempt(return_to="/", issuer=ISSUER, now=NOW, random=random)

    assert [32, 32, 32] == drawn
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", attempt.code_verifier)


def test_a_nonce_is_at_most_64_characters():
    """FAPI 2.0 §5.3.3.2: longer ones are not taken everywhere."""
    assert 43 == len(attempt_now().nonce)


def test_an_attempt_does_not_print_its_secrets():
    """A secret that is logged is none."""
    text = repr(attempt_now()) + repr(parse_callback("code=the-code&state=the-state"))

    assert "LoginAttempt(issuer='https://op.test', started_at=1800000000.0)" in text
    assert "the-code" not in text


# ── the request ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_authorization_request_is_a_code_request_with_pkce_state_and_nonce():
    """OIDC Core §3.1.2.1, RFC 9700 §2.1.1, RFC 7636 §4.2: code flow only, S256 only."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()

    url = build_authorization_url("https://op.test/authorize", CLIENT, ATTEMPT, {})

    assert url.startswith("https://op.test/authorize?")
    assert fields_of(url) == {
        "response_type": "code",
        "client_id": "spa",
        "redirect_uri": "https://app.test/bff/callback",
        "scope": "openid profile",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }


def test_what_was_asked_of_the_login_goes_along():
    """OIDC Core §3.1.2.1: max_age and acr_values of the attempt; prompt, login_hint and ui_locales of the page."""
    attempt = replace(ATTEMPT, max_age=0, acr_values="gold silver")
    extras = {"prompt": "login", "login_hint": "al+ice@example.test", "ui_locales": "de en"}

    fields = fields_of(build_authorization_url("https://op.test/a", CLIENT, attempt, extras))

    assert ("0", "gold silver") == (fields["max_age"], fields["acr_values"])
    assert extras == {name: fields[name] for name in extras}


def test_a_page_cannot_choose_anything_else():
    """OIDC Core §3.1.2.1: what is not on the list never reaches the issuer."""
    extras = {
        "redirect_uri": "https://evil.test/",
        "client_id": "x",
        "scope": "admin",
        "request": "e30",
        "foo": "1",
    }

    assert build_authorization_url("https://op.test/a", CLIENT, ATTEMPT, extras) == build_authorization_url(
        "https://op.test/a", CLIENT, ATTEMPT, {}
    )


@pytest.mark.parametrize(
    "name",
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    ],
)
def test_an_extra_parameter_cannot_replace_what_the_protocol_fixes(name):
    """RFC 9700 §2.1.1: not even the operator turns off PKCE, state or nonce by accident."""
    client = replace(CLIENT, extra_parameters={name: "bent"})

    assert "bent" != fields_of(build_authorization_url("https://op.test/a", client, ATTEMPT, {}))[name]


@pytest.mark.parametrize("name", ["request", "request_uri", "response_mode"])
def test_an_extra_parameter_cannot_bring_another_request(name):
    """OIDC Core §6: a request object would override the parameters that we fix."""
    client = replace(CLIENT, extra_parameters={name: "bent", "audience": "api"})

    fields = fields_of(build_authorization_url("https://op.test/a", client, ATTEMPT, {}))

    assert name not in fields
    assert "api" == fields["audience"]


def test_a_page_overrides_the_configured_prompt():
    """OIDC Core §3.1.2.1: a step-up asks for prompt=login though the client always asks for consent."""
    client = replace(CLIENT, prompt="consent", extra_parameters={"prompt": "select_account"})

    assert "consent" == fields_of(build_authorization_url("https://op.test/a", client, ATTEMPT, {}))["prompt"]
    url = build_authorization_url("https://op.test/a", client, ATTEMPT, {"prompt": "login"})
    assert "login" == fields_of(url)["prompt"]


def test_the_query_of_the_endpoint_is_kept_but_cannot_shadow_ours():
    """RFC 6749 §3.1: the endpoint may have a query, and no parameter comes twice."""
    fields = fields_of(build_authorization_url("https://op.test/a?tenant=7&scope=all", CLIENT, ATTEMPT, {}))

    assert ("7", "openid profile") == (fields["tenant"], fields["scope"])


def test_every_resource_is_named():
    """RFC 8707 §2: `resource` is the one parameter that repeats."""
    client = replace(CLIENT, resource=("https://a.test", "https://b.test"), extra_parameters={"resource": "x"})

    url = build_authorization_url("https://op.test/a", client, ATTEMPT, {})

    assert ["https://a.test", "https://b.test"] == parse_qs(urlsplit(url).query)["resource"]


# ── the response ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("query", ["code=a&state=b&iss=c", b"code=a&state=b&iss=c"])
def test_a_response_is_read_from_text_and_bytes(query):
    """RFC 6749 §4.1.2."""
    assert CallbackParameters(code="a", state="b", iss="c") == parse_callback(query)


@pytest.mark.parametrize("name", ["code", "state", "iss", "error"])
def test_a_repeated_parameter_is_refused_even_with_the_same_value(name):
    """RFC 6749 §3.1: response parameters come once."""
    assert "repeated_parameter" == rejected(f"code=a&state=the-state&{name}=x&{name}=x")


def test_unknown_parameters_are_ignored():
    """RFC 6749 §4.1.2, RFC 9700 §2.1.2: session_state breaks nothing, tokens in the query mean nothing."""
    query = "code=a&state=the-state&foo=1&foo=2&session_state=x&access_token=t&id_token=i&code[]=b&state[]=c"

    assert "a" == check_callback(parse_callback(query), ATTEMPT, iss_required=False, now=NOW)


@pytest.mark.parametrize(
    "query",
    [
        "code=%ff&state=the-state",
        b"code=\xff&state=the-state",
        "code=" + "c" * 8193 + "&state=the-state",
        "code=a&state=" + "s" * 513,
        "code=a&state=the-state&iss=" + "i" * 2049,
        "code=a&state=the-state&x=" + "x" * 17000,
        "&".join(["code=a", "state=the-state", *(f"x{n}=" for n in range(64))]),
        "code=\ud800&state=the-state",
    ],
    ids=["bad-utf8", "raw-byte", "long-code", "long-state", "long-iss", "long-query", "many-fields", "surrogate"],
)
def test_a_response_beyond_reason_is_refused(query):
    """RFC 9700 §4.2.4: what comes to the callback comes from anyone, so it is bounded."""
    assert "malformed" == rejected(query)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("code=a", "state_mismatch"),
        ("code=a&state=", "state_mismatch"),
        ("code=a&state=the-stat", "state_mismatch"),
        ("code=a&state=the-state%20", "state_mismatch"),
        ("code=a&state=%C3%A9", "state_mismatch"),
        ("error=access_denied", "state_mismatch"),
        ("error=access_denied&state=other", "state_mismatch"),
        ("state=the-state", "no_code"),
        ("code=&state=the-state", "no_code"),
        ("state[]=the-state&code=a", "state_mismatch"),
    ],
)
def test_an_answer_that_is_not_to_our_question_is_refused(query, reason):
    """RFC 9700 §4.7, OIDC Core §3.1.2.7: state is checked before anything else is believed."""
    assert reason == rejected(query)


def test_an_answer_without_an_attempt_is_refused():
    """RFC 9700 §2.1: a browser that began no login cannot end one."""
    assert "no_attempt" == rejected("code=a&state=the-state", None)


@pytest.mark.parametrize(("age", "fine"), [(0, True), (600, True), (601, False)])
def test_an_attempt_has_its_time(age, fine):
    """RFC 9700 §4.2.4: an old attempt cannot be finished."""
    query = "code=a&state=the-state"
    if fine:
        assert "a" == check_callback(parse_callback(query), ATTEMPT, iss_required=False, now=NOW + age)
    else:
        assert "expired" == rejected(query, now=NOW + age)


@pytest.mark.parametrize(
    ("iss", "required", "reason"),
    [
        (None, True, "issuer_missing"),
        ("", True, "issuer_missing"),
        ("https%3A%2F%2Fop.test%2F", True, "issuer_mismatch"),
        ("https%3A%2F%2FOP.test", True, "issuer_mismatch"),
        ("https%3A%2F%2Fop.test%3A443", True, "issuer_mismatch"),
        ("https%3A%2F%2Fevil.test", False, "issuer_mismatch"),
        ("https%253A%252F%252Fop.test", False, "issuer_mismatch"),
    ],
)
@pytest.mark.parametrize("rest", ["code=a", "error=access_denied"])
def test_iss_is_compared_exactly_in_answers_and_errors(iss, required, reason, rest):
    """RFC 9207 §2.4: missing where announced, or another one at any time, and nothing else in it counts."""
    query = f"{rest}&state=the-state" + ("" if iss is None else f"&iss={iss}")

    assert reason == rejected(query, iss_required=required)


@pytest.mark.parametrize("required", [True, False])
def test_the_right_iss_passes(required):
    """RFC 9207 §2.4: percent-decoded, then compared as a string."""
    params = parse_callback("code=a&state=the-state&iss=https%3A%2F%2Fop.test")

    assert "a" == check_callback(params, ATTEMPT, iss_required=required, now=NOW)


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        ("access_denied", "provider_access_denied", 400),
        ("login_required", "provider_login_required", 400),
        ("temporarily_unavailable", "provider_temporarily_unavailable", 503),
        ("server_error", "provider_server_error", 503),
        ("brand_new_error", "provider_brand_new_error", 400),
        ("%3Cscript%3E", "provider_error", 400),
        ("Bad", "provider_error", 400),
        ("a" * 65, "provider_error", 400),
        ("x%0Ay", "provider_error", 400),
    ],
)
def test_an_error_of_the_issuer_becomes_a_plain_word(error, reason, status):
    """RFC 6749 §4.1.2.1: nothing of it is reflected but a code of plain letters."""
    query = f"error={error}&state=the-state&error_description=%3Cscript%3E&error_uri=https://evil.test&code=a"
    with pytest.raises(CallbackRejected) as caught:
        check_callback(parse_callback(query), ATTEMPT, iss_required=False, now=NOW)

    assert (reason, status) == (caught.value.reason, caught.value.http_status)
    assert "script" not in str(caught.value) + caught.value.detail
