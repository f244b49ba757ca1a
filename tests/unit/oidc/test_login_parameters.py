"""What a page may choose for a login."""

import pytest

from bff.errors import BadRequest
from bff.oidc.login_parameters import LoginParameters, parse_login_parameters


def test_the_allow_listed_parameters_are_read():
    """OIDC Core §3.1.2.1: prompt, login_hint, ui_locales, acr_values, max_age."""
    query = "prompt=login+consent&login_hint=%C3%A9va%40x.test&ui_locales=de-CH+en&acr_values=urn:a:b+2&max_age=0"

    found = parse_login_parameters(query.encode())

    assert LoginParameters("login consent", "éva@x.test", "de-CH en", "urn:a:b 2", 0) == found
    assert {"prompt": "login consent", "login_hint": "éva@x.test", "ui_locales": "de-CH en"} == found.extras


def test_everything_else_is_ignored():
    """OIDC Core §3.1.2.1: no page chooses where we go or what we ask for."""
    query = "redirect_uri=https://evil.test&client_id=x&scope=admin&request=e30&response_type=token&return_to=/a&x=1&x=2"

    assert LoginParameters() == parse_login_parameters(query)


def test_an_empty_parameter_counts_as_none():
    """RFC 6749 §3.1: parameters without a value are as if omitted."""
    assert LoginParameters() == parse_login_parameters("prompt=&login_hint=&ui_locales=&acr_values=&max_age=")


@pytest.mark.parametrize(
    "query",
    [
        "prompt=none+login",
        "prompt=login+login",
        "prompt=later",
        "prompt=login%20",
        "prompt=LOGIN",
        "login_hint=a%0d%0ab",
        "login_hint=a%00",
        "login_hint=" + "a" * 257,
        "ui_locales=de_DE",
        "ui_locales=" + "+".join(["de"] * 11),
        "acr_values=a%22b",
        "acr_values=x%26prompt%3Dnone",
        "acr_values=" + "a" * 129,
        "max_age=-1",
        "max_age=1.5",
        "max_age=1234567890",
        "max_age=%D9%A1",
        "prompt=login&prompt=login",
        "max_age=1&max_age=2",
        "x=" + "y" * 8200,
    ],
)
def test_what_is_not_of_its_form_is_refused(query):
    """RFC 9470 §4: values that reach the authorization request are held to a sane syntax."""
    with pytest.raises(BadRequest):
        parse_login_parameters(query)
